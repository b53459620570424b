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
    /// <summary>Of a pod template as it was built; tells whether putting it right would change more than somebody else did.</summary>
    private const string BuiltAnnotation = "modm.dev/built";

    public async Task AccessAsync(ObjectKey key, MixtureInCluster mixture, MixtureMemory memory, CancellationToken cancel)
    {
        var wanted = Access.All(mixture, options, watches.Simple.ContainsKey(ChildKind.DisruptionBudget)).ToLookup(o => o.Kind);
        foreach (var (kind, index) in watches.Simple)
        {
            var there = index.Of(key);
            foreach (var child in wanted[kind.Kind])
            {
                var hash = Deployments.Hash(JsonDocument.Parse(KubernetesJson.Serialize(child)).RootElement);
                var path = kind.Path(key.Namespace, child.Metadata.Name);
                if (there.TryGetValue(child.Metadata.Name, out var live) && HashOf(live.Metadata) == hash && IsOurs(memory, path, live.Metadata.ResourceVersion))
                    continue;
                child.Metadata.Annotations = new Dictionary<string, string> { [ClusterNames.HashAnnotation] = hash };
                Guard();
                var written = await api.ApplyAsync<JsonElement>(path, JsonDocument.Parse(KubernetesJson.Serialize(child)).RootElement, cancel);
                memory.Versions[path] = written.GetProperty("metadata").GetProperty("resourceVersion").GetString()!;
            }
            await DeleteOthersAsync(kind, key, mixture, there.Values.Select(c => c.Metadata), [.. wanted[kind.Kind].Select(c => c.Metadata.Name)], cancel);
        }
    }

    /// <summary>Creates a Deployment or gives it a new template. Its number of replicas is left as it is.</summary>
    public async Task DeploymentAsync(ObjectKey key, V1Deployment wanted, MixtureMemory memory, CancellationToken cancel)
    {
        var name = wanted.Metadata.Name;
        var path = ChildKind.Deployment.Path(key.Namespace, name);
        var live = watches.Deployments.Of(key).GetValueOrDefault(name);
        var built = Deployments.Hash(JsonDocument.Parse(KubernetesJson.Serialize(wanted.Spec.Template)).RootElement);
        if (live is not null && HashOf(live.Metadata) == HashOf(wanted.Metadata))
        {
            var generation = (live.Metadata.Generation ?? 0).ToString(CultureInfo.InvariantCulture);
            // Somebody changed it. Put right only if this operator would have made it as it was: see Deployments.
            if (IsOurs(memory, path, generation) || live.Metadata.Annotations.TryGetValue(BuiltAnnotation, out var before) && before != built) return;
        }
        else if (live is null && memory.Unseen.Contains(name))
        {
            return; // Made a moment ago; the watch has not shown it yet.
        }
        if (live is null) memory.Unseen.Add(name);
        else wanted.Spec.Replicas = ReplicasOf(live, memory);
        wanted.Metadata.Annotations[BuiltAnnotation] = built;
        Guard();
        Remember(memory, path, await api.ApplyAsync(path, wanted, cancel));
    }

    public async Task ReplicasAsync(ObjectKey key, string name, int replicas, MixtureMemory memory, CancellationToken cancel)
    {
        var path = ChildKind.Deployment.Path(key.Namespace, name);
        Guard();
        Remember(memory, path, await api.MergePatchAsync<V1Deployment>(path, new { spec = new { replicas } }, cancel));
    }

    /// <summary>As last written, or as seen when that is newer; null when there is no Deployment.</summary>
    public static int? ReplicasOf(V1Deployment? live, MixtureMemory memory)
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

    /// <summary>Deployments of pools that the document no longer has.</summary>
    public Task DeleteOtherDeploymentsAsync(ObjectKey key, MixtureInCluster mixture, CancellationToken cancel) => DeleteOthersAsync(
        ChildKind.Deployment, key, mixture, watches.Deployments.Of(key).Values.Select(d => d.Metadata),
        [.. mixture.Spec.Pools.Select(mixture.PoolName), mixture.GatewayName], cancel);

    public async Task StatusAsync(ObjectKey key, MixtureStatus status, CancellationToken cancel)
    {
        Guard();
        await api.ApplyAsync<JsonElement>($"{ClusterNames.Mixture(key.Namespace, key.Name)}/status", JsonSerializer.SerializeToElement(new
        {
            apiVersion = Mixture.ModelMixture.ApiVersion,
            kind = Mixture.ModelMixture.Kind,
            metadata = new { name = key.Name, @namespace = key.Namespace },
            status = JsonSerializer.SerializeToElement(status, StatusJson.Default.MixtureStatus),
        }), cancel);
    }

    private async Task DeleteOthersAsync(
        ChildKind kind, ObjectKey key, MixtureInCluster mixture, IEnumerable<V1ObjectMeta> there, HashSet<string> wanted, CancellationToken cancel)
    {
        foreach (var meta in there.Where(m => !wanted.Contains(m.Name) && m.DeletionTimestamp is null
            && m.OwnerReferences?.Any(o => o.Uid == mixture.Uid) == true).ToList())
        {
            Guard();
            await api.DeleteAsync(kind.Path(key.Namespace, meta.Name), cancel);
        }
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

    private static void Remember(MixtureMemory memory, string path, V1Deployment written)
    {
        var generation = written.Metadata.Generation ?? 0;
        memory.Versions[path] = generation.ToString(CultureInfo.InvariantCulture);
        memory.Replicas[written.Metadata.Name] = (written.Spec.Replicas ?? 1, generation);
    }

    private static string? HashOf(V1ObjectMeta meta) =>
        meta.Annotations is { } notes && notes.TryGetValue(ClusterNames.HashAnnotation, out var hash) ? hash : null;
}
