using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Operator.Tests.Reconciling;

/// <summary>The whole operator, against servers on the wire: what may go wrong.</summary>
public class OperatorFaultTests
{
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
        cluster.Apply(s => s["small"]![0]!["name"] = "tiny");
        await cluster.UntilAsync(() => cluster.Replicas("tiny") > 0 && cluster.Is("WorkersReady", "True"), "the first goes on");
        Assert.Equal(["operator-0"], Writers());

        await first.TerminateAsync();
        cluster.Api.ClearRequests();
        cluster.Apply();

        await cluster.UntilAsync(() => cluster.Replicas("tiny") == -1 && cluster.Replicas("little") >= 0, "taken over", 8);
        Assert.Equal(["operator-1"], Writers());

        IEnumerable<string> Writers() => cluster.Api.Writes.Where(w => !w.Path.Contains("/leases", StringComparison.Ordinal)).Select(w => w.User).Distinct();
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

    [Fact]
    public async Task What_the_API_server_refuses_for_good_is_told_and_keeps_nothing_else_from_being_done()
    {
        const string Refused = "/apis/networking.k8s.io/v1/namespaces/art/networkpolicies/postcards-workers";
        await using var cluster = await FakeCluster.StartAsync();
        cluster.Api.Inject(new FakeFault { Verb = "PATCH", Path = Refused, Status = 422 });
        await cluster.OperatorAsync();
        cluster.Apply();

        await cluster.UntilAsync(() => cluster.Is("WorkersReady", "True") && cluster.Is("Ready", "True"), "all else is made");
        Assert.Equal(("False", "Refused"), ((string)cluster.Condition("Accepted")!["status"]!, (string)cluster.Condition("Accepted")!["reason"]!));
        Assert.Contains($"PATCH {Refused}: 422 Injected: injected", (string)cluster.Condition("Accepted")!["message"]!, StringComparison.Ordinal);
        Assert.Contains(cluster.Api.List("/api/v1/namespaces/art/events"), e => ((string)e["type"]!, (string)e["reason"]!) == ("Warning", "Refused"));

        // Sizes are still kept to, as are other children.
        cluster.Apply(s => s["gpuBudget"] = 3);
        await cluster.UntilAsync(() => cluster.Replicas("little") == 0, "the new budget is kept");
        cluster.Api.Remove("/api/v1/namespaces/art/services/postcards");
        await cluster.UntilAsync(() => cluster.Api.Get("/api/v1/namespaces/art/services/postcards") is not null, "the Service is made again");

        cluster.Api.Heal();
        cluster.Apply();
        await cluster.UntilAsync(() => cluster.Is("Accepted", "True") && cluster.Api.Get(Refused) is not null, "Accepted");
    }

    [Fact]
    public async Task A_worker_Deployment_that_the_API_server_refuses_is_told_and_the_other_pool_is_sized()
    {
        await using var cluster = await FakeCluster.StartAsync();
        cluster.Api.Inject(new FakeFault { Verb = "PATCH", Path = "/apis/apps/v1/namespaces/art/deployments/postcards-big", Status = 403 });
        await cluster.OperatorAsync();
        cluster.Apply();

        await cluster.UntilAsync(() => cluster.Replicas("little") == 1 && cluster.Condition("Accepted") is { } accepted && (string)accepted["reason"]! == "Refused", "told");
        await cluster.UntilAsync(() => (string)cluster.Condition("Ready")!["reason"]! == "NoLargeWorker", "the mixture is not Ready");
    }
}
