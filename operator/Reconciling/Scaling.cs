using MoDM.Mixture;

namespace MoDM.Operator.Reconciling;

/// <summary>A worker's pod, as far as scaling looks at it.</summary>
/// <param name="Drains">It is marked: the gateway sends it nothing new.</param>
/// <param name="InFlight">Images that it draws; null when not known.</param>
/// <param name="DrainedTooLong">It was marked longer ago than any generation takes.</param>
/// <param name="Gpus">That it holds; null: it does not say, and holds what its pool's workers do.</param>
internal sealed record WorkerPod(
    string Name, bool Ready, bool Terminating, bool Drains, bool DrainedTooLong, int? InFlight, DateTimeOffset Created, int? Gpus = null);

/// <summary>A pool as it is planned and as it is.</summary>
/// <param name="Target">Workers by plan.</param>
/// <param name="Replicas">Of its Deployment; null: there is none yet.</param>
/// <param name="Rolling">The Deployment replaces its pods; which one leaves is its own choice then.</param>
/// <param name="GpusBefore">That its Deployment gives a worker, while the document's template is not applied yet; else null.</param>
internal sealed record PoolNow(
    WorkerPool Pool, int Target, int? Replicas, bool Rolling, IReadOnlyList<WorkerPod> Pods, int? GpusBefore = null)
{
    public IReadOnlyList<WorkerPod> Alive { get; } = [.. Pods.Where(p => !p.Terminating)];

    /// <summary>GPUs of a worker that the Deployment makes.</summary>
    public int Each => GpusBefore ?? Pool.GpusPerReplica;

    /// <summary>The document's template asks for more GPUs than the Deployment's.</summary>
    public bool Outgrown => GpusBefore < Pool.GpusPerReplica;

    /// <summary>GPUs that are held, or will be as soon as pods are made.</summary>
    public int Held => HeldBy(Replicas ?? 0, Each) + Pods.Where(p => p.Terminating).Sum(p => p.Gpus ?? Each);

    /// <summary>GPUs that the document's template would hold beyond that.</summary>
    public int More(int replicas) => HeldBy(replicas, Pool.GpusPerReplica) - HeldBy(Replicas ?? 0, Each);

    /// <param name="each">Of workers that the Deployment has still to make; those that it has may be replaced by such.</param>
    private int HeldBy(int replicas, int each) => Alive.Sum(p => Math.Max(p.Gpus ?? 0, each)) + Math.Max(0, replicas - Alive.Count) * each;
}

/// <summary>What to do now on the way from what is to what is planned.</summary>
/// <param name="Replicas">For each pool's Deployment, in order.</param>
/// <param name="Drain">Pods to mark.</param>
/// <param name="Serve">Pods whose mark is to be taken away.</param>
/// <param name="Delete">Pods that should have been drained long ago.</param>
/// <param name="Waiting">Pools whose new template waits, since its larger workers do not fit yet.</param>
internal sealed record ScalingStep(
    IReadOnlyList<int> Replicas, IReadOnlyList<string> Drain, IReadOnlyList<string> Serve, IReadOnlyList<string> Delete, IReadOnlyList<string> Waiting,
    string Reason);

/// <summary>
/// One step towards the plan. A worker leaves in two phases (complaints 6 and 7): it is marked, the gateway sends it nothing
/// new, and when it has drawn what it had it says that it is not ready; then the Deployment gets one replica less, and a
/// ReplicaSet removes pods that are not ready first. GPUs of a worker that leaves are free when its pod is gone, not before.
/// </summary>
internal static class Scaling
{
    public static ScalingStep Next(IReadOnlyList<PoolNow> pools, int gpuBudget)
    {
        var free = gpuBudget - pools.Sum(p => p.Held);
        var replicas = new int[pools.Count];
        var (drain, serve, reasons) = (new List<string>(), new List<string>(), new List<string>());
        for (var i = 0; i < pools.Count; i++)
        {
            var pool = pools[i];
            var now = pool.Replicas ?? 0;
            var marked = pool.Alive.Where(p => p.Drains).ToList();
            var coming = Math.Max(0, now - pool.Alive.Count);
            var serving = pool.Alive.Count - marked.Count + coming;
            replicas[i] = now;
            // A roll-out is let through first, but for one that the waiting template ends.
            var stays = pool.Rolling && !pool.Outgrown;
            if (serving > pool.Target && !stays)
            {
                // Pods that are not made yet need no draining.
                var unmade = Math.Min(coming, serving - pool.Target);
                replicas[i] = now - unmade;
                var leaving = Leaving(pool, serving - pool.Target - unmade);
                drain.AddRange(leaving.Select(p => p.Name));
                if (leaving.Count > 0) reasons.Add($"{leaving.Count} of {pool.Pool.Name} drain");
            }
            else if (serving < pool.Target)
            {
                var back = marked.Where(p => p.Ready && !p.DrainedTooLong).Take(pool.Target - serving).ToList();
                serve.AddRange(back.Select(p => p.Name));
                var more = pool.Outgrown ? 0 : Math.Min(pool.Target - serving - back.Count, Math.Max(0, free) / pool.Each);
                replicas[i] = now + more;
                free -= more * pool.Each;
                if (back.Count + more > 0) reasons.Add($"{back.Count + more} of {pool.Pool.Name} more");
                if (more < pool.Target - serving - back.Count) reasons.Add($"{pool.Pool.Name} waits for GPUs that are still held");
            }
            // Removed when drained; those that the Deployment has already been told to remove are not counted twice.
            var removable = marked.Count(p => (!p.Ready || p.DrainedTooLong) && !serve.Contains(p.Name)) - Math.Max(0, pool.Alive.Count - now);
            if (removable > 0 && !stays)
            {
                // Growth waits for the next step: with as many pods as before, the ReplicaSet would remove none.
                if (replicas[i] > now) free += (replicas[i] - now) * pool.Each;
                replicas[i] = Math.Min(replicas[i], now) - removable;
                reasons.Add($"{removable} of {pool.Pool.Name} drained");
            }
        }
        var waiting = new List<string>();
        for (var i = 0; i < pools.Count; i++)
        {
            if (!pools[i].Outgrown) continue;
            if (pools[i].More(replicas[i]) is var more && more <= Math.Max(0, free)) free -= more;
            else waiting.Add(pools[i].Pool.Name);
        }
        reasons.AddRange(waiting.Select(name => $"larger workers of {name} wait for GPUs that are still held"));
        return new ScalingStep(
            replicas, drain, serve, [.. pools.SelectMany(p => p.Alive).Where(p => p is { DrainedTooLong: true, Ready: true } && !serve.Contains(p.Name)).Select(p => p.Name)],
            waiting, reasons.Count > 0 ? string.Join(", ", reasons) : "as planned");
    }

    /// <summary>First those that cannot draw yet, as a ReplicaSet would; then idle ones; of equals the newest.</summary>
    private static List<WorkerPod> Leaving(PoolNow pool, int count) =>
    [
        .. pool.Alive.Where(p => !p.Drains)
            .OrderBy(p => p.Ready).ThenBy(p => p.InFlight ?? 0).ThenByDescending(p => p.Created).ThenBy(p => p.Name, StringComparer.Ordinal)
            .Take(count),
    ];
}
