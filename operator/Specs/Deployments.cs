using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Mixture;

namespace MoDM.Operator.Specs;

/// <summary>
/// The Deployments of a mixture. Their hashes are of what the document says, not of what is made from it: an operator of
/// another version that would make something else restarts nobody (complaint 8).
/// </summary>
internal static class Deployments
{
    public static V1Deployment Gateway(MixtureInCluster mixture, OperatorOptions options)
    {
        var spec = mixture.Spec;
        var container = new V1Container
        {
            Name = "gateway",
            Image = ImageOf(spec.Gateway, options.GatewayImage),
            Args =
            [
                "--resource", mixture.Name, "--urls", $"http://0.0.0.0:{ClusterNames.GatewayPort}", "--cache", ClusterNames.CachePath,
            ],
            Ports = [new V1ContainerPort { Name = "http", ContainerPort = ClusterNames.GatewayPort }],
            Resources = PodSpecs.Resources(spec.Gateway, 0, "100m", "256Mi"),
            StartupProbe = Probe("/livez", period: 1, failures: 120),
            LivenessProbe = Probe("/livez", period: 10, failures: 6),
            ReadinessProbe = Probe("/readyz", period: 2, failures: 2),
            VolumeMounts = [new V1VolumeMount { Name = "cache", MountPath = ClusterNames.CachePath }],
        };
        var volumes = new List<V1Volume> { PodSpecs.VolumeOf("cache", spec.Cache.Volume) ?? new V1Volume { Name = "cache", EmptyDir = new() } };
        if (PodSpecs.VolumeOf("models", spec.Cache.EmbedderVolume) is { } models)
        {
            volumes.Add(models);
            container.VolumeMounts.Add(PodSpecs.ModelsMount("models"));
        }
        foreach (var (name, secret, option, optional) in SecretFiles(spec))
        {
            var folder = $"{ClusterNames.SecretsPath}/{name}";
            volumes.Add(new V1Volume { Name = name, Secret = new V1SecretVolumeSource { SecretName = secret.Name, Optional = optional, DefaultMode = 0x120 } });
            container.VolumeMounts.Add(new V1VolumeMount { Name = name, MountPath = folder, ReadOnlyProperty = true });
            foreach (var argument in (string[])[option, $"{folder}/{secret.Key}"]) container.Args.Add(argument);
        }
        if (spec.Cache.Shared is { CredentialsSecret: { Length: > 0 } credentials })
            container.EnvFrom = [new V1EnvFromSource { SecretRef = new V1SecretEnvSource { Name = credentials } }];
        var pod = PodSpecs.Restricted(container, spec.Gateway, options, volumes);
        pod.ServiceAccountName = mixture.GatewayName;
        // It ends when it has answered; the SLO may be raised while it runs.
        pod.TerminationGracePeriodSeconds = Grace(spec);
        return Deployment(mixture, mixture.GatewayName, MixtureInCluster.GatewayLabels, mixture.GatewaySelector, GatewayHash(mixture), spec.GatewayReplicas,
            // A cache on a volume has one owner at a time.
            spec.Cache.Volume is null ? Rolling(surge: 1, unavailable: 0) : new V1DeploymentStrategy { Type = "Recreate" },
            PodSpecs.Template(mixture.Labels(MixtureInCluster.GatewayLabels), spec.Gateway, pod));
    }

    /// <summary>Secrets of which the gateway reads an entry as a file, and the option that names it.</summary>
    private static IEnumerable<(string Name, (string Name, string Key) Secret, string Option, bool Optional)> SecretFiles(MixtureSpec spec)
    {
        // Optional: without it the mixture serves all the same, and it is taken up when it comes.
        if (spec.External?.KeySecret is { } openAI) yield return ("openai", openAI, "--openai-key-file", true);
        // Never optional: a gateway without its callers' keys would be open.
        if (spec.CallerKeys is { } keys) yield return ("keys", keys, "--keys", false);
        // Nor this one, like the credentials beside it: the pod waits for them, and its events say so.
        if (spec.Cache.Shared?.QdrantKeySecret is { } qdrant) yield return ("qdrant", qdrant, "--qdrant-key-file", false);
    }

