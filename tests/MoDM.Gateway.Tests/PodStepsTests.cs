using k8s.Models;
using MoDM.Gateway.Fleet;

namespace MoDM.Gateway.Tests;

public class PodStepsTests
{
    private static readonly string[] Pools = ["large", "small"];

    [Fact]
    public void A_pod_that_runs_joins_under_its_address_and_port()
    {
        var step = Assert.Single(Decide([Pod("a", port: 9000)]));

        Assert.Equal((PodStepKind.Join, "large", new Uri("http://10.0.0.1:9000")), (step.Kind, step.Pool, step.Address));
    }

    [Theory]
    [InlineData("pending"), InlineData("no address"), InlineData("other pool"), InlineData("terminating"), InlineData("marked"), InlineData("failed")]
    public void A_pod_that_cannot_serve_does_not_join(string why)
    {
        var pod = Pod("a", pool: why == "other pool" ? "medium" : "large");
        if (why == "pending") pod.Status.Phase = "Pending";
        if (why == "failed") pod.Status.Phase = "Failed";
        if (why == "no address") pod.Status.PodIP = null;
        if (why == "terminating") pod.Metadata.DeletionTimestamp = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        if (why == "marked") Mark(pod);

        Assert.Empty(Decide([pod]));
    }

    [Fact]
    public void A_marked_pod_drains_and_serves_again_when_the_mark_is_gone()
    {
        var pod = Pod("a");
        Mark(pod);

        Assert.Equal(PodStepKind.Drain, Assert.Single(Decide([pod], Known("a"))).Kind);
        Assert.Empty(Decide([pod], Known("a", draining: true)));
        Assert.Equal(PodStepKind.Serve, Assert.Single(Decide([Pod("a")], Known("a", draining: true))).Kind);
    }

    [Fact]
    public void A_pod_that_ends_gets_nothing_new_and_leaves_when_it_is_gone()
    {
        var pod = Pod("a");
        pod.Metadata.DeletionTimestamp = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        Assert.Equal(PodStepKind.Drain, Assert.Single(Decide([pod], Known("a"))).Kind);
        Assert.Equal(PodStepKind.Leave, Assert.Single(Decide([], Known("a", draining: true))).Kind);
    }

    [Fact]
    public void What_is_known_needs_no_step() => Assert.Empty(Decide([Pod("a")], Known("a")));

    private static List<PodStep> Decide(IEnumerable<V1Pod> pods, Dictionary<string, KnownPod>? known = null) =>
        PodSteps.Decide(pods, known ?? [], Pools);

    private static Dictionary<string, KnownPod> Known(string uid, bool draining = false) => new() { [uid] = new(new Uri("http://10.0.0.1:8000"), draining) };

    private static void Mark(V1Pod pod) => pod.Metadata.Annotations = new Dictionary<string, string> { ["modm.dev/drain"] = "2026-01-01T00:00:00Z" };

    private static V1Pod Pod(string uid, string pool = "large", int port = 8000) => new()
    {
        Metadata = new V1ObjectMeta { Uid = uid, Name = uid, Labels = new Dictionary<string, string> { ["modm.dev/pool"] = pool } },
        Spec = new V1PodSpec { Containers = [new V1Container { Name = "worker", Ports = [new V1ContainerPort { Name = "http", ContainerPort = port }] }] },
        Status = new V1PodStatus { Phase = "Running", PodIP = "10.0.0.1" },
    };
}
