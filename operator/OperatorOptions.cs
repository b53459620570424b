using MoDM.Cluster;

namespace MoDM.Operator;

/// <summary>What this process is told at start; everything about a mixture is in its document.</summary>
internal sealed record OperatorOptions
{
    public required string Urls { get; init; }

    /// <summary>The only namespace that is watched; null: all of them.</summary>
    public string? Namespace { get; init; }
    public required string GatewayImage { get; init; }
    public required string WorkerImage { get; init; }
    public string? ImagePullPolicy { get; init; }
    public IReadOnlyList<string> ImagePullSecrets { get; init; } = [];

    /// <summary>For documents that name none.</summary>
    public string? Prometheus { get; init; }

    /// <summary>The namespace that may read the workers' metrics, beside the gateway; null: none.</summary>
    public string? ScrapeNamespace { get; init; }

    /// <summary>Null: the pod's own.</summary>
    public string? LeaseNamespace { get; init; }
    public required string LeaseName { get; init; }
    public required string Identity { get; init; }
    public string? Kubeconfig { get; init; }

    public const string Usage = """
        usage: modm-operator [options]        reconciles ModelMixtures
               modm-operator crd [--no-cel]   prints their CustomResourceDefinition; --no-cel for Kubernetes before 1.25
          --urls URL                 health and metrics (default: http://0.0.0.0:8081)
          --namespace NAME           watch this namespace only (default: all)
          --gateway-image IMAGE      of gateways (default: modm/gateway:VERSION)
          --worker-image IMAGE       of workers whose document names none (default: modm/worker:VERSION)
          --image-pull-policy P      Always, IfNotPresent or Never (default: Kubernetes' own)
          --image-pull-secret NAME   a Secret in the mixtures' namespaces; may be given several times
          --prometheus URL           for documents without spec.metrics.prometheus
          --scrape-namespace NAME    where Prometheus runs: it may read the workers' metrics (default: only gateways reach workers)
          --lease-namespace NAME     where the Lease is (default: the pod's own namespace)
          --lease-name NAME          (default: modm-operator)
          --identity NAME            as the Lease has it (default: the host's name)
          --kubeconfig FILE          outside of a cluster (default: KUBECONFIG)
        """;

    private static readonly HashSet<string> Names =
    [
        "--urls", "--namespace", "--gateway-image", "--worker-image", "--image-pull-policy", "--image-pull-secret", "--prometheus",
        "--scrape-namespace", "--lease-namespace", "--lease-name", "--identity", "--kubeconfig",
    ];

    public static (OperatorOptions? Options, IReadOnlyList<string> Problems) Read(string[] args)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var version = typeof(OperatorOptions).Assembly.GetName().Version!.ToString(3);
        var policy = line.Text("--image-pull-policy");
        if (policy is not (null or "Always" or "IfNotPresent" or "Never"))
            line.Report($"--image-pull-policy is {policy}; Always, IfNotPresent or Never belongs there.");
        var prometheus = line.Text("--prometheus");
        if (prometheus is not null && !(Uri.TryCreate(prometheus, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"))
            line.Report($"--prometheus is {prometheus}; an http or https URL belongs there.");
        var options = new OperatorOptions
        {
            Urls = line.Text("--urls") ?? $"http://0.0.0.0:{ClusterNames.OperatorPort}",
            Namespace = line.Text("--namespace"),
            GatewayImage = line.Text("--gateway-image") ?? $"modm/gateway:{version}",
            WorkerImage = line.Text("--worker-image") ?? $"modm/worker:{version}",
            ImagePullPolicy = policy,
            ImagePullSecrets = line.Texts("--image-pull-secret"),
            Prometheus = prometheus,
            ScrapeNamespace = line.Text("--scrape-namespace"),
            LeaseNamespace = line.Text("--lease-namespace"),
            LeaseName = line.Text("--lease-name") ?? "modm-operator",
            Identity = line.Text("--identity") ?? Environment.MachineName,
            Kubeconfig = line.Text("--kubeconfig"),
        };
        return line.Problems.Count > 0 ? (null, line.Problems) : (options, []);
    }
}
