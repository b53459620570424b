using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using MoDM.Cluster;
using MoDM.Fakes;
using MoDM.Gateway.Scheduling;

namespace MoDM.Gateway.Tests;

/// <summary>The mixture as it comes from the API server, at the start and while the gateway runs.</summary>
public sealed class ClusterMixtureTests
{
    [Fact]
    public async Task A_change_of_the_document_is_seen_by_the_next_request_and_mistakes_are_not()
    {
        await using var cluster = await TestCluster.StartAsync(s => s["steps"] = 40);
        await using var large = await FakeWorker.StartAsync("postcards-large");
        cluster.PutPod("one", large);
        await using var gateway = await cluster.GatewayAsync();
        Assert.Equal((40, 3.0), await DrawnAsync());

        cluster.PutMixture(s => (s["steps"], s["large"]!["guidanceScale"], s["cache"]!["capacity"]) = (20, 2.5, 77));
        await gateway.StatusAsync(s => (int)s["steps"]! == 20);
        Assert.Equal((20, 2.5), await DrawnAsync());
        await gateway.StatusAsync(s => (int)s["cache"]!["capacity"]! == 77);

        // Invalid, of other pools, with another embedder: served as it was. Then a good one again.
        cluster.PutMixture(s => s["steps"] = "many");
        await SaidAsync(gateway, "it has mistakes: spec.steps");
        cluster.PutMixture(s => (s["steps"], s["large"]!["name"]) = (30, "another"));
        await SaidAsync(gateway, "its pools are another, postcards-small");
        cluster.PutMixture(s => (s["steps"], s["cache"]!["embedder"]!["path"]) = (30, "/elsewhere"));
        await SaidAsync(gateway, "its embedder is /elsewhere");
        Assert.Equal((20, 2.5), await DrawnAsync());
        cluster.PutMixture(s => s["slo"]!["latency"] = "7s");
        await gateway.StatusAsync(s => (int)s["steps"]! == 50);
        gateway.Kill();

        async Task<(int?, double?)> DrawnAsync()
        {
            var response = await gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" });
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            return (large.Jobs[^1].Request.NumInferenceSteps, large.Jobs[^1].Request.GuidanceScale);
        }
    }

    [Fact]
    public async Task What_was_accepted_last_is_served_rather_than_what_stands_in_the_spec()
    {
        await using var cluster = await TestCluster.StartAsync();
        cluster.PutMixture(TestCluster.Spec(s => s["steps"] = "many"), accepted: TestCluster.Spec(s => s["steps"] = 33));
        await using var gateway = await cluster.GatewayAsync();

        await gateway.StatusAsync(s => (int)s["steps"]! == 33);
        gateway.Kill();
    }

