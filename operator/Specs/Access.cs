using k8s;
using k8s.Models;
using MoDM.Cluster;

namespace MoDM.Operator.Specs;

/// <summary>How a mixture is reached and what its gateway may do: everything beside the Deployments.</summary>
internal static class Access
{
    /// <param name="hasDisruptionBudgets">The API has policy/v1, from Kubernetes 1.21 on.</param>
    public static IEnumerable<IKubernetesObject<V1ObjectMeta>> All(MixtureInCluster mixture, OperatorOptions options, bool hasDisruptionBudgets)
    {
        yield return Service(mixture);
        yield return new V1ServiceAccount
        {
            ApiVersion = "v1",
            Kind = "ServiceAccount",
            Metadata = mixture.Meta(mixture.GatewayName, MixtureInCluster.GatewayLabels),
        };
        yield return Role(mixture);
        yield return Binding(mixture);
        yield return WorkersAreTheGateways(mixture, options);
        if (!hasDisruptionBudgets) yield break;
        yield return DisruptionBudget(mixture, mixture.GatewayName, mixture.GatewaySelector);
        foreach (var pool in mixture.Spec.Pools)
            yield return DisruptionBudget(mixture, mixture.PoolName(pool), mixture.WorkerSelector(pool));
    }

    private static V1Service Service(MixtureInCluster mixture) => new()
    {
        ApiVersion = "v1",
        Kind = "Service",
        Metadata = mixture.Meta(mixture.Name, MixtureInCluster.GatewayLabels),
        Spec = new V1ServiceSpec
        {
            Selector = mixture.GatewaySelector,
            Ports = [new V1ServicePort { Name = "http", Port = 80, TargetPort = "http", Protocol = "TCP" }],
        },
    };

    /// <summary>The gateway reads its own document and sees pods; it changes nothing.</summary>
    private static V1Role Role(MixtureInCluster mixture) => new()
    {
        ApiVersion = "rbac.authorization.k8s.io/v1",
        Kind = "Role",
        Metadata = mixture.Meta(mixture.GatewayName, MixtureInCluster.GatewayLabels),
        Rules =
        [
            new V1PolicyRule
            {
                ApiGroups = ["modm.dev"],
                Resources = ["modelmixtures"],
                ResourceNames = [mixture.Name],
                Verbs = ["get", "list", "watch"],
            },
            new V1PolicyRule { ApiGroups = [""], Resources = ["pods"], Verbs = ["get", "list", "watch"] },
        ],
    };

    private static V1RoleBinding Binding(MixtureInCluster mixture) => new()
    {
        ApiVersion = "rbac.authorization.k8s.io/v1",
        Kind = "RoleBinding",
        Metadata = mixture.Meta(mixture.GatewayName, MixtureInCluster.GatewayLabels),
        RoleRef = new V1RoleRef { ApiGroup = "rbac.authorization.k8s.io", Kind = "Role", Name = mixture.GatewayName },
        Subjects = [new Rbacv1Subject { Kind = "ServiceAccount", Name = mixture.GatewayName, NamespaceProperty = mixture.Namespace }],
    };

    /// <summary>Workers know no callers: only their gateway reaches them, and whoever scrapes their metrics.</summary>
    private static V1NetworkPolicy WorkersAreTheGateways(MixtureInCluster mixture, OperatorOptions options)
    {
        var from = new List<V1NetworkPolicyPeer> { new() { PodSelector = new V1LabelSelector { MatchLabels = mixture.GatewaySelector } } };
        if (options.ScrapeNamespace is { } scrapers)
        {
            from.Add(new V1NetworkPolicyPeer
            {
                NamespaceSelector = new V1LabelSelector { MatchLabels = new Dictionary<string, string> { ["kubernetes.io/metadata.name"] = scrapers } },
            });
        }
        return new V1NetworkPolicy
        {
            ApiVersion = "networking.k8s.io/v1",
            Kind = "NetworkPolicy",
            Metadata = mixture.Meta($"{mixture.Name}-workers"),
            Spec = new V1NetworkPolicySpec
            {
                PodSelector = new V1LabelSelector { MatchLabels = mixture.WorkerSelector() },
                PolicyTypes = ["Ingress"],
                Ingress =
                [
                    new V1NetworkPolicyIngressRule
                    {
                        FromProperty = from,
                        Ports = [new V1NetworkPolicyPort { Port = "http", Protocol = "TCP" }],
                    },
                ],
            },
        };
    }

    private static V1PodDisruptionBudget DisruptionBudget(MixtureInCluster mixture, string name, Dictionary<string, string> selector) => new()
    {
        ApiVersion = "policy/v1",
        Kind = "PodDisruptionBudget",
        Metadata = mixture.Meta(name),
        Spec = new V1PodDisruptionBudgetSpec
        {
            // One at a time, also where there is but one: a budget that forbids it blocks every node's drain.
            MaxUnavailable = 1,
            Selector = new V1LabelSelector { MatchLabels = selector },
        },
    };
}
