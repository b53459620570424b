using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// Worker processes on this machine (the paper's single-server mode): one process a slot, planned again by a timer. A worker
/// that refuses its configuration (exit code 2) ends the gateway, with what it said. Workers that somebody else runs are
/// neither started nor ended, but planned with all the same, for the degrade ladder.
/// </summary>
internal sealed class LocalFleet(
    GatewayOptions options, WorkerRegistry registry, LivePlan plan, TimeProvider time, IHostApplicationLifetime lifetime,
    ILogger<LocalFleet> log)
    : BackgroundService
{
    private readonly MixtureSpec _spec = options.Mixture.Spec;

    /// <summary>Those that are leaving too, until their process has ended.</summary>
    private readonly List<WorkerProcess> _processes = [];

    private bool IsFixed => options.Workers.Count > 0;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        foreach (var (model, address) in options.Workers)
            registry.Add(model, address);
        using var timer = new PeriodicTimer(CapacityPlanner.Tick(_spec), time);
        try
        {
            var allocation = Plan();
            for (var tick = timer.WaitForNextTickAsync(stoppingToken).AsTask(); ;)
            {
                if (!IsFixed) Apply(allocation, stoppingToken);
                await Task.WhenAny([tick, .. _processes.Select(p => p.Ended)]);
                await ForgetEndedAsync(stoppingToken);
                if (!tick.IsCompleted) continue;
                await tick;
                allocation = Plan();
                tick = timer.WaitForNextTickAsync(stoppingToken).AsTask();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await Task.WhenAll(_processes.Select(p => p.Ended));
        }
    }

    private Allocation Plan() =>
        IsFixed ? plan.NextAsTheyAre(_spec, registry.Counts()) : plan.Next(_spec, [.. _spec.Pools.Select(Staying)]);

    /// <summary>
    /// What is too much in a pool leaves, and what is missing starts while the machine has room: a worker that still draws
    /// keeps its slot until it is done.
    /// </summary>
    private void Apply(Allocation allocation, CancellationToken stop)
    {
        foreach (var size in allocation.Pools)
        {
            foreach (var process in Surplus(_processes.Where(p => p.Pool == size.Pool && !p.IsLeaving), size.Replicas))
                process.Leave();
        }
        foreach (var size in allocation.Pools)
        {
            while (Staying(size.Pool) < size.Replicas
                && _processes.Sum(p => p.Pool.GpusPerReplica) + size.Pool.GpusPerReplica <= _spec.GpuBudget)
            {
                _processes.Add(new WorkerProcess(
                    size.Pool, WorkerAssembly(AppContext.BaseDirectory)!, options.WorkerThreads, registry, time, log, stop));
            }
        }
    }

    /// <summary>First those that cannot draw yet, then idle ones.</summary>
    private static List<WorkerProcess> Surplus(IEnumerable<WorkerProcess> processes, int wanted)
    {
        var all = processes.OrderBy(p => p.InFlight ?? -1).ToList();
        return all[..Math.Max(0, all.Count - wanted)];
    }

    private int Staying(WorkerPool pool) => _processes.Count(p => p.Pool == pool && !p.IsLeaving);

    private async Task ForgetEndedAsync(CancellationToken stop)
    {
        foreach (var process in _processes.Where(p => p.Ended.IsCompleted).ToList())
        {
            if (await process.Ended is { } said)
            {
                await Console.Error.WriteLineAsync($"The worker for {process.Pool.Name} cannot start:\n{said}");
                Environment.ExitCode = WorkerProcess.RefusedConfiguration;
                lifetime.StopApplication();
                await Task.Delay(Timeout.Infinite, stop);
            }
            _processes.Remove(process);
            process.Dispose();
        }
    }

    /// <summary>Beside this program when published together, in the sibling project's output when run from source.</summary>
    /// <returns>Null when it is in neither place.</returns>
    public static string? WorkerAssembly(string here)
    {
        string[] folders = [Path.Combine(here, "worker"), here.Replace("MoDM.Gateway", "MoDM.Worker", StringComparison.Ordinal)];
        return folders.Select(f => Path.Combine(f, "MoDM.Worker.dll")).FirstOrDefault(File.Exists);
    }
}
