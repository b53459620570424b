using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;

namespace MoDM.Http;

/// <summary>
/// SIGTERM and Ctrl+C end a process in two steps (complaints 6 and 7): it says that it takes nothing new and still listens, so
/// that whoever has not heard of it is told, and it ends when it has nothing left to do. A second signal ends it at once.
/// </summary>
/// <param name="notice">Until others have seen that it is about to end.</param>
/// <param name="begin">From now on it is not ready.</param>
/// <param name="isIdle">Asked again and again after the notice.</param>
public sealed class DrainingLifetime(
    IHostApplicationLifetime host, TimeProvider time, TimeSpan notice, Action begin, Func<bool> isIdle) : IHostLifetime, IDisposable
{
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
        begin();
        _ = EndAsync();
    }

    private async Task EndAsync()
    {
        await Task.Delay(notice, time);
        while (!isIdle())
            await Task.Delay(Poll, time);
        host.StopApplication();
    }
}
