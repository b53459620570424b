using System.Globalization;
using System.Text.Json;
using k8s;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Operator.Cluster;
using MoDM.Operator.Resources;
using MoDM.Operator.Specs;

namespace MoDM.Operator.Reconciling;

/// <summary>
/// Writes a mixture's children, and only what has changed (complaint 27): an object whose hash is the wanted one, and that
/// nobody else has touched since, is left alone.
/// </summary>
internal sealed class ChildWriter(ApiServer api, Watches watches, OperatorOptions options, LeaseLoop lease)
{
    /// <summary>Everything but the Deployments; and what the document no longer has goes.</summary>
    public async Task ChildrenAsync(ObjectKey key, MixtureInCluster mixture, MixtureMemory memory, Refusals refusals, CancellationToken cancel)
    {
        var wanted = Wanted(mixture, memory);
        foreach (var child in wanted.Where(c => c.Kind != ChildKind.Deployment))
        {
            var path = child.Kind.Path(key.Namespace, child.Name);
            if (watches.Simple[child.Kind].Of(key).TryGetValue(child.Name, out var live)
                && HashOf(live.Metadata) == child.Hash && IsOurs(memory, path, VersionOf(live.Metadata))) continue;
            await refusals.TryAsync(async () =>
            {
                using var json = JsonDocument.Parse(KubernetesJson.Serialize(Children.Build(child, mixture, options, watches.Kinds)));
                Guard();
                var written = await api.ApplyAsync(path, json.RootElement, cancel);
                memory.Versions[path] = VersionOf(KubernetesJson.Deserialize<V1ObjectMeta>(written.GetProperty("metadata")));
            });
        }
        foreach (var (kind, there) in watches.Simple.Select(s => (s.Key, s.Value.Of(key).Values.Select(c => c.Metadata)))
            .Append((ChildKind.Deployment, watches.Deployments.Of(key).Values.Select(d => d.Metadata))))
        {
            foreach (var meta in there.Where(m => m.DeletionTimestamp is null && m.OwnerReferences?.Any(o => o.Uid == mixture.Uid) == true
                && !wanted.Any(w => w.Kind == kind && w.Name == m.Name)).ToList())
            {
                Guard();
                await refusals.TryAsync(() => api.DeleteAsync(kind.Path(key.Namespace, meta.Name), cancel));
            }
        }
    }

    /// <summary>Creates a Deployment or gives it a new template.</summary>
    /// <param name="replicas">As they are to be; where only they differ, see <see cref="ReplicasAsync"/>.</param>
    public async Task DeploymentAsync(
        ObjectKey key, MixtureInCluster mixture, string name, int replicas, MixtureMemory memory, CancellationToken cancel)
    {
        var child = Wanted(mixture, memory).First(c => c.Kind == ChildKind.Deployment && c.Name == name);
        var path = child.Kind.Path(key.Namespace, name);
        var live = watches.Deployments.Of(key).GetValueOrDefault(name);
        if (live is not null && HashOf(live.Metadata) == child.Hash)
        {
            // Somebody changed it. Put right only if this operator would have made it as it was: see Deployments.
            if (IsOurs(memory, path, VersionOf(live.Metadata))
                || live.Metadata.Annotations.TryGetValue(ClusterNames.BuiltAnnotation, out var before) && before != child.Built) return;
        }
        else if (live is null && memory.Unseen.Contains(name))
        {
            return; // Made a moment ago; the watch has not shown it yet.
        }
        var deployment = (V1Deployment)Children.Build(child, mixture, options, watches.Kinds);
        deployment.Spec.Replicas = replicas;
        Guard();
        Remember(memory, path, (await api.ApplyAsync(path, deployment, cancel)).Metadata, replicas);
        memory.Templates[name] = child.Hash;
        if (live is null) memory.Unseen.Add(name);
    }

