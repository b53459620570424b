using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>How many workers of each pool, and why.</summary>
public sealed record Allocation(IReadOnlyList<PoolSize> Pools, string Reason);

public readonly record struct PoolSize(WorkerPool Pool, bool IsLarge, int Replicas);

/// <summary>The split of one machine's slots before any load has been seen.</summary>
public static class LocalAllocation
{
    /// <summary>Every pool's min; then a worker each in turn, large first, while max and budget allow.</summary>
    public static Allocation Initial(MixtureSpec spec)
    {
        var pools = spec.Pools.ToList();
        var replicas = pools.Select(p => p.MinReplicas).ToArray();
        var free = spec.GpuBudget - pools.Select((p, i) => replicas[i] * p.GpusPerReplica).Sum();
        for (var grown = true; grown;)
        {
            grown = false;
            for (var i = 0; i < pools.Count; i++)
            {
                if (replicas[i] >= pools[i].MaxReplicas || pools[i].GpusPerReplica > free) continue;
                replicas[i]++;
                free -= pools[i].GpusPerReplica;
                grown = true;
            }
        }
        var sizes = pools.Select((p, i) => new PoolSize(p, i == 0, replicas[i])).ToList();
        return new Allocation(sizes, $"each pool's min, the rest of {spec.GpuBudget} slots in turn: "
            + string.Join(", ", sizes.Select(s => $"{s.Replicas} x {s.Pool.Name}")));
    }
}
