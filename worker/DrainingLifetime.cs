using System.Runtime.InteropServices;

namespace MoDM.Worker;

/// <summary>
/// SIGTERM and Ctrl+C end the process when it has drawn what it has (complaints 6 and 7): until then it listens and says that
/// it is busy, so that whoever has not heard of it goes elsewhere. A second signal ends it at once.
/// </summary>
internal sealed class DrainingLifetime(JobLoop jobs, IHostApplicationLifetime host, TimeProvider time) : IHostLifetime, IDisposable
{
    /// <summary>Until gateways have seen that the pod is about to end.</summary>
    private static readonly TimeSpan Notice = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    private readonly List<PosixSignalRegistration> _signals = [];
    private int _asked;

    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT })
            _signals.Add(PosixSignalRegistration.Create(signal, OnSignal));
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _signals.ForEach(s => s.Dispose());

    private void OnSignal(PosixSignalContext context)
    {
        if (Interlocked.Increment(ref _asked) > 1) return; // The system's own answer to it: the end.
        context.Cancel = true;
        jobs.Drain();
        _ = EndAsync();
    }

    private async Task EndAsync()
    {
        await Task.Delay(Notice, time);
        while (!jobs.IsIdle)
            await Task.Delay(Poll, time);
        host.StopApplication();
    }
}
