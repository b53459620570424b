using System.Text.Json;
using k8s;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Mixture;

namespace MoDM.Operator.Specs;

/// <summary>What gateway and worker pods have in common: security, volumes, and what the document says of them.</summary>
internal static class PodSpecs
{
    private const int User = 1654;

    public static V1PodTemplateSpec Template(IDictionary<string, string> labels, PodSettings settings, V1PodSpec spec) => new()
    {
        Metadata = new V1ObjectMeta
        {
            // The document's labels first: the operator's own, which selectors go by, cannot be changed.
            Labels = Merge(Field<Dictionary<string, string>>(settings, "labels"), labels),
            Annotations = Field<Dictionary<string, string>>(settings, "annotations"),
        },
        Spec = spec,
    };

    /// <summary>A pod as the "restricted" Pod Security Standard wants it, with one container.</summary>
    public static V1PodSpec Restricted(V1Container container, PodSettings settings, OperatorOptions options, IEnumerable<V1Volume> volumes)
    {
        container.Env = [.. container.Env ?? [], .. Field<List<V1EnvVar>>(settings, "env") ?? []];
        // Of the same name twice the last one counts, so the document's come last.
        List<V1EnvFromSource> sources = [.. container.EnvFrom ?? [], .. Field<List<V1EnvFromSource>>(settings, "envFrom") ?? []];
        container.EnvFrom = sources.Count > 0 ? sources : null;
        container.Args = [.. container.Args, .. settings.Args];
        container.ImagePullPolicy = options.ImagePullPolicy;
        container.SecurityContext = new V1SecurityContext
        {
            AllowPrivilegeEscalation = false,
            ReadOnlyRootFilesystem = true,
            Capabilities = new V1Capabilities { Drop = ["ALL"] },
        };
        container.VolumeMounts = [new V1VolumeMount { Name = "tmp", MountPath = "/tmp" }, .. container.VolumeMounts ?? []];
        var secrets = options.ImagePullSecrets.Select(s => new V1LocalObjectReference { Name = s })
            .Concat(Field<List<V1LocalObjectReference>>(settings, "imagePullSecrets") ?? []).ToList();
        return new V1PodSpec
        {
            Containers = [container],
            Volumes = [new V1Volume { Name = "tmp", EmptyDir = new V1EmptyDirVolumeSource() }, .. volumes],
            SecurityContext = new V1PodSecurityContext
            {
                RunAsNonRoot = true,
                RunAsUser = User,
                RunAsGroup = User,
                FsGroup = User,
                FsGroupChangePolicy = "OnRootMismatch",
                SeccompProfile = new V1SeccompProfile { Type = "RuntimeDefault" },
            },
            EnableServiceLinks = false,
            ImagePullSecrets = secrets.Count > 0 ? secrets : null,
            RuntimeClassName = NullIfEmpty(settings.RuntimeClassName),
            PriorityClassName = NullIfEmpty(settings.PriorityClassName),
            SchedulerName = NullIfEmpty(settings.SchedulerName),
            NodeSelector = Field<Dictionary<string, string>>(settings, "nodeSelector"),
            Tolerations = Field<List<V1Toleration>>(settings, "tolerations"),
            Affinity = Field<V1Affinity>(settings, "affinity"),
            TopologySpreadConstraints = Field<List<V1TopologySpreadConstraint>>(settings, "topologySpreadConstraints"),
        };
    }

    /// <summary>What the document asks for, or this little; and the GPUs.</summary>
    public static V1ResourceRequirements Resources(PodSettings settings, int gpus, string cpu, string memory)
    {
        var resources = Field<V1ResourceRequirements>(settings, "resources") ?? new V1ResourceRequirements
        {
            Requests = new Dictionary<string, ResourceQuantity> { ["cpu"] = new(cpu), ["memory"] = new(memory) },
        };
        if (gpus == 0) return resources;
        // Another accelerator's name in the document takes the place of NVIDIA's.
        var asked = (resources.Limits ?? new Dictionary<string, ResourceQuantity>()).Keys.Any(k => k.Contains('/'));
        if (!asked) (resources.Limits ??= new Dictionary<string, ResourceQuantity>())["nvidia.com/gpu"] = new ResourceQuantity($"{gpus}");
        return resources;
    }

    /// <summary>Null when the element names no source.</summary>
    public static V1Volume? VolumeOf(string name, JsonElement? source)
    {
        if (source is not { } element || !element.EnumerateObject().Any()) return null;
        var volume = KubernetesJson.Deserialize<V1Volume>(element);
        volume.Name = name;
        return typeof(V1Volume).GetProperties().Any(p => p.Name != nameof(V1Volume.Name) && p.GetValue(volume) is not null) ? volume : null;
    }

    public static V1VolumeMount ModelsMount(string volume) => new() { Name = volume, MountPath = ClusterNames.ModelsPath, ReadOnlyProperty = true };

    /// <summary>Why a field of the document's pod is not what Kubernetes has there; null: it is.</summary>
    public static string? WrongField(string name, JsonElement value) => name switch
    {
        "labels" or "annotations" or "nodeSelector" => ClusterRules.Wrong<Dictionary<string, string>>(value),
        "env" => ClusterRules.Wrong<List<V1EnvVar>>(value),
        "envFrom" => ClusterRules.Wrong<List<V1EnvFromSource>>(value),
        "resources" => ClusterRules.Wrong<V1ResourceRequirements>(value),
        "tolerations" => ClusterRules.Wrong<List<V1Toleration>>(value),
        "affinity" => ClusterRules.Wrong<V1Affinity>(value),
        "topologySpreadConstraints" => ClusterRules.Wrong<List<V1TopologySpreadConstraint>>(value),
        _ => ClusterRules.Wrong<List<V1LocalObjectReference>>(value),
    };

    private static T? Field<T>(PodSettings settings, string name) where T : class =>
        settings.Fields.TryGetValue(name, out var value) ? KubernetesJson.Deserialize<T>(value) : null;

    private static Dictionary<string, string> Merge(Dictionary<string, string>? first, IDictionary<string, string> then)
    {
        var all = first ?? [];
        foreach (var (key, value) in then) all[key] = value;
        return all;
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
