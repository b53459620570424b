using System.Globalization;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Mixture;
using MoDM.Operator.Cluster;
using MoDM.Operator.Resources;

namespace MoDM.Operator.Reconciling;

/// <summary>What the API server says of a mixture's children, read off its objects.</summary>
internal static class Observation
{
    public static WorkerPod Worker(SeenPod pod, TimeSpan grace, IReadOnlyDictionary<string, int> inFlight, DateTimeOffset now)
    {
        var since = DrainsSince(pod);
        return new WorkerPod(
            pod.Metadata.Name, IsReady(pod), pod.Metadata.DeletionTimestamp is not null,
            since is not null, since is { } at && now - at > grace,
            inFlight.TryGetValue(pod.Metadata.Name, out var images) ? images : null, Created(pod), Gpus(pod.Metadata));
    }

    public static bool IsRolling(SeenDeployment? deployment) => deployment?.Status is { } status && status.UpdatedReplicas < status.Replicas;

    /// <summary>Its containers run no more, and it holds no GPU: an evicted pod, which stays until somebody removes it.</summary>
    public static bool HasEnded(SeenPod pod) => pod.Status.Phase is "Failed" or "Succeeded";

    public static string? PoolOf(SeenPod pod) => pod.Metadata.Labels is { } labels && labels.TryGetValue(ClusterNames.PoolLabel, out var pool) ? pool : null;

    /// <summary>Null: an earlier operator made it, and did not say.</summary>
    public static int? Gpus(V1ObjectMeta meta) =>
        meta.Annotations is { } notes && notes.TryGetValue(ClusterNames.GpusAnnotation, out var text) && int.TryParse(text, CultureInfo.InvariantCulture, out var gpus) ? gpus : null;

    /// <summary>GPUs of the budget that pods of pools hold which the document has no more, until they are gone.</summary>
    public static int HeldByOthers(IEnumerable<SeenPod> pods, IEnumerable<WorkerPool> pools)
    {
        var names = pools.Select(p => p.Name).ToList();
        return pods.Where(p => !HasEnded(p) && !names.Contains(PoolOf(p) ?? "")).Sum(p => Gpus(p.Metadata) ?? 1);
    }

    public static bool IsReady(SeenPod pod) => Condition(pod, "Ready") is { Status: "True" };

    public static DateTimeOffset? DrainsSince(SeenPod pod) =>
        pod.Metadata.Annotations is { } annotations && annotations.TryGetValue(ClusterNames.DrainAnnotation, out var text)
            ? DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : DateTimeOffset.MinValue
            : null;

    /// <summary>Phase by phase, how the newest ready pod of a pool came to serve (complaint 10).</summary>
    public static ColdStartStatus? ColdStart(WorkerPool pool, IEnumerable<SeenPod> pods)
    {
        var pod = pods.Where(p => IsReady(p) && p.Status.Containers.All(c => c.RestartCount == 0)).MaxBy(Created);
        if (pod is null) return null;
        var scheduled = At(Condition(pod, "PodScheduled")?.LastTransitionTime);
        var started = At(pod.Status.Containers is [var container, ..] ? container.State?.Running?.StartedAt : null);
        return new ColdStartStatus
        {
            Pool = pool.Name,
            Pod = pod.Metadata.Name,
            ScheduleSeconds = Seconds(Created(pod), scheduled),
            PullSeconds = Seconds(scheduled, started),
            StartSeconds = Seconds(started, At(Condition(pod, "Ready")!.LastTransitionTime)),
        };
    }

    public static DateTimeOffset Created(SeenPod pod) => At(pod.Metadata.CreationTimestamp) ?? DateTimeOffset.MinValue;

    private static PodConditionSeen? Condition(SeenPod pod, string type) => pod.Status.Conditions.FirstOrDefault(c => c.Type == type);

    private static DateTimeOffset? At(DateTime? time) => time is { } t ? new DateTimeOffset(DateTime.SpecifyKind(t, DateTimeKind.Utc)) : null;

    private static double? Seconds(DateTimeOffset? from, DateTimeOffset? to) =>
        from is { } f && to is { } t && t >= f ? (t - f).TotalSeconds : null;
}
