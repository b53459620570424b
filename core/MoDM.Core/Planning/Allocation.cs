using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>How many workers of each pool, and why.</summary>
/// <param name="Pools">In the document's order, the large one first.</param>
public sealed record Allocation(IReadOnlyList<PoolSize> Pools, string Reason)
{
    /// <summary>At the SLO's percentile, over hits and misses; null while nothing is known of the load.</summary>
    public TimeSpan? PredictedLatency { get; init; }
    public DegradeStep Degrade { get; init; }

    /// <summary>Images a second that these workers can draw at the present mix of hits and misses; 0 when not known.</summary>
    public double Capacity { get; init; }

    /// <summary>Large workers that misses keep busy, on average.</summary>
    public double MissWorkers { get; init; }

    public int Gpus => Pools.Sum(p => p.Replicas * p.Pool.GpusPerReplica);
}

public readonly record struct PoolSize(WorkerPool Pool, bool IsLarge, int Replicas);
