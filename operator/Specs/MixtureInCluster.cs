using k8s.Models;
using MoDM.Cluster;
using MoDM.Mixture;

namespace MoDM.Operator.Specs;

/// <summary>A mixture in a cluster, and what its children are made from.</summary>
/// <param name="Roll">Annotation of the mixture; another text rolls all of its pods.</param>
internal sealed record MixtureInCluster(ModelMixture Mixture, string Namespace, string Uid, string Roll)
{
    public string Name => Mixture.Name;
    public MixtureSpec Spec => Mixture.Spec;

    public V1ObjectMeta Meta(string name, params (string Key, string Value)[] labels) => new()
    {
        Name = name,
        NamespaceProperty = Namespace,
        Labels = Labels(labels),
        // Rather than finalizers: nothing can hang on them, and they work when the operator is gone (complaints 26 and 28).
        OwnerReferences =
        [
            new V1OwnerReference
            {
                ApiVersion = ModelMixture.ApiVersion,
                Kind = ModelMixture.Kind,
                Name = Name,
                Uid = Uid,
                Controller = true,
                BlockOwnerDeletion = false,
            },
        ],
    };

    public Dictionary<string, string> Labels(params (string Key, string Value)[] more)
    {
        var labels = new Dictionary<string, string>
        {
            ["app.kubernetes.io/name"] = "modm",
            ["app.kubernetes.io/instance"] = Name,
            ["app.kubernetes.io/managed-by"] = ClusterNames.FieldManager,
            [ClusterNames.MixtureLabel] = Name,
        };
        foreach (var (key, value) in more) labels[key] = value;
        return labels;
    }

    public static (string, string)[] GatewayLabels => [(ClusterNames.RoleLabel, ClusterNames.GatewayRole), ("app.kubernetes.io/component", "gateway")];

    public static (string, string)[] WorkerLabels(WorkerPool pool) =>
        [(ClusterNames.RoleLabel, ClusterNames.WorkerRole), (ClusterNames.PoolLabel, pool.Name), ("app.kubernetes.io/component", "worker")];

    public string GatewayName => $"{Name}-gateway";

    public string PoolName(WorkerPool pool) => $"{Name}-{pool.Name}";

    public Dictionary<string, string> GatewaySelector => new()
    {
        [ClusterNames.MixtureLabel] = Name,
        [ClusterNames.RoleLabel] = ClusterNames.GatewayRole,
    };

    public Dictionary<string, string> WorkerSelector(WorkerPool? pool = null)
    {
        var selector = new Dictionary<string, string>
        {
            [ClusterNames.MixtureLabel] = Name,
            [ClusterNames.RoleLabel] = ClusterNames.WorkerRole,
        };
        if (pool is not null) selector[ClusterNames.PoolLabel] = pool.Name;
        return selector;
    }
}
