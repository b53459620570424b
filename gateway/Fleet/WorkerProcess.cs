using System.Globalization;
using MoDM.Mixture;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// A worker slot of this machine while a pool has it: its process, started again with growing pauses when it ends, until the
/// slot is to be given up. Then it draws what it has, and nothing more is sent to it (complaints 6 and 7).
/// </summary>
internal sealed partial class WorkerProcess : IDisposable
{
    public const int RefusedConfiguration = 2;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly string _assembly;
    private readonly int _threads;
    private readonly WorkerRegistry _registry;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _leave;
    private readonly CancellationToken _stop;
    private volatile string? _id;

    /// <param name="stop">Ends the process without waiting for what it draws.</param>
    public WorkerProcess(
        WorkerPool pool, string assembly, int threads, WorkerRegistry registry, TimeProvider time, ILogger log, CancellationToken stop)
    {
        (Pool, _assembly, _threads, _registry, _time, _log, _stop) = (pool, assembly, threads, registry, time, log, stop);
        _leave = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Ended = RunAsync();
    }

    public WorkerPool Pool { get; }

    /// <summary>Null, or what the worker said when it refused its configuration and was given up.</summary>
    public Task<string?> Ended { get; }
    public bool IsLeaving => _leave.IsCancellationRequested;

    /// <summary>Images that it draws; null when it cannot draw yet.</summary>
    public int? InFlight => _id is { } id ? _registry.InFlight(id) : null;

    public void Leave() => _leave.Cancel();

    public void Dispose() => _leave.Dispose();

    private async Task<string?> RunAsync()
    {
        for (var failures = 0; !IsLeaving; failures++)
        {
            var started = _time.GetTimestamp();
            using var process = new ChildServer(_assembly, Arguments(), line => Log.Said(_log, Pool.Name, line));
            await ServeAsync(process, started);
            if (IsLeaving)
            {
                await process.StopAsync(Grace);
                break;
            }

            var code = await process.Exited;
            if (code == RefusedConfiguration) return process.ErrorTail;
            if (_time.GetElapsedTime(started) > TimeSpan.FromMinutes(1)) failures = 0;
            var pause = TimeSpan.FromSeconds(Math.Min(LongestPause.TotalSeconds, failures == 0 ? 0 : Math.Pow(2, failures - 1)));
            Log.Ended(_log, Pool.Name, process.Id, code, pause.TotalSeconds);
            try { await Task.Delay(pause, _time, _leave.Token); }
            catch (OperationCanceledException) { break; }
        }
        return null;
    }

    /// <summary>Until the process has ended, or may.</summary>
    private async Task ServeAsync(ChildServer process, long started)
    {
        try
        {
            var address = await process.AddressAsync(_leave.Token);
            _id = _registry.Add(Pool.Name, address, started);
            await process.Exited.WaitAsync(_leave.Token);
        }
        catch (InvalidOperationException) when (process.Exited.IsCompleted)
        {
            // It ended before it listened; its exit code says the rest.
        }
        catch (OperationCanceledException) when (_id is { } id && !_stop.IsCancellationRequested)
        {
            await Task.WhenAny(_registry.DrainAsync(id), process.Exited, Task.Delay(Timeout.Infinite, _stop));
        }
        catch (OperationCanceledException)
        {
            // Nothing is sent to it yet, or everything ends.
        }
        if (_id is { } gone) _registry.Remove(gone);
        _id = null;
    }

    private IEnumerable<string> Arguments() =>
    [
        "--model", Pool.ModelPath, "--name", Pool.Name, "--urls", "http://127.0.0.1:0",
        "--threads", _threads.ToString(CultureInfo.InvariantCulture),
    ];

    private static partial class Log
    {
        [LoggerMessage(2, LogLevel.Warning,
            "The worker for {Model} (process {Id}) ended with code {Code}; it is started again in {Pause} s")]
        public static partial void Ended(ILogger log, string model, int id, int code, double pause);

        [LoggerMessage(3, LogLevel.Information, "{Model}: {Line}")]
        public static partial void Said(ILogger log, string model, string line);
    }
}
