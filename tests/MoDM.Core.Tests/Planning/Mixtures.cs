using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Core.Tests.Planning;

/// <summary>Mixtures and loads for the planner's tests.</summary>
internal static class Mixtures
{
    public static MixtureSpec Of(
        int budget, (int Min, int Max) large, (int Min, int Max)[] small, double slo = 183, SloObjective objective = SloObjective.Quality,
        DegradeStep degrade = DegradeStep.SmallForMisses, int gpusPerReplica = 1) => new()
        {
            Steps = 50,
            Large = Pool("large", large, gpusPerReplica),
            Small = [.. small.Select((s, i) => Pool($"small-{i + 1}", s, gpusPerReplica))],
            GpuBudget = budget,
            Cache = new CacheSpec { Capacity = 1, Admit = CacheAdmit.All, EmbedderPath = "", Hits = [new(0.25, 0.1), new(0.3, 0.6)] },
            Slo = new SloSpec { Latency = TimeSpan.FromSeconds(slo), Objective = objective, Degrade = degrade },
        };

    /// <summary>A minute of a load, in images a minute.</summary>
    public static LoadSample Load(
        double misses, double hits, double work = 0.7, int waitingMisses = 0, int waitingHits = 0, double seconds = 60,
        PoolLoad[]? pools = null) => new()
        {
            Seconds = seconds,
            Misses = misses * seconds / 60,
            Hits = hits * seconds / 60,
            HitWork = hits * work * seconds / 60,
            RaisedHitWork = hits * Math.Max(0.4, work - 0.2) * seconds / 60,
            WaitingMisses = waitingMisses,
            WaitingHits = waitingHits,
            Pools = pools ?? [new(16, 0, 91.5, 35), new(0, 0, 16.5, 15)],
        };

    public static int[] Sizes(Allocation allocation) => [.. allocation.Pools.Select(p => p.Replicas)];

    private static WorkerPool Pool(string name, (int Min, int Max) replicas, int gpusPerReplica) => new()
    {
        Name = name,
        ModelPath = name,
        GuidanceScale = 7.5,
        MinReplicas = replicas.Min,
        MaxReplicas = replicas.Max,
        GpusPerReplica = gpusPerReplica,
    };
}
