using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <summary>One request of a simulated trace.</summary>
/// <param name="At">Seconds from the start.</param>
/// <param name="Similarity">To the best cached image; null: nothing to compare with.</param>
/// <param name="Luck">Uniform in [0, 1), for systems that have hit rates of their own.</param>
internal readonly record struct SimRequest(double At, double? Similarity, double Luck);

/// <summary>What a system makes of a request.</summary>
/// <param name="Work">Share of the schedule to draw; 0: the cached image is the answer.</param>
/// <param name="Raised">The share at <see cref="DegradeStep.HigherSkip"/>.</param>
internal readonly record struct SimJob(CacheRoute Route, double Work, double Raised);

/// <param name="MissWorkers">Large workers that misses keep busy on average, where that is known.</param>
internal sealed record SimPlan(
    IReadOnlyList<int> Sizes, string Reason, DegradeStep Step = DegradeStep.None, double? PredictedLatency = null, double MissWorkers = 0);

/// <summary>What decides about workers at each tick.</summary>
internal interface IFleetPolicy
{
    double TickSeconds { get; }

    SimPlan Plan(LoadSample sample, double now);
}

/// <summary>The same sizes for ever.</summary>
internal sealed class FixedFleet(params int[] sizes) : IFleetPolicy
{
    public double TickSeconds => 60;

    public SimPlan Plan(LoadSample sample, double now) => new(sizes, "fixed");
}

/// <summary>The paper's rule, every 3 minutes, through its PID controller (starting with every GPU large, as published).</summary>
internal sealed class PaperFleet(MixtureSpec spec, double[] seconds, bool throughput) : IFleetPolicy
{
    private PaperState _state = new(spec.GpuBudget, 0, 0);
    private LoadSample? _last;

    public double TickSeconds => PaperPlanner.Period.TotalSeconds;

    /// <summary>How often the paper's own system would have stopped serving.</summary>
    public int Stops { get; private set; }

    public SimPlan Plan(LoadSample sample, double now)
    {
        // Its own plans only when something arrives; here it goes on with what it saw last.
        if (sample.Misses + sample.Hits == 0) sample = _last ?? sample;
        if (sample.Misses + sample.Hits == 0) return new(Split((int)Math.Round(_state.Large)), "nothing has arrived yet");
        _last = sample;
        var work = sample.Hits > 0 ? sample.HitWork / sample.Hits : 1;
        int target;
        if (throughput)
            target = PaperPlanner.ForThroughput(sample.Hits / (sample.Hits + sample.Misses), work, seconds[0], seconds[1], spec.GpuBudget);
        else
        {
            var perMinute = 60 / sample.Seconds;
            (target, var stops) = PaperPlanner.ForQuality(
                sample.Misses * perMinute, sample.Hits * perMinute, work, seconds[0], seconds[1], spec.GpuBudget);
            if (stops) Stops++;
        }
        (var large, _state) = PaperPlanner.Steer(_state, target, throughput ? spec.GpuBudget - 1 : spec.GpuBudget, spec.GpuBudget);
        return new(Split(large), $"target {target}, steered to {large}");
    }

    private int[] Split(int large)
    {
        var bounded = Math.Clamp(large, 1, spec.GpuBudget);
        return [bounded, spec.GpuBudget - bounded, .. new int[spec.Small.Count - 1]];
    }
}

/// <summary>The production planner.</summary>
internal sealed class OurFleet(MixtureSpec spec) : IFleetPolicy
{
    private PlanState? _state;

    public double TickSeconds => CapacityPlanner.Tick(spec).TotalSeconds;

    public SimPlan Plan(LoadSample sample, double now)
    {
        (var allocation, _state) = CapacityPlanner.Plan(spec, sample, _state, TimeSpan.FromSeconds(now));
        return Of(allocation, allocation.Reason);
    }

    public static SimPlan Of(Allocation allocation, string reason) => new(
        [.. allocation.Pools.Select(p => p.Replicas)], reason, allocation.Degrade, allocation.PredictedLatency?.TotalSeconds, allocation.MissWorkers);
}

/// <summary>Knows the true rates, now and until its workers are up, and swaps for nothing: what no real system can.</summary>
internal sealed class OracleFleet(MixtureSpec spec, double[] seconds, Func<double, double> perMinute, double hitShare, double hitWork) : IFleetPolicy
{
    private const double Ahead = 120;

    public double TickSeconds => 60;

    public SimPlan Plan(LoadSample sample, double now)
    {
        var rate = Math.Max(perMinute(now), perMinute(now + Ahead)) / 60;
        var demand = new Demand(rate * (1 - hitShare), rate * hitShare, hitWork, hitWork, sample.WaitingMisses, sample.WaitingHits);
        var ideal = CapacityPlanner.Ideal(spec, demand, seconds);
        return OurFleet.Of(ideal, "it knows the rates");
    }
}
