using MoDM.Planning;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// Worker processes on this machine (the paper's single-server mode): one process a slot, started again with growing
/// pauses when it ends. A worker that refuses its configuration (exit code 2) ends the gateway, with what it said.
/// </summary>
internal sealed partial class LocalFleet(
    GatewayOptions options, WorkerRegistry registry, TimeProvider time, IHostApplicationLifetime lifetime, ILogger<LocalFleet> log)
    : BackgroundService
{
    private const int RefusedConfiguration = 2;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Workers.Count > 0)
        {
            foreach (var (model, address) in options.Workers)
                registry.Add(model, address);
            return Task.CompletedTask;
        }
        var allocation = CapacityPlanner.Plan(options.Mixture.Spec, null, null, TimeSpan.Zero).Allocation;
        Log.Starting(log, allocation.Reason);
        var slots = allocation.Pools.SelectMany(p => Enumerable.Repeat(p, p.Replicas));
        return Task.WhenAll(slots.Select(slot => SuperviseAsync(slot, stoppingToken)));
    }

    private async Task SuperviseAsync(PoolSize slot, CancellationToken stop)
    {
        for (var failures = 0; !stop.IsCancellationRequested; failures++)
        {
            var started = time.GetTimestamp();
            using var process = new ChildServer(WorkerAssembly(AppContext.BaseDirectory)!, Arguments(slot), line => Log.Said(log, slot.Pool.Name, line));
            try
            {
                var address = await process.AddressAsync(stop);
                var id = registry.Add(slot.Pool.Name, address);
                await process.Exited.WaitAsync(stop).ContinueWith(_ => { }, CancellationToken.None);
                registry.Remove(id);
            }
            catch (InvalidOperationException) when (process.Exited.IsCompleted)
            {
                // It ended before it listened; its exit code says the rest.
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Shutting down.
            }
            if (stop.IsCancellationRequested)
            {
                await process.StopAsync(Grace);
                return;
            }

            var code = await process.Exited;
            if (code == RefusedConfiguration)
            {
                await Console.Error.WriteLineAsync($"The worker for {slot.Pool.Name} cannot start:\n{process.ErrorTail}");
                Environment.ExitCode = RefusedConfiguration;
                lifetime.StopApplication();
                return;
            }
            if (time.GetElapsedTime(started) > TimeSpan.FromMinutes(1)) failures = 0;
            var pause = TimeSpan.FromSeconds(Math.Min(LongestPause.TotalSeconds, failures == 0 ? 0 : Math.Pow(2, failures - 1)));
            Log.Ended(log, slot.Pool.Name, process.Id, code, pause.TotalSeconds);
            try { await Task.Delay(pause, time, stop); }
            catch (OperationCanceledException) { return; }
        }
    }

    private IEnumerable<string> Arguments(PoolSize slot) =>
    [
        "--model", slot.Pool.ModelPath, "--name", slot.Pool.Name, "--urls", "http://127.0.0.1:0",
        "--threads", options.WorkerThreads.ToString(System.Globalization.CultureInfo.InvariantCulture),
    ];

    /// <summary>Beside this program when published together, in the sibling project's output when run from source.</summary>
    /// <returns>Null when it is in neither place.</returns>
    public static string? WorkerAssembly(string here)
    {
        string[] folders = [Path.Combine(here, "worker"), here.Replace("MoDM.Gateway", "MoDM.Worker", StringComparison.Ordinal)];
        return folders.Select(f => Path.Combine(f, "MoDM.Worker.dll")).FirstOrDefault(File.Exists);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Starting workers: {Reason}")]
        public static partial void Starting(ILogger log, string reason);

        [LoggerMessage(2, LogLevel.Warning,
            "The worker for {Model} (process {Id}) ended with code {Code}; it is started again in {Pause} s")]
        public static partial void Ended(ILogger log, string model, int id, int code, double pause);

        [LoggerMessage(3, LogLevel.Information, "{Model}: {Line}")]
        public static partial void Said(ILogger log, string model, string line);
    }
}
