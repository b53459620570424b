using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Operator.Tests.Reconciling;

/// <summary>The whole operator, against servers on the wire: what it makes of documents.</summary>
public class OperatorTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_mixture_gets_all_that_it_needs_and_says_when_it_is_ready()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply();

        await cluster.UntilAsync(() => cluster.Is("Ready", "True") && cluster.Is("WorkersReady", "True"), "Ready");

        Assert.Equal((3, 1), (cluster.Replicas("big"), cluster.Replicas("little")));
        Assert.NotNull(cluster.Api.Get("/apis/apps/v1/namespaces/art/deployments/postcards-gateway"));
        string[] children =
        [
            "/api/v1/namespaces/art/services/postcards", "/api/v1/namespaces/art/serviceaccounts/postcards-gateway",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/art/roles/postcards-gateway",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/art/rolebindings/postcards-gateway",
            "/apis/networking.k8s.io/v1/namespaces/art/networkpolicies/postcards-workers",
            "/apis/policy/v1/namespaces/art/poddisruptionbudgets/postcards-big",
        ];
        Assert.All(children, path => Assert.True((bool?)cluster.Api.Get(path)?["metadata"]!["ownerReferences"]![0]!["controller"], path));
        Assert.Equal(("3/3", "1/1"), ((string)cluster.Status()!["columns"]!["large"]!, (string)cluster.Status()!["columns"]!["small"]!));
        Assert.NotEmpty(cluster.Status()!["coldStart"]!.AsArray());
        Assert.Contains(cluster.Api.List("/api/v1/namespaces/art/events"), e => (string)e["reason"]! == "Planned");
    }

    [Fact]
    public async Task Deleting_a_mixture_leaves_nothing_behind()
    {
        // Complaint 28.
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("Ready", "True"), "Ready");

        cluster.Api.Remove(FakeCluster.Path);

        await cluster.UntilAsync(() => cluster.Api.List("/apis/apps/v1/deployments").Count == 0 && cluster.Api.List("/api/v1/pods").Count == 0
            && cluster.Api.List("/api/v1/services").Count == 0, "nothing left", 30);
    }

    [Fact]
    public async Task A_document_with_mistakes_changes_nothing_that_runs()
    {
        await using var cluster = await FakeCluster.StartAsync();
        var only = await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("Ready", "True"), "Ready");
        var deployments = Deployments();

        cluster.Apply(s => (s["steps"], s["gpuBudget"], s["large"]!["gpusPerReplica"]) = (0, 0, "two"));
        await cluster.UntilAsync(() => cluster.Is("Accepted", "False"), "Accepted=False");
        await only.TerminateAsync(); // Nor does it with an operator that has never seen the good one.
        await cluster.OperatorAsync();
        await Task.Delay(TimeSpan.FromSeconds(3), Cancel);

        var message = (string)cluster.Condition("Accepted")!["message"]!;
        Assert.All(["spec.steps", "spec.gpuBudget", "spec.large.gpusPerReplica"], path => Assert.Contains(path, message, StringComparison.Ordinal));
        Assert.Equal(deployments, Deployments());
        Assert.True(cluster.Is("Ready", "True"));

        cluster.Apply(s => s["steps"] = 20);
        await cluster.UntilAsync(() => cluster.Is("Accepted", "True") && (int)cluster.Status()!["accepted"]!["spec"]!["steps"]! == 20, "Accepted again");

        List<string> Deployments() => [.. cluster.Api.List("/apis/apps/v1/deployments").Select(d => d["spec"]!.ToJsonString())];
    }

    [Fact]
    public async Task What_somebody_deletes_or_changes_is_put_right()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True"), "Ready");

        cluster.Api.Remove("/api/v1/namespaces/art/services/postcards");
        cluster.Api.Remove("/apis/apps/v1/namespaces/art/deployments/postcards-little");
        cluster.Api.Patch("/apis/networking.k8s.io/v1/namespaces/art/networkpolicies/postcards-workers", """{"spec": {"policyTypes": ["Egress"]}}""");
        cluster.Api.Patch("/apis/apps/v1/namespaces/art/deployments/postcards-big", """{"spec": {"replicas": 0}}""");

        await cluster.UntilAsync(() => cluster.Api.Get("/api/v1/namespaces/art/services/postcards") is not null && cluster.Replicas("little") == 1
            && cluster.Replicas("big") == 3
            && (string)cluster.Api.Get("/apis/networking.k8s.io/v1/namespaces/art/networkpolicies/postcards-workers")!["spec"]!["policyTypes"]![0]! == "Ingress",
            "put right", 30);
    }

    [Fact]
    public async Task Gateways_that_share_a_cache_are_as_many_as_the_document_says_and_only_what_they_cannot_take_over_rolls_them()
    {
        const string Gateway = "/apis/apps/v1/namespaces/art/deployments/postcards-gateway";
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Cache: 1));
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("Ready", "True") && cluster.Is("MetricsAvailable", "True"), "Ready");
        Assert.Equal((1, null), (cluster.Replicas("gateway"), cluster.Condition("CacheAvailable")));
        var embedded = Template();

        // In one write: no second gateway is started with a cache of its own.
        cluster.Api.ClearRequests();
        cluster.Apply(Documents.Shared());
        await cluster.UntilAsync(() => cluster.Replicas("gateway") == 3 && cluster.Is("CacheAvailable", "True"), "three gateways");
        var shared = Template();
        Assert.NotEqual(embedded, shared);
        Assert.Contains("--keys", shared, StringComparison.Ordinal);
        Assert.Single(cluster.Api.Writes, w => w.Path == Gateway);

        cluster.Apply(Documents.Shared(gateways: 2));
        await cluster.UntilAsync(() => cluster.Replicas("gateway") == 2, "two gateways");
        cluster.Api.Patch(Gateway, """{"spec": {"replicas": 7}}""");
        await cluster.UntilAsync(() => cluster.Replicas("gateway") == 2, "put right");
        Assert.Equal(shared, Template());

        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Cache: 0));
        await cluster.UntilAsync(() => cluster.Is("CacheAvailable", "False"), "CacheAvailable=False", 30);
        Assert.True(cluster.Is("Ready", "True"));

        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Replicas("gateway") == 1 && Template() == embedded && cluster.Condition("CacheAvailable") is null, "embedded again");

        string Template() => cluster.Api.Get(Gateway)!["spec"]!["template"]!.ToJsonString();
    }

    [Fact]
    public async Task A_pool_that_the_document_no_longer_has_goes()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True"), "Ready");

        cluster.Apply(s => s["small"]![0]!["name"] = "tiny");

        await cluster.UntilAsync(() => cluster.Replicas("little") == -1 && cluster.Replicas("tiny") > 0 && cluster.Is("WorkersReady", "True"), "replaced");
        Assert.Null(cluster.Api.Get("/apis/policy/v1/namespaces/art/poddisruptionbudgets/postcards-little"));
        Assert.True(cluster.Node.MostPods <= 4, $"{cluster.Node.MostPods} GPUs were held");
    }

    [Fact]
    public async Task An_evicted_pod_that_nobody_removed_holds_no_GPU()
    {
        await using var cluster = await FakeCluster.StartAsync();
        for (var i = 0; i < 2; i++)
        {
            cluster.Api.Put($"/api/v1/namespaces/art/pods/evicted-{i}", $$"""
                {"metadata": {"labels": {"modm.dev/mixture": "postcards", "modm.dev/role": "worker", "modm.dev/pool": "big"} }, "status": {"phase": "Failed"} }
                """);
        }
        await cluster.OperatorAsync();
        cluster.Apply();

        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True"), "all that the budget allows", 20);
        Assert.Equal(4, cluster.Replicas("big") + cluster.Replicas("little"));
    }

    [Fact]
    public async Task Pods_of_a_pool_that_the_document_no_longer_has_hold_their_GPUs_until_they_are_gone()
    {
        await using var cluster = await FakeCluster.StartAsync();
        cluster.Node.Grace = TimeSpan.FromSeconds(4);
        await cluster.OperatorAsync();
        cluster.Apply(s => (s["small"]![0]!["replicas"]!["min"], s["small"]![0]!["gpusPerReplica"], s["gpuBudget"]) = (1, 2, 5));
        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True") && cluster.Replicas("little") >= 1, "Ready");

        // 2 GPUs are held by what leaves: of 5 at most 3 are for the others.
        cluster.Apply(s => (s["small"]![0]!["name"], s["small"]![0]!["replicas"]!["min"], s["gpuBudget"]) = ("tiny", 1, 5));
        var most = 0;
        await cluster.UntilAsync(() =>
        {
            most = Math.Max(most, Pods("big") + Pods("tiny") + 2 * Pods("little"));
            return Pods("little") == 0 && cluster.Is("WorkersReady", "True") && Pods("tiny") > 0;
        }, "replaced");
        Assert.True(most <= 5, $"{most} GPUs were held");

        int Pods(string pool) => cluster.Api.List("/api/v1/pods", $"modm.dev/pool={pool}").Count;
    }

    [Fact]
    public async Task A_mixture_that_is_made_again_under_its_name_is_a_new_one()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("Ready", "True"), "Ready");

        // While the operator does not look: its watch is away, and has to list again.
        const string Watched = "/apis/modm.dev/v1alpha1/modelmixtures";
        var away = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.Api.Inject(new FakeFault { Verb = "WATCH", Path = Watched, Hold = away.Task, Times = 1 });
        cluster.Api.CutWatches(Watched);
        await cluster.UntilAsync(() => cluster.Api.WatchCount(Watched) == 0 && cluster.Api.Requests.Any(r => r is { Verb: "WATCH", Path: Watched, Status: 0 }), "away");
        cluster.Api.Remove(FakeCluster.Path);
        cluster.Apply(s => (s["gpuBudget"], s["large"]!["model"]!["path"]) = (2, "/models/other"));
        cluster.Api.Forget();
        away.SetResult();

        await cluster.UntilAsync(() => (int?)cluster.Status()?["accepted"]?["spec"]!["gpuBudget"] == 2 && cluster.Is("Ready", "True")
            && cluster.Replicas("big") + cluster.Replicas("little") == 2, "the new document is in force");
    }

    [Fact]
    public async Task Metrics_of_pools_that_are_gone_and_of_mixtures_that_another_replica_leads_go()
    {
        await using var cluster = await FakeCluster.StartAsync();
        using var http = new HttpClient { BaseAddress = (await cluster.OperatorAsync()).Address };
        cluster.Apply();
        await UntilSaidAsync(text => text.Contains("pool=\"little\"", StringComparison.Ordinal), "the pools");

        cluster.Apply(s => s["small"]![0]!["name"] = "tiny");
        await UntilSaidAsync(text => text.Contains("pool=\"tiny\"", StringComparison.Ordinal) && !text.Contains("pool=\"little\"", StringComparison.Ordinal), "the new pool alone");

        var now = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", System.Globalization.CultureInfo.InvariantCulture);
        cluster.Api.Patch("/apis/coordination.k8s.io/v1/namespaces/default/leases/modm-operator",
            $$"""{"spec": {"holderIdentity": "another", "renewTime": "{{now}}", "leaseDurationSeconds": 600} }""");
        await UntilSaidAsync(text => text.Contains("modm_operator_leader 0", StringComparison.Ordinal) && !text.Contains("mixture=\"postcards\"", StringComparison.Ordinal), "nothing of the mixture");

        async Task UntilSaidAsync(Func<string, bool> isSo, string what)
        {
            var said = "";
            for (var i = 0; i < 200 && !isSo(said); i++)
            {
                await Task.Delay(100, Cancel);
                said = string.Join('\n', (await http.GetStringAsync("/metrics", Cancel)).Split('\n').Where(l => l.StartsWith("modm_", StringComparison.Ordinal)));
            }
            Assert.True(isSo(said), $"{what}: {said}");
        }
    }

    [Fact]
    public async Task A_disruption_budget_is_written_again_when_somebody_changed_it_and_not_when_its_status_moves()
    {
        const string Budget = "/apis/policy/v1/namespaces/art/poddisruptionbudgets/postcards-big";
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True"), "Ready");
        cluster.Api.ClearRequests();

        for (var i = 1; i <= 3; i++)
        {
            cluster.Api.Patch($"{Budget}/status", $$"""{"status": {"currentHealthy": {{i}}} }""");
            await Task.Delay(TimeSpan.FromSeconds(1), Cancel);
        }
        Assert.DoesNotContain(cluster.Api.Writes, w => w.Path == Budget);

        cluster.Api.Patch(Budget, """{"spec": {"maxUnavailable": 0}}""");
        await cluster.UntilAsync(() => (int)cluster.Api.Get(Budget)!["spec"]!["maxUnavailable"]! == 1, "put right", 10);
    }

    [Fact]
    public async Task Workers_that_are_to_have_more_GPUs_get_them_when_the_budget_has_room()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True") && cluster.Replicas("big") == 3, "Ready");
        var most = 0;
        cluster.Api.Written += _ => most = Math.Max(most, cluster.Api.List("/apis/apps/v1/deployments", "modm.dev/role=worker")
            .Sum(d => (int)d["spec"]!["replicas"]! * Gpus(d)));

        cluster.Apply(s => s["large"]!["gpusPerReplica"] = 2);

        await cluster.UntilAsync(() => cluster.Api.Get("/apis/apps/v1/namespaces/art/deployments/postcards-big") is { } big && Gpus(big) == 2
            && cluster.Is("WorkersReady", "True") && cluster.Replicas("big") == 2, "larger");
        Assert.True(most <= 4, $"{most} GPUs were asked for");

        static int Gpus(JsonNode deployment) =>
            int.Parse((string)deployment["spec"]!["template"]!["spec"]!["containers"]![0]!["resources"]!["limits"]!["nvidia.com/gpu"]!, System.Globalization.CultureInfo.InvariantCulture);
    }
}
