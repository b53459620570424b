using CsCheck;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Core.Tests.Planning;

/// <summary>What holds for every document, load and history.</summary>
public class CapacityPlannerPropertyTests
{
    private const int Cases = 10_000;

    private static readonly Gen<WorkerPool> GenPool =
        from min in Gen.Int[0, 3]
        from more in Gen.Int[0, 40]
        from gpus in Gen.Int[1, 4]
        select new WorkerPool { Name = "p", ModelPath = "p", GuidanceScale = 3, MinReplicas = min, MaxReplicas = Math.Max(1, min + more), GpusPerReplica = gpus };

    private static readonly Gen<MixtureSpec> GenSpec =
        from large in GenPool
        from small in GenPool.Array[0, 4]
        from room in Gen.Int[0, 60]
        from slo in Gen.Double[1, 600]
        from percentile in Gen.Double[50, 99.9]
        from objective in Gen.Enum<SloObjective>()
        from degrade in Gen.Int[0, 3]
        select new MixtureSpec
        {
            Steps = 50,
            Large = large,
            Small = small,
            GpuBudget = Math.Max(1, large.MinReplicas * large.GpusPerReplica + small.Sum(s => s.MinReplicas * s.GpusPerReplica)) + room,
            Cache = new CacheSpec { Capacity = 1, Admit = CacheAdmit.All, EmbedderPath = "", Hits = [new(0.25, 0.1), new(0.3, 0.6)] },
            Slo = new SloSpec { Latency = TimeSpan.FromSeconds(slo), Percentile = percentile, Objective = objective, Degrade = (DegradeStep)degrade },
        };

    private static readonly Gen<double> GenCount = Gen.OneOf(Gen.Double[0, 200], Gen.Const(0.0), Gen.Double[0, 1e6]);

    private static Gen<LoadSample> GenLoad(int pools) =>
        from seconds in Gen.OneOf(Gen.Double[1, 120], Gen.Const(0.0), Gen.Const(double.NaN))
        from misses in Gen.OneOf(GenCount, GenCount, GenCount, Gen.Const(double.NaN), Gen.Const(-1.0), Gen.Const(double.PositiveInfinity))
        from hits in GenCount
        from work in Gen.Double[0, 1]
        from raised in Gen.Double[0, 1]
        from waiting in Gen.Int[0, 500]
        from waitingHits in Gen.Int[0, 500]
        from workers in Gen.Int[0, 20].Array[pools]
        from draw in Gen.OneOf(Gen.Double[0.05, 200], Gen.Double[0.05, 200], Gen.Const(double.NaN), Gen.Const(0.0)).Array[pools]
        from load in Gen.Double[0, 300].Array[pools]
        select new LoadSample
        {
            Seconds = seconds,
            Misses = misses,
            Hits = hits,
            HitWork = hits * work,
            RaisedHitWork = hits * work * raised,
            WaitingMisses = waiting,
            WaitingHits = waitingHits,
            Pools = [.. workers.Select((w, i) => new PoolLoad(w, w / 2, draw[i], load[i]))],
        };

    private static readonly Gen<(MixtureSpec Spec, LoadSample[] Loads)> GenHistory =
        from spec in GenSpec
        from loads in GenLoad(spec.Small.Count + 1).Array[1, 6]
        select (spec, loads);

    [Fact]
    public void Budget_min_and_max_hold_and_every_allocation_is_finite_and_has_a_reason() => GenHistory.Sample(history =>
    {
        var (spec, loads) = history;
        PlanState? state = null;
        for (var i = 0; i < loads.Length; i++)
        {
            (var allocation, state) = CapacityPlanner.Plan(spec, loads[i], state, TimeSpan.FromSeconds(97 * i));
            if (allocation.Gpus > spec.GpuBudget) return false;
            if (allocation.Pools.Any(p => p.Replicas < p.Pool.MinReplicas || p.Replicas > p.Pool.MaxReplicas)) return false;
            if (!double.IsFinite(allocation.Capacity) || allocation.Capacity < 0 || !double.IsFinite(allocation.MissWorkers)) return false;
            if (allocation.PredictedLatency is { } latency && latency <= TimeSpan.Zero) return false;
            if (allocation.Reason.Length < 20 || allocation.Reason.Contains("NaN", StringComparison.Ordinal)) return false;
        }
        return true;
    }, iter: Cases);

