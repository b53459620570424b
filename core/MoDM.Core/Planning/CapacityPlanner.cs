using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>What the planner remembers from one plan to the next.</summary>
public sealed record PlanState
{
    public static readonly PlanState Empty = new();

    public DemandEstimate? Demand { get; init; }

    /// <summary>Replicas by pool, as last planned; empty before the first plan.</summary>
    public IReadOnlyList<int> Sizes { get; init; } = [];
    public DegradeStep Step { get; init; }

    /// <summary>When each pool grew last; empty before the first plan.</summary>
    public IReadOnlyList<TimeSpan> GrownAt { get; init; } = [];

    /// <summary>The mildest of the changes that would have been good since a time, and that time; null: none.</summary>
    public IReadOnlyList<int>? Better { get; init; }
    public DegradeStep BetterStep { get; init; }
    public TimeSpan BetterSince { get; init; }
}

/// <summary>
/// How many workers of each pool: observe, decide, say why. A pool that is too small grows at once; one that is larger
/// than it has to be shrinks when that has been so for a while, and only if the change costs less than it brings.
/// </summary>
public static class CapacityPlanner
{
    private static readonly TimeSpan LongAgo = TimeSpan.FromDays(-3650);

    /// <summary>How often to plan: several times within an SLO, so that a queue is seen before it is too long.</summary>
    public static TimeSpan Tick(MixtureSpec spec) =>
        TimeSpan.FromSeconds(Math.Clamp(spec.Slo.Latency.TotalSeconds / 3, 5, 60));

    /// <summary>The plan with what runs now, and what it costs to change it, in mind.</summary>
    /// <param name="sample">Null, or without rates: nothing is known, and nothing changes (complaint 3).</param>
    /// <param name="now">On the caller's clock, from any origin; never going back.</param>
    /// <returns>The sizes to have now, within min, max and budget whatever was before; the state for the next plan.</returns>
    public static (Allocation Allocation, PlanState State) Plan(
        MixtureSpec spec, LoadSample? sample, PlanState? previous, TimeSpan now)
    {
        var state = previous ?? PlanState.Empty;
        var current = Bounded(spec, state.Sizes, sample?.Pools);
        if (current.Length != state.Sizes.Count) state = state with { Better = null };
        if (sample is not { HasRates: true } load || load.Pools.Count != current.Length || load.Pools[0].Draw is null)
        {
            var unknown = sample is { HasRates: true } ? "no image of the large model has been timed yet" : "the load is not known";
            var why = state.Sizes.Count == 0 ? "each pool's min, the rest of the budget in turn" : "the last good sizes stay";
            return (Say(spec, current, state.Step, $"{unknown}: {why}"), state with { Sizes = current });
        }

        // Observe.
        var estimate = DemandEstimate.Next(state.Demand, load);
        var demand = new Demand(
            estimate.MissRate, estimate.HitRate, estimate.HitWork, estimate.RaisedHitWork,
            Math.Max(0, load.WaitingMisses), Math.Max(0, load.WaitingHits));
        var forecast = new Forecast(spec.Slo, DrawSeconds(load), demand);

        // Decide.
        var (ideal, step) = new AllocationSearch(spec, forecast).Find();
        var (sizes, next, reason) = new Transition(spec, load, demand, forecast, state, current, now).Decide(ideal, step);

        // Say why.
        var grown = sizes.Select((n, i) => n > current[i] ? now : state.GrownAt.Count == sizes.Length ? state.GrownAt[i] : LongAgo);
        return (Say(spec, sizes, next.Step, reason, forecast, demand), next with { Demand = estimate, Sizes = sizes, GrownAt = [.. grown] });
    }

    /// <summary>The plan for a load that stays as it is, as if changes were free.</summary>
    /// <param name="drawSeconds">Of a full drawing, by pool, the large one first.</param>
    public static Allocation Ideal(MixtureSpec spec, Demand demand, double[] drawSeconds)
    {
        var forecast = new Forecast(spec.Slo, drawSeconds, demand);
        var (sizes, step) = new AllocationSearch(spec, forecast).Find();
        return Say(spec, sizes, step, "for this load for good", forecast, demand);
    }

