using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Operator.Tests.Reconciling;

/// <summary>The whole operator, against servers on the wire.</summary>
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
    public async Task In_steady_state_nothing_is_written_also_by_a_new_operator()
    {
        // Complaint 27.
        await using var cluster = await FakeCluster.StartAsync();
        var first = await cluster.OperatorAsync();
        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Misses: 0.5, Hits: 1));
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True") && cluster.Is("MetricsAvailable", "True"), "Ready");
        var before = Versions();
        // Several plans: until the sizes and what is shown of the load have settled.
        while (true)
        {
            await Task.Delay(TimeSpan.FromSeconds(12), Cancel);
            if (before.SequenceEqual(Versions())) break;
            before = Versions();
        }
        cluster.Api.ClearRequests();

        await Task.Delay(TimeSpan.FromSeconds(12), Cancel);
        Assert.Empty(Writes());

        await first.TerminateAsync();
        await cluster.OperatorAsync();
        await Task.Delay(TimeSpan.FromSeconds(12), Cancel);
        // A new operator knows the load a little later; it may say so, and touches nothing else.
        Assert.DoesNotContain(Writes(), w => !w.Path.EndsWith("/status", StringComparison.Ordinal) && !w.Path.Contains("/events", StringComparison.Ordinal));

        List<FakeRequest> Writes() => [.. cluster.Api.Writes.Where(w => !w.Path.Contains("/leases", StringComparison.Ordinal))];
        List<string> Versions() =>
            [.. cluster.Api.List("/apis/modm.dev/v1alpha1/modelmixtures").Concat(cluster.Api.List("/apis/apps/v1/deployments")).Select(o => (string)o["metadata"]!["resourceVersion"]!)];
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
    public async Task Load_moves_the_sizes_within_the_budget_and_back()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Misses: 0.05));
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("MetricsAvailable", "True") && cluster.Replicas("big") == 1 && cluster.Replicas("little") <= 1, "as few as the SLO needs", 120);

        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Misses: 2.2, Hits: 2));
        await cluster.UntilAsync(() => cluster.Replicas("big") >= 3 && cluster.Api.List("/api/v1/pods", "modm.dev/pool=big").Count >= 3, "grown", 60);
        await cluster.UntilAsync(() => (int?)cluster.Status()?["large"]?["desired"] >= 3, "status tells", 10);

        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Misses: 0.05));
        await cluster.UntilAsync(() => cluster.Replicas("big") == 1 && cluster.Api.List("/api/v1/pods", "modm.dev/pool=big").Count == 1, "shrunk", 180);
        Assert.True(cluster.Node.MostPods <= 4, $"{cluster.Node.MostPods} GPUs were held");
    }

    [Theory]
    [InlineData("status")]
    [InlineData("empty")]
    [InlineData("NaN")]
    [InlineData("gone")]
    public async Task Without_metrics_the_sizes_hold_and_a_condition_says_so(string how)
    {
        // Complaint 3.
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Misses: 2.2, Hits: 1));
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("MetricsAvailable", "True") && cluster.Replicas("big") >= 3, "grown");
        var sizes = (cluster.Replicas("big"), cluster.Replicas("little"));

        if (how == "gone") cluster.Apply(s => s["metrics"] = new JsonObject { ["prometheus"] = "http://127.0.0.1:9" });
        else (cluster.Prometheus.Status, cluster.Prometheus.Empty, cluster.Prometheus.NaN) = (how == "status" ? 500 : null, how == "empty", how == "NaN");
        await cluster.UntilAsync(() => cluster.Is("MetricsAvailable", "False"), "MetricsAvailable=False", 15);
        await Task.Delay(TimeSpan.FromSeconds(12), Cancel);
        Assert.Equal(sizes, (cluster.Replicas("big"), cluster.Replicas("little")));

        if (how == "gone") cluster.Apply();
        (cluster.Prometheus.Status, cluster.Prometheus.Empty, cluster.Prometheus.NaN) = (null, false, false);
        await cluster.UntilAsync(() => cluster.Is("MetricsAvailable", "True"), "MetricsAvailable=True", 30);
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
    public async Task An_API_server_that_resets_conflicts_and_forgets_is_borne_with()
    {
        // Complaints 27, 29 and 30.
        await using var cluster = await FakeCluster.StartAsync();
        cluster.Api.Inject(new FakeFault { Verb = "PATCH", Status = 409, Times = 3 });
        cluster.Api.Inject(new FakeFault { Verb = "PATCH", ResetAfter = true, Times = 3 });
        cluster.Api.Inject(new FakeFault { Verb = "PATCH", Status = 500, Times = 2 });
        await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True"), "Ready", 90);

        cluster.Api.SendError();
        cluster.Api.CutWatches();
        cluster.Api.Forget();
        cluster.Apply(s => s["gpuBudget"] = 3);

        await cluster.UntilAsync(() => cluster.Replicas("little") == 0, "the new budget is kept", 60);
    }

    [Fact]
    public async Task One_of_two_operators_writes_and_the_other_takes_over_at_once_when_it_ends()
    {
        // Complaint 2.
        await using var cluster = await FakeCluster.StartAsync();
        var first = await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("Ready", "True"), "Ready");
        await cluster.OperatorAsync();

        await first.TerminateAsync();
        cluster.Apply(s => s["gpuBudget"] = 3);

        await cluster.UntilAsync(() => cluster.Replicas("little") == 0, "taken over", 8);
    }

    [Fact]
    public async Task An_operator_that_is_killed_is_replaced_within_20_seconds()
    {
        await using var cluster = await FakeCluster.StartAsync();
        var first = await cluster.OperatorAsync();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("Ready", "True"), "Ready");
        await cluster.OperatorAsync();

        first.Process.Kill();
        cluster.Apply(s => s["gpuBudget"] = 3);

        await cluster.UntilAsync(() => cluster.Replicas("little") == 0, "taken over", 20);
    }

    [Fact]
    public async Task A_CRD_that_would_drop_fields_is_refused_with_their_names()
    {
        // Complaint 25.
        await using var cluster = await FakeCluster.StartAsync();
        const string Crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/modelmixtures.modm.dev";
        var old = cluster.Api.Get(Crd)!;
        old["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!["properties"]!["spec"]!["properties"]!.AsObject().Remove("metrics");
        cluster.Api.Put(Crd, old.ToJsonString());
        var (code, log) = await OperatorProcess.RefusedAsync("--kubeconfig", cluster.Api.Kubeconfig());
        Assert.Equal(2, code);
        Assert.Contains("spec.metrics.prometheus", log, StringComparison.Ordinal);

        cluster.Api.Remove(Crd);
        (code, log) = await OperatorProcess.RefusedAsync("--kubeconfig", cluster.Api.Kubeconfig());
        Assert.Equal(2, code);
        Assert.Contains("is not installed", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_command_line_is_refused_with_all_mistakes()
    {
        var (code, log) = await OperatorProcess.RefusedAsync("--image-pull-policy", "Sometimes", "--prometheus", "there", "--colour", "red");

        Assert.Equal(2, code);
        Assert.All(["--image-pull-policy is Sometimes", "--prometheus is there", "--colour is not an option", "usage:"], text => Assert.Contains(text, log, StringComparison.Ordinal));
    }
}
