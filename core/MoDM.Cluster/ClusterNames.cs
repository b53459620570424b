namespace MoDM.Cluster;

/// <summary>Labels, annotations, ports and paths that operator, gateway and chart agree on.</summary>
public static class ClusterNames
{
    public const string FieldManager = "modm-operator";

    /// <summary>Of all labels and annotations below.</summary>
    public const string Prefix = "modm.dev/";

    public const string MixtureLabel = "modm.dev/mixture";
    public const string RoleLabel = "modm.dev/role";
    public const string PoolLabel = "modm.dev/pool";
    public const string GatewayRole = "gateway";
    public const string WorkerRole = "worker";

    /// <summary>On a worker's pod, with a time: nothing new is sent to it, since it is about to be removed.</summary>
    public const string DrainAnnotation = "modm.dev/drain";

    /// <summary>On a worker's pod and on its Deployment: the GPUs of the budget that it holds, whatever the document says now.</summary>
    public const string GpusAnnotation = "modm.dev/gpus";

    /// <summary>Of what a child was made from: the same hash, and nothing is written.</summary>
    public const string HashAnnotation = "modm.dev/hash";

    /// <summary>Of a pod template as it was built; tells whether putting it right would change more than somebody else did.</summary>
    public const string BuiltAnnotation = "modm.dev/built";

    public const int WorkerPort = 8000;
    public const int GatewayPort = 8080;
    public const int OperatorPort = 8081;
    public const string CachePath = "/var/cache/modm";
    public const string ModelsPath = "/models";

    /// <summary>Where a gateway has its Secrets, each in a folder of its own.</summary>
    public const string SecretsPath = "/var/run/secrets/modm.dev";

    public const string AllMixtures = "/apis/modm.dev/v1alpha1/modelmixtures";

    public static string Mixtures(string ns) => $"/apis/modm.dev/v1alpha1/namespaces/{ns}/modelmixtures";

    public static string Mixture(string ns, string name) => $"{Mixtures(ns)}/{name}";

    public static string Pods(string ns) => $"/api/v1/namespaces/{ns}/pods";

    /// <summary>A selector as list and watch take it in the query.</summary>
    public static string ByLabels(params (string Label, string Value)[] labels) =>
        "labelSelector=" + Uri.EscapeDataString(string.Join(',', labels.Select(l => $"{l.Label}={l.Value}")));

    public static string ByName(string name) => "fieldSelector=" + Uri.EscapeDataString($"metadata.name={name}");
}
