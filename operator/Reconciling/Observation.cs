using System.Globalization;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Mixture;
using MoDM.Operator.Resources;

namespace MoDM.Operator.Reconciling;

/// <summary>What the API server says of a mixture's children, read off its objects.</summary>
internal static class Observation
{
    public static WorkerPod Worker(V1Pod pod, TimeSpan grace, IReadOnlyDictionary<string, int> inFlight, DateTimeOffset now)
    {
        var since = DrainsSince(pod);
        return new WorkerPod(
            pod.Metadata.Name, IsReady(pod), pod.Metadata.DeletionTimestamp is not null || pod.Status?.Phase is "Failed" or "Succeeded",
            since is not null, since is { } at && now - at > grace,
            inFlight.TryGetValue(pod.Metadata.Name, out var images) ? images : null, Created(pod));
    }

    public static bool IsRolling(V1Deployment? deployment) => deployment?.Status is { } status
        && ((status.ObservedGeneration ?? 0) < (deployment.Metadata.Generation ?? 0) && (status.UpdatedReplicas ?? 0) < (status.Replicas ?? 0)
            || (status.UpdatedReplicas ?? 0) < (status.Replicas ?? 0));

    public static bool IsReady(V1Pod pod) => Condition(pod, "Ready") is { Status: "True" };

    public static DateTimeOffset? DrainsSince(V1Pod pod) =>
        pod.Metadata.Annotations is { } annotations && annotations.TryGetValue(ClusterNames.DrainAnnotation, out var text)
            ? DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : DateTimeOffset.MinValue
            : null;

    /// <summary>Phase by phase, how the newest ready pod of a pool came to serve (complaint 10).</summary>
    public static ColdStartStatus? ColdStart(WorkerPool pool, IEnumerable<V1Pod> pods)
    {
        var pod = pods.Where(p => IsReady(p) && (p.Status.ContainerStatuses?[0].RestartCount ?? 0) == 0).MaxBy(Created);
        if (pod is null) return null;
        var scheduled = At(Condition(pod, "PodScheduled")?.LastTransitionTime);
        var started = At(pod.Status.ContainerStatuses?[0].State?.Running?.StartedAt);
        return new ColdStartStatus
        {
            Pool = pool.Name,
            Pod = pod.Metadata.Name,
            ScheduleSeconds = Seconds(Created(pod), scheduled),
            PullSeconds = Seconds(scheduled, started),
            StartSeconds = Seconds(started, At(Condition(pod, "Ready")!.LastTransitionTime)),
        };
    }

    public static DateTimeOffset Created(V1Pod pod) => At(pod.Metadata.CreationTimestamp) ?? DateTimeOffset.MinValue;

    private static V1PodCondition? Condition(V1Pod pod, string type) => pod.Status?.Conditions?.FirstOrDefault(c => c.Type == type);

    private static DateTimeOffset? At(DateTime? time) => time is { } t ? new DateTimeOffset(DateTime.SpecifyKind(t, DateTimeKind.Utc)) : null;

    private static double? Seconds(DateTimeOffset? from, DateTimeOffset? to) =>
        from is { } f && to is { } t && t >= f ? (t - f).TotalSeconds : null;
}
