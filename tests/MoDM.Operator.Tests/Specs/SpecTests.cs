using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using MoDM.Mixture;
using MoDM.Operator.Specs;

namespace MoDM.Operator.Tests.Specs;

public class SpecTests
{
    private static readonly OperatorOptions Options = Documents.Options("--gateway-image", "g:1", "--worker-image", "w:1", "--scrape-namespace", "monitoring");

    [Fact]
    public void Every_pod_is_restricted()
    {
        // The "restricted" Pod Security Standard, and a read-only root file system.
        var mixture = Documents.InCluster();
        foreach (var pod in new[] { Deployments.Gateway(mixture, Options), Workers(mixture) }.Select(d => d.Spec.Template.Spec))
        {
            Assert.True(pod.SecurityContext.RunAsNonRoot);
            Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
            var container = Assert.Single(pod.Containers).SecurityContext;
            Assert.False(container.AllowPrivilegeEscalation);
            Assert.True(container.ReadOnlyRootFilesystem);
            Assert.Equal(["ALL"], container.Capabilities.Drop);
        }
    }

    [Fact]
    public void Workers_hold_GPUs_and_roll_without_a_spare_one()
    {
        // Complaint 8.
        var workers = Workers(Documents.InCluster(s => s["large"]!["gpusPerReplica"] = 2));

        Assert.Equal("2", workers.Spec.Template.Spec.Containers[0].Resources.Limits["nvidia.com/gpu"].ToString());
        Assert.Equal("0", workers.Spec.Strategy.RollingUpdate.MaxSurge.Value);
        Assert.False(workers.Spec.Template.Spec.AutomountServiceAccountToken);
    }

    [Fact]
    public void A_worker_is_alive_while_it_loads_and_gets_time_to_finish()
    {
        // Complaints 6 and 9: liveness never asks for the model, and the grace is longer than the longest generation.
        var pod = Workers(Documents.InCluster()).Spec.Template.Spec;

        Assert.Equal(("/livez", "/livez", "/readyz"),
            (pod.Containers[0].StartupProbe.HttpGet.Path, pod.Containers[0].LivenessProbe.HttpGet.Path, pod.Containers[0].ReadinessProbe.HttpGet.Path));
        Assert.Equal(150, pod.TerminationGracePeriodSeconds);
    }

    [Theory]
    [InlineData("2s", 60), InlineData("15s", 150), InlineData("5m", 3000)]
    public void A_gateway_gets_time_to_answer_also_when_the_SLO_is_raised_while_it_runs(string latency, long grace)
    {
        var pod = Deployments.Gateway(Documents.InCluster(s => s["slo"]!["latency"] = latency), Options).Spec.Template.Spec;

        Assert.Equal(grace, pod.TerminationGracePeriodSeconds);
    }

    [Fact]
    public void What_the_document_says_of_pods_is_in_the_pods()
    {
        var pod = Workers(Documents.InCluster(s => s["large"]!["pod"] = JsonNode.Parse("""
            {"image": "mine:2", "args": ["--threads", "2"], "labels": {"team": "art", "modm.dev/pool": "other"}, "annotations": {"a": "b"},
             "env": [{"name": "A", "value": "1"}], "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}},
             "nodeSelector": {"gpu": "a40"}, "tolerations": [{"key": "gpu", "operator": "Exists"}], "runtimeClassName": "nvidia",
             "priorityClassName": "high", "schedulerName": "other", "imagePullSecrets": [{"name": "pull"}],
             "affinity": {"podAntiAffinity": {}}, "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
             "envFrom": [{"secretRef": {"name": "s"}}]}
            """))).Spec.Template;

        var (meta, spec, container) = (pod.Metadata, pod.Spec, pod.Spec.Containers[0]);
        Assert.Equal(("art", "big", "b"), (meta.Labels["team"], meta.Labels["modm.dev/pool"], meta.Annotations["a"]));
        Assert.Equal("mine:2", container.Image);
        Assert.Equal(["--threads", "2"], container.Args.TakeLast(2));
        Assert.Equal(("A", "s"), (container.Env[0].Name, container.EnvFrom[0].SecretRef.Name));
        Assert.Equal(("2", "8Gi", "1"), (container.Resources.Requests["cpu"].ToString(), container.Resources.Limits["memory"].ToString(), container.Resources.Limits["nvidia.com/gpu"].ToString()));
        Assert.Equal(("a40", "gpu", "nvidia", "high", "other"), (spec.NodeSelector["gpu"], spec.Tolerations[0].Key, spec.RuntimeClassName, spec.PriorityClassName, spec.SchedulerName));
        Assert.Equal(("pull", "zone"), (spec.ImagePullSecrets[0].Name, spec.TopologySpreadConstraints[0].TopologyKey));
        Assert.NotNull(spec.Affinity.PodAntiAffinity);
    }