    [Fact]
    public void The_same_input_gives_the_same_output() => GenHistory.Sample(history =>
    {
        var (spec, loads) = history;
        return Run() == Run();

        string Run()
        {
            PlanState? state = null;
            var text = "";
            for (var i = 0; i < loads.Length; i++)
            {
                (var allocation, state) = CapacityPlanner.Plan(spec, loads[i], state, TimeSpan.FromSeconds(97 * i));
                text += allocation.Reason + allocation.PredictedLatency + allocation.Degrade;
            }
            return text;
        }
    }, iter: Cases);

    private static readonly Gen<(MixtureSpec Spec, Demand Demand, double[] Draw)> GenDemand =
        from spec in GenSpec
        from misses in Gen.Double[0, 3]
        from hits in Gen.Double[0, 3]
        from work in Gen.Double[0.05, 1]
        from raised in Gen.Double[0.05, 1]
        from slowest in Gen.Double[1, 100]
        from faster in Gen.Double[0.1, 1].Array[spec.Small.Count]
        select (spec, new Demand(misses, hits, work, work * raised, 0, 0), Slower(slowest, faster));

    [Fact]
    public void Large_capacity_covers_the_misses_whenever_some_split_could_serve_the_load() => GenDemand.Sample(c =>
    {
        var (spec, demand, draw) = c;
        var allocation = CapacityPlanner.Ideal(spec, demand, draw);
        if (allocation.Degrade >= DegradeStep.SmallForMisses && spec.Slo.Degrade >= DegradeStep.SmallForMisses) return true;
        return !SomeSplitServes(spec, demand, draw) || allocation.Pools[0].Replicas / draw[0] >= demand.MissRate - 1e-9;
    }, iter: Cases);

    [Fact]
    public void Under_cost_more_load_never_takes_fewer_GPUs_nor_a_milder_step() => GenDemand.Sample(c =>
    {
        var (spec, demand, draw) = c;
        spec = spec with { Slo = spec.Slo with { Objective = SloObjective.Cost, Degrade = DegradeStep.None } };
        var (less, more) = (CapacityPlanner.Ideal(spec, demand, draw),
            CapacityPlanner.Ideal(spec, demand with { MissRate = 1.3 * demand.MissRate, HitRate = 1.3 * demand.HitRate }, draw));
        if (less.Degrade > more.Degrade) return false;
        return less.Degrade == DegradeStep.Refuse || more.Degrade == DegradeStep.Refuse
            // Workers are whole: one kind may save a part of the other.
            || less.Gpus <= more.Gpus + spec.Pools.Max(p => p.GpusPerReplica);
    }, iter: Cases);

    [Fact]
    public void More_load_never_takes_a_milder_step_of_the_ladder() => GenDemand.Sample(c =>
    {
        var (spec, demand, draw) = c;
        var more = demand with { MissRate = 1.3 * demand.MissRate, HitRate = 1.3 * demand.HitRate };
        return CapacityPlanner.Ideal(spec, demand, draw).Degrade <= CapacityPlanner.Ideal(spec, more, draw).Degrade;
    }, iter: Cases);

    /// <summary>By trying: as many large workers as misses need, everything else small.</summary>
    private static bool SomeSplitServes(MixtureSpec spec, Demand demand, double[] draw)
    {
        var large = Math.Max(spec.Large.MinReplicas, (int)Math.Ceiling(demand.MissRate * draw[0] - 1e-9));
        if (large > spec.Large.MaxReplicas) return false;
        var left = spec.GpuBudget - large * spec.Large.GpusPerReplica - spec.Small.Sum(s => s.MinReplicas * s.GpusPerReplica);
        if (left < 0) return false;
        var speed = large / draw[0] - demand.MissRate + spec.Small.Select((s, i) => s.MinReplicas / draw[i + 1]).Sum();
        return speed >= demand.HitRate * demand.HitWork;
    }

    private static double[] Slower(double slowest, double[] faster)
    {
        var draw = new List<double> { slowest };
        foreach (var factor in faster)
            draw.Add(draw[^1] * factor);
        return [.. draw];
    }
}