    /// <summary>A pool that has drawn nothing yet is taken to be as fast as the one before it in the document.</summary>
    private static double[] DrawSeconds(LoadSample load)
    {
        var seconds = new double[load.Pools.Count];
        for (var i = 0; i < seconds.Length; i++)
            seconds[i] = load.Pools[i].Draw ?? seconds[i - 1];
        return seconds;
    }

    /// <summary>The last sizes, or those that run, in a document that may have changed since: within min, max and the budget.</summary>
    private static int[] Bounded(MixtureSpec spec, IReadOnlyList<int> sizes, IReadOnlyList<PoolLoad>? running)
    {
        var pools = spec.Pools.ToArray();
        var before = sizes.Count == pools.Length ? sizes
            : running?.Count == pools.Length && running.Any(p => p.Workers > 0) ? [.. running.Select(p => p.Workers)]
            : InTurn(spec, pools);
        var bounded = pools.Select((p, i) => Math.Clamp(before[i], p.MinReplicas, Math.Max(p.MinReplicas, p.MaxReplicas))).ToArray();
        var over = bounded.Select((n, i) => n * pools[i].GpusPerReplica).Sum() - spec.GpuBudget;
        for (var i = pools.Length - 1; i >= 0 && over > 0; i--)
        {
            var fewer = Math.Min(bounded[i] - pools[i].MinReplicas, (over + pools[i].GpusPerReplica - 1) / pools[i].GpusPerReplica);
            bounded[i] -= fewer;
            over -= fewer * pools[i].GpusPerReplica;
        }
        return bounded;
    }

    /// <summary>Before any load has been seen: every pool's min; then a worker each in turn, large first, while it fits.</summary>
    private static int[] InTurn(MixtureSpec spec, WorkerPool[] pools)
    {
        var sizes = pools.Select(p => p.MinReplicas).ToArray();
        var free = spec.GpuBudget - pools.Sum(p => p.MinReplicas * p.GpusPerReplica);
        for (var grown = true; grown;)
        {
            grown = false;
            for (var i = 0; i < pools.Length; i++)
            {
                if (sizes[i] >= pools[i].MaxReplicas || pools[i].GpusPerReplica > free) continue;
                sizes[i]++;
                free -= pools[i].GpusPerReplica;
                grown = true;
            }
        }
        return sizes;
    }

    private static Allocation Say(MixtureSpec spec, int[] sizes, DegradeStep step, string reason) => new(
        [.. spec.Pools.Select((p, i) => new PoolSize(p, i == 0, sizes[i]))],
        string.Join(" + ", spec.Pools.Select((p, i) => $"{sizes[i]} {p.Name}")) + $": {reason}")
    { Degrade = step };

    private static Allocation Say(
        MixtureSpec spec, int[] sizes, DegradeStep step, string reason, Forecast forecast, Demand demand)
    {
        var latency = forecast.Latency(sizes, step);
        var known = !double.IsInfinity(latency);
        var allocation = Say(spec, sizes, step, reason);
        return allocation with
        {
            PredictedLatency = known ? TimeSpan.FromSeconds(latency) : null,
            Capacity = Finite(forecast.Capacity(sizes, step)),
            MissWorkers = Finite(forecast.MissWorkers),
            Reason = $"{allocation.Reason}; {Numbers(spec, allocation.Gpus, demand, demand.WorkOf(step))}; "
                + (known ? Within(spec.Slo, latency) : "the queue grows"),
        };
    }

    private static string Numbers(MixtureSpec spec, int gpus, Demand demand, double work) => FormattableString.Invariant(
        $"{demand.Rate * 60:0.#} images/min, {demand.HitShare:0%} hits with {work:0%} left to draw, {demand.WaitingMisses + demand.WaitingHits} waiting, {gpus} of {spec.GpuBudget} GPUs");

    private static string Within(SloSpec slo, double latency) => FormattableString.Invariant(
        $"p{slo.Percentile} {latency:0.#} s, {(latency <= slo.Latency.TotalSeconds ? "within" : "not within")} {slo.Latency.TotalSeconds:0.#} s");

    private static double Finite(double value) => double.IsFinite(value) ? value : 0;
}