    [Fact]
    public void Another_vendors_GPU_takes_the_place_of_NVIDIAs()
    {
        var limits = Workers(Documents.InCluster(s => s["large"]!["pod"] = JsonNode.Parse("""{"resources": {"limits": {"amd.com/gpu": 1}}}""")))
            .Spec.Template.Spec.Containers[0].Resources.Limits;

        Assert.Equal(["amd.com/gpu"], limits.Keys);
    }

    [Fact]
    public void Models_come_from_any_volume_and_the_cache_may_live_on_one()
    {
        var mixture = Documents.InCluster(s =>
        {
            s["large"]!["model"]!["volume"] = JsonNode.Parse("""{"persistentVolumeClaim": {"claimName": "models"}}""");
            s["cache"]!["store"] = JsonNode.Parse("""{"embedded": {"volume": {"persistentVolumeClaim": {"claimName": "cache"}}}}""");
        });
        var (workers, gateway) = (Workers(mixture).Spec.Template.Spec, Deployments.Gateway(mixture, Options).Spec);

        Assert.Equal("models", workers.Volumes.Single(v => v.Name == "models").PersistentVolumeClaim.ClaimName);
        Assert.Contains(workers.Containers[0].VolumeMounts, m => m is { Name: "models", MountPath: "/models", ReadOnlyProperty: true });
        Assert.Equal("cache", gateway.Template.Spec.Volumes.Single(v => v.Name == "cache").PersistentVolumeClaim.ClaimName);
        Assert.Equal("Recreate", gateway.Strategy.Type);
    }

    [Fact]
    public void Gateways_that_share_a_cache_are_as_many_as_the_document_says_and_roll_one_by_one()
    {
        var gateway = Deployments.Gateway(Documents.InCluster(Documents.Shared()), Options).Spec;

        Assert.Equal((3, "RollingUpdate"), (gateway.Replicas, gateway.Strategy.Type));
        Assert.Equal(("1", "0"), (gateway.Strategy.RollingUpdate.MaxSurge.Value, gateway.Strategy.RollingUpdate.MaxUnavailable.Value));
        Assert.Equal(1, Deployments.Gateway(Documents.InCluster(), Options).Spec.Replicas);
    }

    [Fact]
    public void A_gateway_reads_its_callers_keys_and_its_stores_credentials_from_Secrets_and_waits_for_them()
    {
        var pod = Deployments.Gateway(Documents.InCluster(s =>
        {
            Documents.Shared()(s);
            s["gateway"]!["pod"] = JsonNode.Parse("""{"args": ["--queue-limit", "9"], "envFrom": [{"secretRef": {"name": "mine"}}]}""");
        }), Options).Spec.Template.Spec;
        var container = pod.Containers[0];

        Assert.Equal(
            [
                "--keys", "/var/run/secrets/modm.dev/keys/keys.txt", "--qdrant-key-file", "/var/run/secrets/modm.dev/qdrant/api-key", "--queue-limit", "9",
            ],
            container.Args.TakeLast(6));
        // Without the keys it would start open.
        Assert.Equal(
            [("keys", "callers", false), ("qdrant", "qdrant", false)],
            pod.Volumes.Where(v => v.Secret is not null).Select(v => (v.Name, v.Secret.SecretName, v.Secret.Optional ?? false)));
        Assert.Equal(
            [("/var/run/secrets/modm.dev/keys", true), ("/var/run/secrets/modm.dev/qdrant", true)],
            container.VolumeMounts.Where(m => m.Name is "keys" or "qdrant").Select(m => (m.MountPath, m.ReadOnlyProperty ?? false)));
        // The document's own come last, and so count.
        Assert.Equal(["minio", "mine"], container.EnvFrom.Select(e => e.SecretRef.Name));
        Assert.All(container.EnvFrom, e => Assert.Null(e.SecretRef.Optional));
    }

    [Fact]
    public void A_Story_mixtures_gateway_can_know_its_callers_too()
    {
        var pod = Deployments.Gateway(
            Documents.InCluster(s => { Documents.Story(s); s["gateway"] = JsonNode.Parse("""{"keysSecret": {"name": "callers"}}"""); }), Options).Spec.Template.Spec;

        Assert.Equal(
            ["--openai-key-file", "/var/run/secrets/modm.dev/openai/api-key", "--keys", "/var/run/secrets/modm.dev/keys/keys"],
            pod.Containers[0].Args.TakeLast(4));
    }

