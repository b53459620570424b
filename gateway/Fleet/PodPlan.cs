using k8s.Models;
using MoDM.Cluster;

namespace MoDM.Gateway.Fleet;

/// <summary>A worker's pod, as far as it matters here.</summary>
/// <param name="Model">Name of its pool.</param>
/// <param name="Drains">It is marked: it is about to be removed.</param>
internal sealed record WorkerPod(string Uid, string Name, string Model, Uri? Address, string Phase, bool Terminating, bool Drains)
{
    public static WorkerPod Of(V1Pod pod)
    {
        var ports = pod.Spec?.Containers?.SelectMany(c => c.Ports ?? []) ?? [];
        var port = ports.FirstOrDefault(p => p.Name == "http")?.ContainerPort ?? ClusterNames.WorkerPort;
        return new WorkerPod(
            pod.Metadata.Uid, pod.Metadata.Name, pod.Metadata.Labels?.TryGetValue(ClusterNames.PoolLabel, out var pool) == true ? pool : "",
            pod.Status?.PodIP is { Length: > 0 } ip ? new UriBuilder("http", ip, port).Uri : null, pod.Status?.Phase ?? "",
            pod.Metadata.DeletionTimestamp is not null, pod.Metadata.Annotations?.ContainsKey(ClusterNames.DrainAnnotation) == true);
    }
}

/// <summary>A worker that is known to the <see cref="WorkerRegistry"/>, and the pod that it came from.</summary>
/// <param name="Phase">What it said last of itself; null when it did not answer.</param>
internal sealed record PodMember(string Pod, Uri Address, bool Draining, int InFlight, string? Phase);

internal enum PodStep
{
    /// <summary>It may serve as soon as it says that it is ready.</summary>
    Add,

    /// <summary>It is known, but nothing is sent to it.</summary>
    AddDraining,

    /// <summary>Nothing new is sent to it.</summary>
    Drain,

    /// <summary>It is idle and told to refuse work, so that its pod becomes not ready: that one is removed first.</summary>
    TellDrain,

    /// <summary>It gets work again.</summary>
    Serve,

    /// <summary>It had been told to refuse work, and no longer is to.</summary>
    TellServe,
    Remove,
}

internal readonly record struct PodAction(PodStep Step, string Pod, string Reason);

/// <summary>What to do so that the workers known here are those of the pods. Level-triggered: what was done before does not count.</summary>
internal static class PodPlan
{
    /// <param name="models">Names of the mixture's pools.</param>
    public static IReadOnlyList<PodAction> Decide(
        IReadOnlyCollection<WorkerPod> pods, IReadOnlyCollection<PodMember> members, IReadOnlySet<string> models)
    {
        var known = members.ToDictionary(m => m.Pod);
        var actions = pods.Where(p => models.Contains(p.Model)).OrderBy(p => p.Name, StringComparer.Ordinal)
            .Select(p => known.Remove(p.Uid, out var member) ? Decide(p, member) : Decide(p)).OfType<PodAction>().ToList();
        return [.. actions, .. known.Keys.Select(pod => new PodAction(PodStep.Remove, pod, "its pod is gone"))];
    }

    private static PodAction? Decide(WorkerPod pod) => pod switch
    {
        not { Phase: "Running", Terminating: false, Address: not null } => null,
        { Drains: true } => new(PodStep.AddDraining, pod.Uid, "its pod runs, and is marked to be removed"),
        _ => new(PodStep.Add, pod.Uid, "its pod runs"),
    };

    private static PodAction? Decide(WorkerPod pod, PodMember member) => (pod, member) switch
    {
        ({ Phase: "Failed" or "Succeeded" }, _) => new(PodStep.Remove, pod.Uid, $"its pod has {pod.Phase.ToLowerInvariant()}"),
        _ when pod.Address != member.Address => new(PodStep.Remove, pod.Uid, "its pod has another address"),
        ({ Terminating: true }, { Draining: false }) => new(PodStep.Drain, pod.Uid, "its pod is being deleted"),
        ({ Terminating: true }, { InFlight: 0, Phase: null }) => new(PodStep.Remove, pod.Uid, "its pod is being deleted and does not answer"),
        ({ Terminating: true }, _) => null,
        ({ Drains: true }, { Draining: false }) => new(PodStep.Drain, pod.Uid, "its pod is marked to be removed"),
        ({ Drains: true }, { InFlight: 0, Phase: not "draining" }) => new(PodStep.TellDrain, pod.Uid, "it has drawn what it had"),
        ({ Drains: true }, _) => null,
        (_, { Draining: true }) => new(PodStep.Serve, pod.Uid, "its pod is not marked any more"),
        (_, { Phase: "draining" }) => new(PodStep.TellServe, pod.Uid, "it refuses work, and its pod is not marked"),
        _ => null,
    };
}
