using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Fleet;

/// <summary>A plan, and since when its sizes and step are what they are.</summary>
internal sealed record PlanInForce(Allocation Allocation, DegradeStep Degrade, DateTimeOffset Since);

/// <summary>
/// The planner at work: takes the load since the last plan, plans, and puts the ladder's step in force. To start and end
/// workers is the fleet's part.
/// </summary>
internal sealed partial class LivePlan(RequestQueue queue, LoadMeter meter, TimeProvider time, ILogger<LivePlan> log)
{
    private readonly long _start = time.GetTimestamp();
    private PlanState? _state;
    private volatile PlanInForce? _now;

    /// <summary>Null before the first plan.</summary>
    public PlanInForce? Now => _now;

    /// <param name="workers">In each pool, without those that are about to end.</param>
    public Allocation Next(MixtureSpec spec, IReadOnlyList<int> workers)
    {
        // Observe. Before the first plan there is nothing to be seen: not knowing is not the same as no load.
        var sample = _state is null ? null : meter.Take(queue.Snapshot(), workers);

        // Decide.
        (var allocation, _state) = CapacityPlanner.Plan(spec, sample, _state, time.GetElapsedTime(_start));

        // Act.
        var degrade = InForce(allocation.Degrade, spec);
        var before = _now;
        var changed = before is null || degrade != before.Degrade || allocation.Degrade != before.Allocation.Degrade
            || !allocation.Pools.Select(p => p.Replicas).SequenceEqual(before.Allocation.Pools.Select(p => p.Replicas));
        queue.Follow(degrade, allocation.MissWorkers);
        _now = new PlanInForce(allocation, degrade, changed ? time.GetUtcNow() : before!.Since);
        Observe(allocation, degrade);
        if (changed) Log.Planned(log, allocation.Reason, NameOf(allocation.Degrade));
        return allocation;
    }

    /// <summary>Where somebody else starts and ends the workers: ladder and expectations follow those that there are.</summary>
    public Allocation NextAsTheyAre(MixtureSpec spec, IReadOnlyList<int> workers) => Next(AsTheyAre(spec, workers), workers);

    /// <summary>What is given up of quality: no more than the document allows, and nothing without a small model.</summary>
    public static DegradeStep InForce(DegradeStep planned, MixtureSpec spec) =>
        spec.Small.Count == 0 ? DegradeStep.None : planned < spec.Slo.Degrade ? planned : spec.Slo.Degrade;

    /// <summary>As headers, bodies and logs have it.</summary>
    public static string NameOf(DegradeStep step) => step switch
    {
        DegradeStep.None => "none",
        DegradeStep.SmallerModel => "smaller-model",
        DegradeStep.HigherSkip => "higher-skip",
        DegradeStep.SmallForMisses => "small-for-misses",
        _ => "refuse",
    };

    /// <summary>The document with the workers that there are, as if nothing else could be had.</summary>
    private static MixtureSpec AsTheyAre(MixtureSpec spec, IReadOnlyList<int> there)
    {
        WorkerPool Pool(WorkerPool pool, int n) => pool with { MinReplicas = n, MaxReplicas = n };
        return spec with
        {
            Large = Pool(spec.Large, there[0]),
            Small = [.. spec.Small.Select((p, i) => Pool(p, there[i + 1]))],
            GpuBudget = spec.Pools.Select((p, i) => p.GpusPerReplica * there[i]).Sum(),
        };
    }

    private static void Observe(Allocation allocation, DegradeStep degrade)
    {
        GatewayMetrics.DegradeStep.Set((int)degrade);
        GatewayMetrics.PredictedLatency.Set(allocation.PredictedLatency?.TotalSeconds ?? double.NaN);
        foreach (var pool in allocation.Pools)
            GatewayMetrics.PlannedWorkers.WithLabels(pool.Pool.Name).Set(pool.Replicas);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Plan: {Reason} (degraded: {Step})")]
        public static partial void Planned(ILogger log, string reason, string step);
    }
}