    [Fact]
    public void Another_operator_restarts_nobody_and_another_document_only_those_it_is_about()
    {
        // Complaint 8.
        var (before, other) = (Documents.InCluster(), Documents.Options("--worker-image", "w:2", "--gateway-image", "g:2"));
        Assert.Equal(HashOf(Workers(before)), HashOf(Deployments.Workers(before, before.Spec.Large, 3, other)));
        Assert.Equal(HashOf(Deployments.Gateway(before, Options)), HashOf(Deployments.Gateway(before, other)));

        var model = Documents.InCluster(s => s["large"]!["model"]!["path"] = "/models/other");
        Assert.NotEqual(HashOf(Workers(before)), HashOf(Workers(model)));
        Assert.Equal(HashOf(Deployments.Gateway(before, Options)), HashOf(Deployments.Gateway(model, Options)));

        // The gateway takes these over while it runs.
        var live = Documents.InCluster(s => (s["steps"], s["gpuBudget"], s["slo"]!["latency"], s["cache"]!["hits"]![0]!["skip"]) = (20, 8, "5m", 0.2));
        Assert.Equal(HashOf(Workers(before)), HashOf(Workers(live)));
        Assert.Equal(HashOf(Deployments.Gateway(before, Options)), HashOf(Deployments.Gateway(live, Options)));

        var rolled = Documents.InCluster(roll: "now");
        Assert.NotEqual(HashOf(Workers(before)), HashOf(Workers(rolled)));
        Assert.NotEqual(HashOf(Deployments.Gateway(before, Options)), HashOf(Deployments.Gateway(rolled, Options)));
    }

    [Fact]
    public void The_gateway_may_read_its_own_document_and_pods_and_nothing_else()
    {
        var role = Access.All(Documents.InCluster(), Options, true).OfType<V1Role>().Single();

        Assert.Equal(["modelmixtures", "pods"], role.Rules.SelectMany(r => r.Resources));
        Assert.Equal(["postcards"], role.Rules[0].ResourceNames);
        Assert.All(role.Rules, r => Assert.Equal(["get", "list", "watch"], r.Verbs));
    }

    [Fact]
    public void Only_the_gateway_and_the_scrapers_reach_workers()
    {
        var policy = Access.All(Documents.InCluster(), Options, true).OfType<V1NetworkPolicy>().Single().Spec;

        Assert.Equal("worker", policy.PodSelector.MatchLabels["modm.dev/role"]);
        Assert.Equal("gateway", policy.Ingress[0].FromProperty[0].PodSelector.MatchLabels["modm.dev/role"]);
        Assert.Equal("monitoring", policy.Ingress[0].FromProperty[1].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]);
    }

    [Fact]
    public void Children_belong_to_their_mixture_and_budgets_are_where_the_API_has_them()
    {
        // Complaint 28.
        var (with, without) = (Access.All(Documents.InCluster(), Options, true).ToList(), Access.All(Documents.InCluster(), Options, false).ToList());

        Assert.Equal(3, with.Count - without.Count);
        Assert.All(with, child => Assert.Equal(("uid-postcards", true), (child.Metadata.OwnerReferences[0].Uid, child.Metadata.OwnerReferences[0].Controller)));
        Assert.All(with.OfType<V1PodDisruptionBudget>(), b => Assert.Equal("1", b.Spec.MaxUnavailable.Value));
    }

    [Fact]
    public void What_cannot_be_in_a_cluster_is_named_all_at_once()
    {
        var mixture = Documents.Mixture(s =>
        {
            s["large"]!["name"] = "gateway";
            s["large"]!["model"]!["path"] = "models/big";
            s["small"]![0]!["model"] = JsonNode.Parse("""{"path": "/other/little", "volume": {"persistentVolumeClaim": {"claimName": "m"}}}""");
            s["cache"]!["embedder"]!["volume"] = JsonNode.Parse("""{"floppyDisk": {}}""");
            s["large"]!["pod"] = JsonNode.Parse("""{"env": [{"name": 3}], "nodeSelector": {"gpu": 1}}""");
        }) with
        { Name = "9-lives" };

        var problems = ClusterRules.Check(mixture).Select(p => p.Path).ToList();

        Assert.Equal(
            ["metadata.name", "spec.large.name", "spec.large.model.path", "spec.small[0].model.path", "spec.cache.embedder.volume", "spec.large.pod.env", "spec.large.pod.nodeSelector"],
            problems);
    }

    [Fact]
    public void A_relative_key_file_of_the_shared_cache_is_a_mistake_in_a_cluster()
    {
        var mixture = Documents.Mixture(s => { Documents.Shared()(s); s["cache"]!["store"]!["shared"]!["qdrant"]!["apiKeyFile"] = "qdrant.key"; });

        Assert.Equal(
            ["spec.cache.store.shared.qdrant.apiKeyFile: is \"qdrant.key\"; in a cluster name a Secret with apiKeySecret, or a whole path."],
            ClusterRules.Check(mixture).Select(p => p.ToString()));
    }

    [Fact]
    public void What_is_made_can_be_sent_and_read_again()
    {
        var mixture = Documents.InCluster();
        foreach (var child in Access.All(mixture, Options, true).Cast<object>().Append(Workers(mixture)).Append(Deployments.Gateway(mixture, Options)))
            Assert.Contains("\"kind\":", KubernetesJson.Serialize(child), StringComparison.Ordinal);
    }

    private static V1Deployment Workers(MixtureInCluster mixture) => Deployments.Workers(mixture, mixture.Spec.Large, 1, Options);

    private static string HashOf(V1Deployment deployment) => deployment.Metadata.Annotations["modm.dev/hash"];
}
