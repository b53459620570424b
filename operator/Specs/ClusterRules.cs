using System.Text.Json;
using k8s;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Mixture;

namespace MoDM.Operator.Specs;

/// <summary>What a document must keep to so that its objects can exist in a cluster.</summary>
internal static class ClusterRules
{
    /// <summary>With a pool's name and a pod's suffix, a Deployment's name still fits into a label.</summary>
    private const int LongestName = 40;

    public static IEnumerable<MixtureProblem> Check(ModelMixture mixture)
    {
        if (mixture.Name.Length > LongestName || !char.IsAsciiLetterLower(mixture.Name[0]))
        {
            yield return new("metadata.name",
                $"is \"{mixture.Name}\"; it names a Service: a lower-case letter first, and at most {LongestName} characters.");
        }
        var pools = mixture.Spec.PlacedPools.ToList();
        foreach (var (pool, path) in pools)
        {
            if (pool.Name == ClusterNames.GatewayRole)
                yield return new($"{path}.name", "is \"gateway\", which the gateway's Deployment is called; choose another.");
            var full = mixture.Name.Length + 1 + pool.Name.Length;
            if (full > 57)
                yield return new($"{path}.name", $"is \"{pool.Name}\": with the mixture's name {full} characters; there may be 57.");
        }
        var folders = pools.Select(p => (Folder: p.Pool.ModelPath, p.Pool.Volume, Path: $"{p.Path}.model")).ToList();
        if (mixture.Spec.Modality == Modality.Image)
            folders.Add((mixture.Spec.Cache.EmbedderPath, mixture.Spec.Cache.EmbedderVolume, "spec.cache.embedder"));
        if (mixture.Spec.External is { KeyFile: { } key } && !key.StartsWith('/'))
            yield return new("spec.large.openAI.apiKeyFile", $"is \"{key}\"; in a cluster name a Secret with apiKeySecret, or a whole path.");
        if (mixture.Spec.Cache.Shared is { QdrantKeyFile: { } file } && !file.StartsWith('/'))
            yield return new("spec.cache.store.shared.qdrant.apiKeyFile", $"is \"{file}\"; in a cluster name a Secret with apiKeySecret, or a whole path.");
        foreach (var (folder, volume, path) in folders)
        {
            if (!folder.StartsWith('/'))
                yield return new($"{path}.path", $"is \"{folder}\"; in a cluster a whole path such as /models/{Path.GetFileName(folder)} belongs here.");
            else if (volume is not null && !folder.StartsWith($"{ClusterNames.ModelsPath}/", StringComparison.Ordinal))
                yield return new($"{path}.path", $"is \"{folder}\"; the volume is mounted at {ClusterNames.ModelsPath}, so a path below it belongs here.");
        }
        var volumes = folders.Select(f => (f.Volume, Path: $"{f.Path}.volume")).Append((Volume: mixture.Spec.Cache.Volume, Path: "spec.cache.store.embedded.volume"));
        foreach (var (volume, path) in volumes.Where(v => v.Volume is not null))
        {
            if (Wrong<V1Volume>(volume!.Value) is { } wrong) yield return new(path, $"is no volume source: {wrong}");
            else if (PodSpecs.VolumeOf("check", volume) is null) yield return new(path, "names no volume source, such as persistentVolumeClaim.");
        }
        foreach (var (settings, path) in pools.Select(p => (p.Pool.Pod, Path: $"{p.Path}.pod")).Append((mixture.Spec.Gateway, "spec.gateway.pod")))
        {
            foreach (var (field, value) in settings.Fields)
            {
                if (PodSpecs.WrongField(field, value) is { } wrong) yield return new($"{path}.{field}", $"cannot be read: {wrong}");
            }
        }
    }

    public static string? Wrong<T>(JsonElement value)
    {
        try
        {
            KubernetesJson.Deserialize<T>(value);
            return null;
        }
        catch (Exception e) when (e is JsonException or FormatException or NotSupportedException or InvalidOperationException)
        {
            return e.Message;
        }
    }
}