    public static V1Deployment Workers(MixtureInCluster mixture, WorkerPool pool, int replicas, OperatorOptions options)
    {
        var container = new V1Container
        {
            Name = "worker",
            Image = ImageOf(pool.Pod, options.WorkerImage),
            Args =
            [
                "--model", pool.ModelPath, "--name", pool.Name, "--urls", $"http://0.0.0.0:{ClusterNames.WorkerPort}",
                "--guidance", pool.GuidanceScale.ToString(CultureInfo.InvariantCulture),
            ],
            Ports = [new V1ContainerPort { Name = "http", ContainerPort = ClusterNames.WorkerPort }],
            Resources = PodSpecs.Resources(pool.Pod, pool.GpusPerReplica, "100m", "256Mi"),
            // Alive from the start of the program, ready when the model is loaded and warm: a load of any length restarts nobody
            // (complaint 9).
            StartupProbe = Probe("/livez", period: 1, failures: 120),
            LivenessProbe = Probe("/livez", period: 10, failures: 6),
            ReadinessProbe = Probe("/readyz", period: 1, failures: 1),
        };
        var volumes = new List<V1Volume>();
        if (PodSpecs.VolumeOf("models", pool.Volume) is { } models)
        {
            volumes.Add(models);
            container.VolumeMounts = [PodSpecs.ModelsMount("models")];
        }
        var pod = PodSpecs.Restricted(container, pool.Pod, options, volumes);
        pod.AutomountServiceAccountToken = false;
        // As long as the gateway is patient with a silent worker: longer than the longest generation (complaint 6).
        pod.TerminationGracePeriodSeconds = Grace(mixture.Spec);
        var deployment = Deployment(mixture, mixture.PoolName(pool), MixtureInCluster.WorkerLabels(pool), mixture.WorkerSelector(pool), PoolHash(mixture, pool),
            replicas, Rolling(surge: 0, unavailable: 1), PodSpecs.Template(mixture.Labels(MixtureInCluster.WorkerLabels(pool)), pool.Pod, pod));
        foreach (var meta in (V1ObjectMeta[])[deployment.Metadata, deployment.Spec.Template.Metadata])
            (meta.Annotations ??= new Dictionary<string, string>())[ClusterNames.GpusAnnotation] = pool.GpusPerReplica.ToString(CultureInfo.InvariantCulture);
        return deployment;
    }

    public static string PoolHash(MixtureInCluster mixture, WorkerPool pool) => Hash(new
    {
        pool.ModelPath,
        pool.Volume,
        pool.GuidanceScale,
        pool.GpusPerReplica,
        pool.Pod,
        mixture.Roll,
    });

    /// <summary>What the gateway cannot take over while it runs.</summary>
    public static string GatewayHash(MixtureInCluster mixture)
    {
        var spec = mixture.Spec;
        var hash = spec.Modality == Modality.Story ? Hash(new
        {
            Pools = spec.Pools.Select(p => p.Name),
            Secret = TextOf(spec.External?.KeySecret),
            spec.Gateway,
            mixture.Roll,
        })
        : Hash(new
        {
            Pools = spec.Pools.Select(p => p.Name),
            spec.Cache.EmbedderPath,
            spec.Cache.EmbedderVolume,
            spec.Cache.Volume,
            spec.Gateway,
            mixture.Roll,
        });
        // What came later counts where it is used: the operator that first knows it restarts nobody else.
        return spec.Cache.Shared is null && spec.CallerKeys is null ? hash : Hash(new
        {
            Before = hash,
            Shared = spec.Cache.Shared?.Settings.Select(s => $"{s.Field}={s.Text}"),
            Keys = TextOf(spec.CallerKeys),
        });

        static string TextOf((string Name, string Key)? secret) => secret is var (name, key) ? $"{name}/{key}" : "";
    }

    public static string Hash<T>(T of) =>
        Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(of)))[..16];

    private static V1Deployment Deployment(
        MixtureInCluster mixture, string name, (string, string)[] labels, Dictionary<string, string> selector, string hash, int replicas,
        V1DeploymentStrategy strategy, V1PodTemplateSpec template)
    {
        var meta = mixture.Meta(name, labels);
        meta.Annotations = new Dictionary<string, string> { [ClusterNames.HashAnnotation] = hash };
        return new V1Deployment
        {
            ApiVersion = "apps/v1",
            Kind = "Deployment",
            Metadata = meta,
            Spec = new V1DeploymentSpec
            {
                Replicas = replicas,
                RevisionHistoryLimit = 2,
                Selector = new V1LabelSelector { MatchLabels = selector },
                Strategy = strategy,
                Template = template,
            },
        };
    }

    /// <summary>No surge where GPUs are: there may be none to spare, and the roll-out would wait for ever (complaint 8).</summary>
    private static V1DeploymentStrategy Rolling(int surge, int unavailable) => new()
    {
        Type = "RollingUpdate",
        RollingUpdate = new V1RollingUpdateDeployment { MaxSurge = surge, MaxUnavailable = unavailable },
    };

    private static V1Probe Probe(string path, int period, int failures) => new()
    {
        HttpGet = new V1HTTPGetAction { Path = path, Port = "http" },
        PeriodSeconds = period,
        FailureThreshold = failures,
        TimeoutSeconds = 5,
    };

    private static string ImageOf(PodSettings settings, string fallback) => settings.Image.Length > 0 ? settings.Image : fallback;

    private static long Grace(MixtureSpec spec) => Math.Max(60, 10 * (long)Math.Ceiling(spec.Slo.Latency.TotalSeconds));
}
