using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Operator.Tests.Reconciling;

/// <summary>The whole operator, against servers on the wire: what it makes of the load.</summary>
public class OperatorLoadTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

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
    public async Task A_Prometheus_that_is_silent_delays_no_mixture()
    {
        const int Mixtures = 30;
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        for (var i = 0; i < Mixtures; i++) cluster.Apply(name: $"m{i}");
        await cluster.UntilAsync(() => All(name => cluster.Is("WorkersReady", "True", name)), "Ready");
        cluster.Prometheus.Silent = true;
        await cluster.UntilAsync(() => All(name => (string?)cluster.Condition("MetricsAvailable", name)?["message"]
            is { } why && why.Contains("did not answer", StringComparison.Ordinal)), "known to be silent", 90);
        var queries = cluster.Prometheus.Queries;
        var since = System.Diagnostics.Stopwatch.GetTimestamp();

        for (var i = 0; i < Mixtures; i++) cluster.Apply(s => s["gpuBudget"] = 3, $"m{i}");
        await cluster.UntilAsync(() => All(name => cluster.Replicas("little", name) == 0), "acted on");

        // One lane at most waits for an answer: without that 30 mixtures on 4 lanes take 3 s each.
        var took = System.Diagnostics.Stopwatch.GetElapsedTime(since);
        Assert.True(took < TimeSpan.FromSeconds(10), $"acted on after {took.TotalSeconds:0.0} s");
        Assert.InRange(cluster.Prometheus.Queries - queries, 0, 2 + (int)(took.TotalSeconds / 5));

        cluster.Prometheus.Silent = false;
        await cluster.UntilAsync(() => All(name => (string?)cluster.Condition("MetricsAvailable", name)?["message"]
            is { } why && !why.Contains("did not answer", StringComparison.Ordinal)), "heard again", 60);

        bool All(Func<string, bool> isSo) => Enumerable.Range(0, Mixtures).All(i => isSo($"m{i}"));
    }
}
