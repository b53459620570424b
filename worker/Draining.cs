using System.Runtime.InteropServices;

namespace MoDM.Worker;

/// <summary>
/// The end of a worker, asked for by SIGTERM: it refuses what is new and still listens, so that gateways hear of it rather
/// than find a closed port, until its images are drawn and its texts written (complaint rows 6 and 7). A second SIGTERM ends it at once.
/// </summary>
internal sealed class Draining(IWorkload work, ModelLoading loading, TimeProvider time) : IHostedLifecycleService, IDisposable
{
    /// <summary>Gateways ask every second.</summary>
    private static readonly TimeSpan Notice = TimeSpan.FromSeconds(2);

    private PosixSignalRegistration? _signal;
    private int _signals;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _signal = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ =>
        {
            if (Interlocked.Increment(ref _signals) > 1) Environment.Exit(128 + 15);
        });
        return Task.CompletedTask;
    }

    /// <summary>Before the server stops.</summary>
    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (loading.Failure is not null) return Task.CompletedTask;
        return Task.WhenAll(work.EndAsync(), Task.Delay(Notice, time, cancellationToken)).WaitAsync(cancellationToken);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _signal?.Dispose();
}
