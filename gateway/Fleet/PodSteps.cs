using k8s.Models;
using MoDM.Cluster;

namespace MoDM.Gateway.Fleet;

/// <summary>A worker that the gateway knows, and what it was last told of it.</summary>
internal readonly record struct KnownPod(Uri Address, bool Draining);

internal enum PodStepKind
{
    /// <summary>It may be sent work when it says that it is ready.</summary>
    Join,

    /// <summary>Nothing new is sent to it.</summary>
    Drain,

    /// <summary>It is not to go after all.</summary>
    Serve,

    /// <summary>It is gone.</summary>
    Leave,
}

internal readonly record struct PodStep(PodStepKind Kind, string Uid, string Name, string Pool, Uri Address, string Reason);

/// <summary>From the pods that there are, and the workers that are known, to what has to be done about them.</summary>
internal static class PodSteps
{
    public static List<PodStep> Decide(
        IEnumerable<V1Pod> pods, IReadOnlyDictionary<string, KnownPod> known, IReadOnlyCollection<string> pools)
    {
        var (steps, seen) = (new List<PodStep>(), new HashSet<string>());
        foreach (var pod in pods)
        {
            var (uid, name) = (pod.Metadata.Uid, pod.Metadata.Name);
            var isKnown = known.TryGetValue(uid, out var now);
            if (AddressOf(pod) is not { } address || pod.Status.Phase != "Running"
                || !pod.Metadata.Labels.TryGetValue(ClusterNames.PoolLabel, out var pool) || !pools.Contains(pool)) continue;
            // A pod has one address all its life; what is known under another is another's.
            if (isKnown && now.Address != address) continue;
            seen.Add(uid);
            var why = pod.Metadata.DeletionTimestamp is not null ? "its pod is about to end" : IsMarked(pod) ? "it is to be removed" : null;
            if (!isKnown)
                steps.Add(new(why is null ? PodStepKind.Join : PodStepKind.Drain, uid, name, pool, address, why ?? "its pod runs"));
            else if (why is not null && !now.Draining)
                steps.Add(new(PodStepKind.Drain, uid, name, pool, address, why));
            else if (why is null && now.Draining)
                steps.Add(new(PodStepKind.Serve, uid, name, pool, address, "it is not to be removed after all"));
        }
        // What is drained before it was known needs no step.
        steps.RemoveAll(s => s.Kind == PodStepKind.Drain && !known.ContainsKey(s.Uid));
        steps.AddRange(known.Where(k => !seen.Contains(k.Key)).Select(k => new PodStep(PodStepKind.Leave, k.Key, "", "", k.Value.Address, "its pod is gone")));
        return steps;
    }

    public static bool IsMarked(V1Pod pod) => pod.Metadata.Annotations?.ContainsKey(ClusterNames.DrainAnnotation) == true;

    private static Uri? AddressOf(V1Pod pod)
    {
        if (pod.Status?.PodIP is not { Length: > 0 } ip) return null;
        var port = pod.Spec?.Containers?.SelectMany(c => c.Ports ?? []).FirstOrDefault(p => p.Name == "http")?.ContainerPort ?? ClusterNames.WorkerPort;
        return new UriBuilder("http", ip, port).Uri;
    }
}
