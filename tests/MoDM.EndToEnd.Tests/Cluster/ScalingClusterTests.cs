using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>Sizes follow a real load on a real Kubernetes, by what a real Prometheus says.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ScalingClusterTests(ClusterFixture cluster)
{
    private const int Budget = 4;

    /// <summary>From plan to plan with an SLO of 4 s.</summary>
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(5);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>
    /// Two cores draw all images: the load is one that they can draw, and that asks for another split at each step.
    /// </summary>
    [Fact]
    public async Task Pools_grow_with_the_load_within_the_budget_and_shrink_again_and_metrics_may_be_gone_meanwhile()
    {
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("scaling");
        var mixture = new ClusterMixture(cluster, ns);
        await mixture.ReadyAsync(mixture.Yaml(
            steps: 50, latency: "4s", percentile: 95, budget: Budget, large: (1, 3), small: (0, 3), skip: 0.1));
        var address = await mixture.AddressAsync();
        await mixture.UntilAsync("MetricsAvailable", seconds: 60);
        using var watching = new CancellationTokenSource();
        var most = WatchAsync(mixture, watching.Token);

        // 1. Next to no load: both models get timed, then as few workers as there may be.
        await using (var little = LoadGenerator.Open(address, 0.3, n => Request(n, hit: n % 2 == 1)))
        {
            await cluster.WaitAsync(async () => await mixture.ReplicasAsync("postcards-large") == 1 && await mixture.ReplicasAsync("postcards-small") <= 1, 240, "as few as the SLO needs", ns);
            await little.StopAsync();
        }

        // 2. Hits: the small pool grows. From the step to a new pod that has a node.
        var known = Uids(await mixture.PodsAsync());
        var step = TimeProvider.System.GetUtcNow();
        await using var hits = LoadGenerator.Open(address, 7, n => Request(n, hit: true));
        DateTimeOffset? scheduled = null;
        await cluster.WaitAsync(
            async () => (scheduled = (await mixture.PodsAsync()).Where(p => !known.Contains((string)p["metadata"]!["uid"]!)).Select(ScheduledAt).FirstOrDefault(at => at is not null)) is not null,
            60, "a new pod with a node", ns);
        var took = (scheduled!.Value - step).TotalSeconds + 1; // By the cluster's own record, of whole seconds: not later than that.
        await cluster.WaitAsync(async () => await mixture.ReplicasAsync("postcards-small") >= 2, 90, "a larger small pool", ns);
        await TellsTheTruthAsync(mixture);

        // 3. Prometheus is gone: the sizes hold, and a condition says so within a tick.
        var sizes = (await mixture.ReplicasAsync("postcards-large"), await mixture.ReplicasAsync("postcards-small"));
        await cluster.Prometheus.StopAsync();
        var stopped = TimeProvider.System.GetUtcNow();
        await mixture.UntilAsync("MetricsAvailable", "False", 15);
        var said = (DateTimeOffset)(await mixture.ConditionAsync("MetricsAvailable"))!["lastTransitionTime"]! - stopped;
        TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture, $"MetricsAvailable=False after {said.TotalSeconds:0.0} s"));
        Assert.True(said < Tick + TimeSpan.FromSeconds(1), $"after {said.TotalSeconds:0.0} s"); // Plans are on whole seconds.
        await Task.Delay(TimeSpan.FromMinutes(3), Cancel);
        Assert.Equal(sizes, (await mixture.ReplicasAsync("postcards-large"), await mixture.ReplicasAsync("postcards-small")));
        await cluster.Prometheus.StartAsync();
        await mixture.UntilAsync("MetricsAvailable", "True", 60);

        // 4. Fewer hits and more misses: the split moves. Few enough for the budget also where other work makes each of them
        // take twice as long: in overload it would stay as it is.
        var hit = await hits.StopAsync();
        await using var fewer = LoadGenerator.Open(address, 0.7, n => Request(n, hit: true));
        await using var misses = LoadGenerator.Open(address, 1.1, n => Request(n, hit: false));
        await cluster.WaitAsync(async () => await mixture.ReplicasAsync("postcards-large") >= 2, 120, "a larger large pool", ns);
        await TellsTheTruthAsync(mixture);

        // 5. Nothing more: it shrinks after the dwell.
        var (less, missed) = (await fewer.StopAsync(), await misses.StopAsync());
        await cluster.WaitAsync(async () => await mixture.ReplicasAsync("postcards-large") == 1 && await mixture.ReplicasAsync("postcards-small") <= 1, 300, "small again", ns);
        await TellsTheTruthAsync(mixture);
        await watching.CancelAsync();
        TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture, $"new pod with a node {took:0.0} s after the step\nhits: {hit}\nfewer hits: {less}\nmisses: {missed}"));
        Assert.True(await most <= Budget, $"{await most} GPUs were held");
        Assert.True(took < 15, $"a new pod had a node {took:0.0} s after the step");
        // What cannot be in time is refused when it comes, with a time to come back; nothing else fails.
        Assert.All(hit.Failures.Keys.Concat(less.Failures.Keys).Concat(missed.Failures.Keys), f => Assert.Contains("deadline_exceeded", f, StringComparison.Ordinal));
    }

    [Fact]
    public async Task In_steady_state_nothing_is_written()
    {
        // Complaint 27. The lease's own renewals are the only writes.
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("steady");
        var mixture = new ClusterMixture(cluster, ns);
        await mixture.ReadyAsync(mixture.Yaml(latency: "15s"));
        await mixture.UntilAsync("MetricsAvailable", seconds: 60);
        // A steady load, which is no reason to write either.
        await using var load = LoadGenerator.Open(await mixture.AddressAsync(), 0.5, n => Request(n, hit: true));
        await Task.Delay(TimeSpan.FromSeconds(60), Cancel); // Until it is known, and the phases of the cold start have been read.
        var pod = (string)(await cluster.ListAsync("pods", "-n", ClusterFixture.OperatorNamespace)).First(ClusterFixture.IsReady)["metadata"]!["name"]!;
        var metrics = new Uri(await cluster.PodAddressAsync(ClusterFixture.OperatorNamespace, pod, 8081), "/metrics");
        using var http = new HttpClient();
        var (before, writes) = (await mixture.FingerprintAsync(), Writes(await http.GetStringAsync(metrics, Cancel)));

        // Before a release: ten.
        var minutes = double.Parse(Environment.GetEnvironmentVariable("MODM_TEST_STEADY_MINUTES") ?? "2", CultureInfo.InvariantCulture);
        await Task.Delay(TimeSpan.FromMinutes(minutes), Cancel);

        Assert.Equal(before, await mixture.FingerprintAsync());
        Assert.Equal(writes, Writes(await http.GetStringAsync(metrics, Cancel)));
        Assert.Empty((await load.StopAsync()).Failures);
    }

    /// <summary>Hits ask for what has just been drawn; misses are told to be some.</summary>
    private static JsonObject Request(int n, bool hit)
    {
        var request = new JsonObject { ["prompt"] = "a red lighthouse at dawn", ["seed"] = n };
        if (!hit) request["cache"] = "refresh";
        return request;
    }

    /// <summary>Status and columns say what the Deployments and pods say.</summary>
    private Task TellsTheTruthAsync(ClusterMixture mixture) => cluster.WaitAsync(
        async () =>
        {
            var status = (await mixture.GetAsync())["status"]!;
            var shown = await cluster.KubectlAsync("get", "mm", "postcards", "-n", mixture.Namespace, "--no-headers");
            foreach (var pool in new[] { status["large"]!, status["small"]![0]! })
            {
                var name = (string)pool["name"]!;
                var pods = (await mixture.PodsAsync(name)).Where(p => p["metadata"]!["deletionTimestamp"] is null).ToList();
                if ((int)pool["desired"]! != await mixture.ReplicasAsync(name) || (int)pool["ready"]! != pods.Count(ClusterFixture.IsReady)) return false;
                if (!shown.Contains($"{pool["ready"]}/{pool["desired"]}", StringComparison.Ordinal)) return false;
            }
            return (int)status["gpus"]! == (int)status["large"]!["desired"]! + (int)status["small"]![0]!["desired"]!;
        }, 90, "status tells the truth", mixture.Namespace);

    /// <returns>The most GPUs that pods with a node ever held, and pods without one wanted.</returns>
    private static async Task<int> WatchAsync(ClusterMixture mixture, CancellationToken stop)
    {
        var most = 0;
        while (!stop.IsCancellationRequested)
        {
            most = Math.Max(most, (await mixture.PodsAsync()).Count(p => (string?)p["status"]?["phase"] is not ("Succeeded" or "Failed")));
            await Task.Delay(500, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return most;
    }

    private static DateTimeOffset? ScheduledAt(JsonNode pod) => (DateTimeOffset?)pod["status"]?["conditions"]?.AsArray()
        .FirstOrDefault(c => (string)c!["type"]! == "PodScheduled" && (string)c["status"]! == "True")?["lastTransitionTime"];

    private static List<string> Uids(IEnumerable<JsonNode> pods) => [.. pods.Select(p => (string)p["metadata"]!["uid"]!)];

    private static double Writes(string metrics) => metrics.Split('\n').Where(l => l.StartsWith(MetricNames.OperatorWrites + "{", StringComparison.Ordinal))
        .Sum(l => double.Parse(l.Split(' ')[1], CultureInfo.InvariantCulture));
}
