using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using MoDM.Cluster;
using MoDM.Mixture;
using MoDM.Operator.Cluster;
using MoDM.Operator.Load;
using MoDM.Operator.Resources;
using MoDM.Operator.Specs;
using MoDM.Planning;

namespace MoDM.Operator.Reconciling;

/// <summary>
/// Brings a mixture's objects to what its document and its load ask for. Level-triggered: each pass looks at everything and
/// does what is missing, whatever it was called for.
/// </summary>
internal sealed class MixtureReconciler(
    Watches watches, ChildWriter writer, EventWriter events, PrometheusClient prometheus, OperatorOptions options, TimeProvider time)
{
    private static readonly TimeSpan LoadShownEvery = TimeSpan.FromSeconds(15);

    private const int MostPhaseTries = 5;

    /// <summary>A timer may fire that much before its time.</summary>
    private static readonly TimeSpan TimersEarly = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<ObjectKey, MixtureMemory> _memories = new();
    private readonly long _start = time.GetTimestamp();

    private TimeSpan Now => time.GetElapsedTime(_start);

    /// <summary>Another replica acts from now on: what it does is not known here, nor told by metrics.</summary>
    public void Forget()
    {
        foreach (var key in _memories.Keys) Drop(key);
    }

    /// <returns>When to come again although nothing happened; null: not at all.</returns>
    public async Task<TimeSpan?> ReconcileAsync(ObjectKey key, CancellationToken cancel)
    {
        // 1. Observe: the document, and what of it is in force.
        if (watches.Mixtures.Find(key.Namespace, key.Name) is not { Metadata.DeletionTimestamp: null } resource)
        {
            Drop(key); // Its children go with it, by their owner references.
            return null;
        }
        if (_memories.TryGetValue(key, out var known) && known.Uid != resource.Metadata.Uid) Drop(key);
        var memory = _memories.GetOrAdd(key, _ => new MixtureMemory { Uid = resource.Metadata.Uid, Status = Verdict.StatusOf(resource) });
        var verdict = memory.Read(resource);
        IReadOnlyList<int> ready = [];
        var refusals = new Refusals();
        if (verdict.InForce is { } mixture)
        {
            // 2. Plan, when it is time.
            var pools = Pools(key, mixture, memory, new Dictionary<string, int>());
            if (Now >= memory.NextPlan - TimersEarly || !ReferenceEquals(memory.PlannedSpec, mixture.Spec))
                await PlanAsync(key, mixture, memory, pools, cancel);

            // 3. Build and apply, what has changed.
            await writer.ChildrenAsync(key, mixture, memory, refusals, cancel);
            await refusals.TryAsync(() => GatewayAsync(key, mixture, memory, cancel));

            // 4. One step towards the plan.
            await ScaleAsync(key, mixture, memory, refusals, cancel);
            ready = [.. mixture.Spec.Pools.Select(p => PodsOf(key, p).Count(pod => Observation.IsReady(pod) && pod.Metadata.DeletionTimestamp is null))];
        }

        // 5. Say so.
        await ReportAsync(key, resource, verdict, memory, ready, refusals.Text, cancel);
        refusals.Throw();
        return verdict.InForce is null ? null : memory.NextPlan > Now ? memory.NextPlan - Now : TimeSpan.Zero;
    }

    private async Task PlanAsync(ObjectKey key, MixtureInCluster mixture, MixtureMemory memory, List<PoolNow> pools, CancellationToken cancel)
    {
        var spec = mixture.Spec;
        var tick = CapacityPlanner.Tick(spec);
        int[] workers = [.. pools.Select(p => Math.Max(p.Replicas ?? 0, p.Alive.Count) - p.Alive.Count(pod => pod.Drains))];
        double[] loadSeconds = [.. spec.Pools.Select(p => memory.LoadSeconds.GetValueOrDefault(p.Name))];
        memory.NextPlan = WholeSecond(Now + tick);
        var reading = await LoadAsync(key, mixture, memory, tick, workers, loadSeconds, cancel);
        LoadSample? sample = null;
        switch (reading)
        {
            case Reading<MeasuredLoad?>.Known { Value: { } load }:
                (memory.Load, memory.Unknown, sample) = (load, null, load.Sample);
                break;
            case Reading<MeasuredLoad?>.Known when ReferenceEquals(memory.PlannedSpec, spec):
                return; // No newer point: what was planned still is.
            case Reading<MeasuredLoad?>.Unknown unknown:
                // One condition and its reason; the sizes stay (complaint 3).
                (memory.Load, memory.Unknown) = (null, (options.Prometheus ?? spec.Prometheus) is null ? ("NotConfigured", unknown.Why) : ("NotRead", unknown.Why));
                break;
        }
        // Without rates the planner holds what runs.
        sample ??= new LoadSample
        {
            Seconds = 0,
            Misses = 0,
            Hits = 0,
            HitWork = 0,
            RaisedHitWork = 0,
            WaitingMisses = 0,
            WaitingHits = 0,
            Pools = [.. workers.Select((n, i) => new PoolLoad(n, 0, null, loadSeconds[i]))],
        };
        var before = memory.Allocation;
        (memory.Allocation, memory.Plan) = CapacityPlanner.Plan(spec, sample, memory.Plan, Now);
        memory.PlannedSpec = spec;
        foreach (var gone in before?.Pools.Where(p => spec.Pools.All(s => s.Name != p.Pool.Name)) ?? [])
            OperatorMetrics.Replicas.RemoveLabelled(key.Namespace, key.Name, gone.Pool.Name);
        foreach (var pool in memory.Allocation.Pools)
            OperatorMetrics.Replicas.WithLabels(key.Namespace, key.Name, pool.Pool.Name).Set(pool.Replicas);
        OperatorMetrics.MetricsAvailable.WithLabels(key.Namespace, key.Name).Set(memory.Unknown is null ? 1 : 0);
    }

    private async Task<Reading<MeasuredLoad?>> LoadAsync(
        ObjectKey key, MixtureInCluster mixture, MixtureMemory memory, TimeSpan tick, int[] workers, double[] loadSeconds, CancellationToken cancel)
    {
        if ((mixture.Spec.Prometheus ?? options.Prometheus) is not { } address)
            return new Reading<MeasuredLoad?>.Unknown("neither the document (spec.metrics.prometheus) nor the operator (--prometheus) names a Prometheus");
        switch (await prometheus.QueryAsync(address, memory.History.Query(key.Namespace, key.Name, tick), cancel))
        {
            case Reading<(IReadOnlyList<Series> Series, double Now)>.Known { Value: var (series, now) }:
                var (load, history) = memory.History.Take(series, now, mixture.Spec, workers, loadSeconds);
                memory.History = history;
                memory.NextPlan = WholeSecond(Now + history.NextAfter(now, tick));
                return load;
            case Reading<(IReadOnlyList<Series>, double)>.Unknown { Why: var why }:
                return new Reading<MeasuredLoad?>.Unknown(why);
            default:
                throw new InvalidOperationException("a reading is known or unknown");
        }
    }

    /// <summary>Its size is the document's. With a new template it is written in one: more gateways only with the cache that they share.</summary>
    private async Task GatewayAsync(ObjectKey key, MixtureInCluster mixture, MixtureMemory memory, CancellationToken cancel)
    {
        var (name, replicas) = (mixture.GatewayName, mixture.Spec.GatewayReplicas);
        await writer.DeploymentAsync(key, mixture, name, replicas, memory, cancel);
        if (ChildWriter.ReplicasOf(watches.Deployments.Of(key).GetValueOrDefault(name), memory) is { } now && now != replicas)
            await writer.ReplicasAsync(key, name, replicas, memory, cancel);
    }

    private async Task ScaleAsync(ObjectKey key, MixtureInCluster mixture, MixtureMemory memory, Refusals refusals, CancellationToken cancel)
    {
        var pools = Pools(key, mixture, memory, new Dictionary<string, int>());
        var budget = mixture.Spec.GpuBudget - Observation.HeldByOthers(watches.Pods.Of(key).Values, mixture.Spec.Pools);
        var step = Scaling.Next(pools, budget);
        if (step.Drain.Count > 0)
        {
            // Only now it matters which of them are idle.
            pools = Pools(key, mixture, memory, await InFlightAsync(key, mixture, pools, cancel));
            step = Scaling.Next(pools, budget);
        }
        foreach (var pod in step.Serve)
            await refusals.TryAsync(() => writer.MarkAsync(key, pod, drain: false, memory, time.GetUtcNow(), cancel));
        foreach (var pod in step.Drain)
            await refusals.TryAsync(() => writer.MarkAsync(key, pod, drain: true, memory, time.GetUtcNow(), cancel));
        for (var i = 0; i < pools.Count; i++)
        {
            var (pool, replicas) = (pools[i], step.Replicas[i]);
            await refusals.TryAsync(async () =>
            {
                if (pool.Replicas is { } now && now != replicas)
                    await writer.ReplicasAsync(key, mixture.PoolName(pool.Pool), replicas, memory, cancel);
                if (!step.Waiting.Contains(pool.Pool.Name))
                    await writer.DeploymentAsync(key, mixture, mixture.PoolName(pool.Pool), replicas, memory, cancel);
            });
        }
        foreach (var pod in step.Delete)
            await refusals.TryAsync(() => writer.DeletePodAsync(key, pod, cancel));
    }

    private List<PoolNow> Pools(ObjectKey key, MixtureInCluster mixture, MixtureMemory memory, IReadOnlyDictionary<string, int> inFlight)
    {
        var now = time.GetUtcNow();
        var grace = TimeSpan.FromSeconds(Math.Max(60, 10 * mixture.Spec.Slo.Latency.TotalSeconds));
        var live = watches.Deployments.Of(key);
        memory.Unseen.ExceptWith(live.Keys);
        var pools = new List<PoolNow>();
        foreach (var pool in mixture.Spec.Pools)
        {
            var (pods, deployment) = (PodsOf(key, pool), live.GetValueOrDefault(mixture.PoolName(pool)));
            Remember(memory, pool, pods);
            var target = memory.Allocation?.Pools.FirstOrDefault(p => p.Pool.Name == pool.Name).Replicas ?? 0;
            pools.Add(new PoolNow(
                pool, target, ChildWriter.ReplicasOf(deployment, memory), Observation.IsRolling(deployment),
                [.. pods.Select(p => Marked(Observation.Worker(p, grace, inFlight, now), memory))], writer.GpusBefore(key, mixture, mixture.PoolName(pool), memory)));
        }
        return pools;
    }

    private IReadOnlyList<SeenPod> PodsOf(ObjectKey key, WorkerPool pool) =>
        [.. watches.Pods.Of(key).Values.Where(p => !Observation.HasEnded(p) && Observation.PoolOf(p) == pool.Name)];

    /// <summary>A mark that was just written and that the watch has not shown yet.</summary>
    private static WorkerPod Marked(WorkerPod pod, MixtureMemory memory)
    {
        if (!memory.Marks.TryGetValue(pod.Name, out var drains)) return pod;
        if (pod.Drains != drains) return pod with { Drains = drains };
        memory.Marks.Remove(pod.Name);
        return pod;
    }

    private static void Remember(MixtureMemory memory, WorkerPool pool, IReadOnlyList<SeenPod> pods)
    {
        if (Observation.ColdStart(pool, pods) is not { } start || memory.ColdStarts.TryGetValue(pool.Name, out var known) && known.Pod == start.Pod) return;
        memory.ColdStarts[pool.Name] = start;
        var total = (start.ScheduleSeconds ?? 0) + (start.PullSeconds ?? 0) + (start.StartSeconds ?? 0);
        memory.LoadSeconds[pool.Name] = memory.LoadSeconds.TryGetValue(pool.Name, out var before) ? (before + total) / 2 : total;
    }

    /// <summary>Images that each pod draws, as far as Prometheus knows; without it the newest pods leave.</summary>
    private async Task<IReadOnlyDictionary<string, int>> InFlightAsync(
        ObjectKey key, MixtureInCluster mixture, List<PoolNow> pools, CancellationToken cancel)
    {
        var names = string.Join('|', pools.SelectMany(p => p.Alive).Select(p => p.Name));
        var known = new Dictionary<string, int>();
        if ((mixture.Spec.Prometheus ?? options.Prometheus) is { } address
            && await prometheus.QueryAsync(address, $"{MetricNames.InFlight}{{namespace=\"{key.Namespace}\",pod=~\"{names}\"}}", cancel)
                is Reading<(IReadOnlyList<Series> Series, double)>.Known { Value: var (series, _) })
        {
            foreach (var one in series.Where(s => double.IsFinite(s.Last.Value)))
                known[one.Label("pod")] = (int)one.Last.Value;
        }
        return known;
    }

    private async Task ReportAsync(
        ObjectKey key, MixtureObject resource, Verdict verdict, MixtureMemory memory, IReadOnlyList<int> ready, string? refused, CancellationToken cancel)
    {
        await PhasesAsync(key, verdict, memory, cancel);
        var gateway = verdict.InForce is { } mixture ? watches.Deployments.Of(key).GetValueOrDefault(mixture.GatewayName) : null;
        var estimate = memory.Plan?.Demand;
        var facts = new StatusFacts(
            resource.Metadata.Generation ?? 0, verdict, memory.Allocation, gateway?.Status.AvailableReplicas > 0,
            ready, memory.Load,
            estimate is null ? null : new Demand(estimate.MissRate, estimate.HitRate, estimate.HitWork, estimate.RaisedHitWork, 0, 0),
            memory.Unknown, [.. memory.ColdStarts.Values.OrderBy(c => c.Pool, StringComparer.Ordinal)], refused);
        var before = memory.Status;
        var mayShowLoad = memory.LoadShownAt == TimeSpan.MinValue || Now - memory.LoadShownAt >= LoadShownEvery;
        var status = StatusView.Of(facts, before, mayShowLoad, time.GetUtcNow());
        var hash = Hash(status);
        if (before is not null && (memory.StatusHash ??= Hash(before)) == hash) return;
        await writer.StatusAsync(key, resource.Metadata.Uid, status, cancel);
        (memory.Status, memory.StatusHash) = (status, hash);
        if (status.Load != before?.Load) memory.LoadShownAt = Now;
        await events.WriteAsync(key, resource.Metadata.Uid, EventWriter.Between(before, status), cancel);
    }

    /// <summary>How a worker's start divides into loading and warming up is only known to the worker, and so to Prometheus.</summary>
    private async Task PhasesAsync(ObjectKey key, Verdict verdict, MixtureMemory memory, CancellationToken cancel)
    {
        if (verdict.InForce is not { } mixture || (mixture.Spec.Prometheus ?? options.Prometheus) is not { } address || memory.Unknown is not null) return;
        foreach (var start in memory.ColdStarts.Values.Where(c => c.LoadSeconds is null).ToList())
        {
            var (tries, plan) = memory.PhaseTries.GetValueOrDefault(start.Pod);
            if (tries >= MostPhaseTries || plan == memory.NextPlan) continue;
            memory.PhaseTries[start.Pod] = (tries + 1, memory.NextPlan);
            var query = $"{MetricNames.ModelLoadSeconds}{{namespace=\"{key.Namespace}\",pod=\"{start.Pod}\"}}";
            if (await prometheus.QueryAsync(address, query, cancel) is not Reading<(IReadOnlyList<Series> Series, double)>.Known { Value: var (series, _) })
                continue;
            double? Phase(string name) => series.FirstOrDefault(s => s.Label("phase") == name) is { } s ? Math.Round(s.Last.Value, 3) : null;
            if (Phase("load") is not { } load) continue;
            memory.PhaseTries.Remove(start.Pod);
            memory.ColdStarts[start.Pool] = start with { LoadSeconds = load, WarmUpSeconds = Phase("warm_up") };
        }
    }

    /// <summary>Mixtures are planned in company: waking up for each alone costs as much again as the plan.</summary>
    private static TimeSpan WholeSecond(TimeSpan at) => TimeSpan.FromSeconds(Math.Round(at.TotalSeconds));

    /// <summary>Without the document, which its generation stands for.</summary>
    private static string Hash(MixtureStatus status) => $"{status.Accepted?.Generation} {Convert.ToBase64String(SHA256.HashData(
        JsonSerializer.SerializeToUtf8Bytes(status with { Accepted = null }, StatusJson.Default.MixtureStatus)))}";

    private void Drop(ObjectKey key)
    {
        if (!_memories.TryRemove(key, out var memory)) return;
        foreach (var pool in memory.Allocation?.Pools ?? [])
            OperatorMetrics.Replicas.RemoveLabelled(key.Namespace, key.Name, pool.Pool.Name);
        OperatorMetrics.MetricsAvailable.RemoveLabelled(key.Namespace, key.Name);
    }
}