    [Fact]
    public async Task A_request_without_any_worker_waits_as_long_as_it_may_and_is_then_told_when_to_come_back()
    {
        await using var cluster = await TestCluster.StartAsync(s => s["slo"]!["latency"] = "2s");
        await using var gateway = await cluster.GatewayAsync("--queue-limit", "2");

        var started = System.Diagnostics.Stopwatch.StartNew();
        var responses = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => gateway.GenerateAsync(new { prompt = "a red kite" })));

        Assert.InRange(started.Elapsed.TotalSeconds, 1.9, 20);
        Assert.Equal([429, 429, 429, 503, 503], responses.Select(r => (int)r.StatusCode).Order());
        Assert.All(responses, r => Assert.NotNull(r.Headers.RetryAfter));
        gateway.Kill();
    }

    [Fact]
    public async Task A_start_without_the_resource_or_with_mistakes_ends_with_code_2_and_all_of_them()
    {
        await using var cluster = await TestCluster.StartAsync(s =>
        {
            s["steps"] = "none";
            s["surprise"] = 1;
        });
        var kubeconfig = cluster.Api.Kubeconfig("art");

        var (code, said) = await StartTests.RunAsync("--resource", "postcards", "--kubeconfig", kubeconfig);
        Assert.Equal(2, code);
        Assert.All(["ModelMixture postcards: spec.steps: is \"none\"", "spec.surprise: is not a field here"], s => Assert.Contains(s, said, StringComparison.Ordinal));

        (code, said) = await StartTests.RunAsync("--resource", "nobody", "--kubeconfig", kubeconfig);
        Assert.Equal(2, code);
        Assert.Contains("There is no ModelMixture nobody in the namespace art", said, StringComparison.Ordinal);

        cluster.PutMixture(s => s["cache"]!["embedder"]!["path"] = "/nowhere");
        (code, said) = await StartTests.RunAsync("--resource", "postcards", "--kubeconfig", kubeconfig);
        Assert.Equal(2, code);
        Assert.Contains("spec.cache.embedder.path: is /nowhere", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_that_do_not_go_together_are_refused_with_what_would()
    {
        var (code, said) = await StartTests.RunAsync("--resource", "x", "--mixture", "y", "--worker", "a=http://localhost:1", "--kubeconfig", "/no/such/file");
        Assert.Equal(2, code);
        Assert.All(["--resource and --mixture both", "--worker goes with --mixture", "--kubeconfig is /no/such/file"], s => Assert.Contains(s, said, StringComparison.Ordinal));

        (code, said) = await StartTests.RunAsync("--kubeconfig", "/no/such/file");
        Assert.Equal(2, code);
        Assert.Contains("--kubeconfig goes with --resource", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_API_server_that_is_away_for_a_moment_is_waited_for_and_one_that_stays_away_is_exit_code_1()
    {
        await using var cluster = await TestCluster.StartAsync();
        using var api = ApiServer.Connect(cluster.Api.Kubeconfig("art"));
        var resource = new ClusterResource(api, "postcards");
        cluster.Api.Inject(new FakeFault { Status = 503, Times = 1 });
        var (mixture, _, code) = await ClusterMixture.ReadAsync(resource, TimeSpan.FromMinutes(1), TimeProvider.System);
        Assert.Equal(("postcards", 0), (mixture?.Name, code));

        cluster.Api.Inject(new FakeFault { Status = 403 });
        (mixture, var problems, code) = await ClusterMixture.ReadAsync(resource, TimeSpan.FromSeconds(2), TimeProvider.System);
        Assert.Equal((null, 1), (mixture, code));
        Assert.Contains("needs get, list and watch", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gateway_that_stops_has_the_time_of_the_SLO_in_force()
    {
        await using var cluster = await TestCluster.StartAsync();
        using var api = ApiServer.Connect(cluster.Api.Kubeconfig("art"));
        var (resource, host) = (new ClusterResource(api, "postcards"), Options.Create(new HostOptions()));
        var (mixture, _, _) = await ClusterMixture.ReadAsync(resource, TimeSpan.FromMinutes(1), TimeProvider.System);
        using var watch = new MixtureWatch(
            resource, new CurrentMixture(mixture!), new LoadMeter(mixture!.Spec, TimeProvider.System), host, TimeProvider.System, NullLogger<MixtureWatch>.Instance);
        await watch.StartAsync(TestContext.Current.CancellationToken);
        await GatewayProcess.Eventually(() => Task.FromResult(host.Value.ShutdownTimeout == TimeSpan.FromSeconds(50)));

        cluster.PutMixture(s => s["slo"]!["latency"] = "5m");

        await GatewayProcess.Eventually(() => Task.FromResult(host.Value.ShutdownTimeout == TimeSpan.FromSeconds(320)));
        await watch.StopAsync(TestContext.Current.CancellationToken);
    }

    private static Task SaidAsync(GatewayProcess gateway, string text) =>
        GatewayProcess.Eventually(() => Task.FromResult(gateway.Log.Contains(text, StringComparison.Ordinal)));
}