    /// <summary>That a Deployment gives a worker until it gets the document's template; null: it has that one, or does not say.</summary>
    public int? GpusBefore(ObjectKey key, MixtureInCluster mixture, string name, MixtureMemory memory)
    {
        if (watches.Deployments.Of(key).GetValueOrDefault(name) is not { } live) return null;
        var wanted = Wanted(mixture, memory).First(c => c.Kind == ChildKind.Deployment && c.Name == name).Hash;
        return HashOf(live.Metadata) == wanted || memory.Templates.GetValueOrDefault(name) == wanted ? null : Observation.Gpus(live.Metadata);
    }

    public async Task ReplicasAsync(ObjectKey key, string name, int replicas, MixtureMemory memory, CancellationToken cancel)
    {
        var path = ChildKind.Deployment.Path(key.Namespace, name);
        Guard();
        Remember(memory, path, (await api.MergePatchAsync<SeenDeployment>(path, new { spec = new { replicas } }, cancel)).Metadata, replicas);
    }

    /// <summary>As last written, or as seen when that is newer; null when there is no Deployment.</summary>
    public static int? ReplicasOf(SeenDeployment? live, MixtureMemory memory)
    {
        if (live is null) return null;
        if (memory.Replicas.TryGetValue(live.Metadata.Name, out var written) && written.Generation > (live.Metadata.Generation ?? 0))
            return written.Replicas;
        return live.Spec.Replicas ?? 1;
    }

    /// <param name="drain">False: the pod serves again.</param>
    public async Task MarkAsync(ObjectKey key, string pod, bool drain, MixtureMemory memory, DateTimeOffset now, CancellationToken cancel)
    {
        var text = drain ? now.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture) : null;
        var annotations = new Dictionary<string, string?> { [ClusterNames.DrainAnnotation] = text };
        Guard();
        await api.MergePatchAsync<JsonElement>($"{ClusterNames.Pods(key.Namespace)}/{pod}", new { metadata = new { annotations } }, cancel);
        memory.Marks[pod] = drain;
    }

    public async Task DeletePodAsync(ObjectKey key, string pod, CancellationToken cancel)
    {
        Guard();
        await api.DeleteAsync($"{ClusterNames.Pods(key.Namespace)}/{pod}", cancel);
    }

    public async Task StatusAsync(ObjectKey key, string uid, MixtureStatus status, CancellationToken cancel)
    {
        Guard();
        var json = JsonSerializer.SerializeToElement(status, StatusJson.Default.MixtureStatus);
        await api.WriteStatusAsync(ClusterNames.Mixture(key.Namespace, key.Name), uid, json, cancel);
    }

    private IReadOnlyList<WantedChild> Wanted(MixtureInCluster mixture, MixtureMemory memory)
    {
        if (memory.Wanted is not var (of, children) || !ReferenceEquals(of, mixture))
            memory.Wanted = (mixture, children = Children.Wanted(mixture, options, watches.Kinds));
        return children;
    }

    /// <summary>Only the lease's holder writes (complaint 2).</summary>
    private void Guard()
    {
        if (!lease.IsHeld) throw new OperationCanceledException("the lease is not held any more");
    }

    /// <summary>The first version that is seen is taken for ours: it has the right hash.</summary>
    private static bool IsOurs(MixtureMemory memory, string path, string version)
    {
        if (memory.Versions.TryAdd(path, version)) return true;
        return memory.Versions[path] == version || long.TryParse(version, out var seen) && long.TryParse(memory.Versions[path], out var written) && seen < written;
    }

    private static void Remember(MixtureMemory memory, string path, V1ObjectMeta written, int replicas)
    {
        var generation = written.Generation ?? 0;
        memory.Versions[path] = VersionOf(written);
        memory.Replicas[written.Name] = (replicas, generation);
    }

    /// <summary>Where generations are counted, that: a status that moves, as of a disruption budget, makes none.</summary>
    private static string VersionOf(V1ObjectMeta meta) => meta.Generation is { } generation ? generation.ToString(CultureInfo.InvariantCulture) : meta.ResourceVersion;

    private static string? HashOf(V1ObjectMeta meta) =>
        meta.Annotations is { } notes && notes.TryGetValue(ClusterNames.HashAnnotation, out var hash) ? hash : null;
}
