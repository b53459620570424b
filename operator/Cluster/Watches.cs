using k8s;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Mixture;

namespace MoDM.Operator.Cluster;

/// <summary>A kind of object that mixtures have as children, and where the API has it.</summary>
internal sealed record ChildKind(string Kind, string GroupVersion, string Plural)
{
    public static readonly ChildKind Deployment = new("Deployment", "apps/v1", "deployments");
    public static readonly ChildKind DisruptionBudget = new("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets");

    /// <summary>Those of which only the metadata is looked at.</summary>
    public static readonly ChildKind[] Simple =
    [
        new("Service", "v1", "services"),
        new("ServiceAccount", "v1", "serviceaccounts"),
        new("Role", "rbac.authorization.k8s.io/v1", "roles"),
        new("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
        new("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    ];

    private string Root => GroupVersion.Contains('/') ? $"/apis/{GroupVersion}" : $"/api/{GroupVersion}";

    /// <param name="ns">Null: of all namespaces.</param>
    public string Collection(string? ns) => ns is null ? $"{Root}/{Plural}" : $"{Root}/namespaces/{ns}/{Plural}";

    public string Path(string ns, string name) => $"{Collection(ns)}/{name}";
}

/// <summary>Everything that is watched, and a queue that hears of each mixture to which something happened.</summary>
internal sealed class Watches
{
    private readonly List<(Func<CancellationToken, Task> Run, Task Synced)> _loops = [];

    public Watches(ApiServer api, OperatorOptions options, WorkQueue queue, bool hasDisruptionBudgets, TimeProvider time, ILoggerFactory logs)
    {
        var ns = options.Namespace;
        Mixtures = Watch<MixtureObject>(ns is null ? ClusterNames.AllMixtures : ClusterNames.Mixtures(ns), null);
        Mixtures.Changed += c => queue.Add(new ObjectKey(c.Item.Metadata.NamespaceProperty, c.Item.Metadata.Name));
        var ours = ClusterNames.ByLabels(("app.kubernetes.io/managed-by", ClusterNames.FieldManager));
        Deployments = new ChildIndex<SeenDeployment>(Watch<SeenDeployment>(ChildKind.Deployment.Collection(ns), ours), queue.Add);
        Pods = new ChildIndex<SeenPod>(
            Watch<SeenPod>(ns is null ? "/api/v1/pods" : ClusterNames.Pods(ns), ClusterNames.ByLabels((ClusterNames.RoleLabel, ClusterNames.WorkerRole))),
            queue.Add);
        ChildKind[] kinds = hasDisruptionBudgets ? [.. ChildKind.Simple, ChildKind.DisruptionBudget] : ChildKind.Simple;
        Kinds = kinds;
        Simple = kinds.ToDictionary(k => k, k => new ChildIndex<MetadataObject>(
            Watch<MetadataObject>(k.Collection(ns), ours, metadataOnly: true), queue.Add));

        ListWatch<T> Watch<T>(string path, string? selector, bool metadataOnly = false) where T : class, IKubernetesObject<V1ObjectMeta>
        {
            var watch = new ListWatch<T>(api, path, selector, time, logs.CreateLogger("MoDM.Watch"), metadataOnly);
            _loops.Add((watch.RunAsync, watch.Synced));
            return watch;
        }
    }

    public ListWatch<MixtureObject> Mixtures { get; }
    public ChildIndex<SeenDeployment> Deployments { get; }
    public ChildIndex<SeenPod> Pods { get; }
    public IReadOnlyDictionary<ChildKind, ChildIndex<MetadataObject>> Simple { get; }

    /// <summary>Kinds of children that this API server has.</summary>
    public IReadOnlyCollection<ChildKind> Kinds { get; }

    public Task Synced => Task.WhenAll(_loops.Select(l => l.Synced));

    public Task RunAsync(CancellationToken stop) => Task.WhenAll(_loops.Select(l => l.Run(stop)));
}
