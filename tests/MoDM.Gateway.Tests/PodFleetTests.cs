using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Gateway.Tests;

/// <summary>A gateway in a cluster: its document and its workers come from an API server on the wire.</summary>
public sealed class PodFleetTests : IAsyncLifetime
{
    private const string Path = "/apis/modm.dev/v1alpha1/namespaces/art/modelmixtures/postcards";
    private FakeApiServer _api = null!;
    private FakeWorker _large = null!, _small = null!;
    private GatewayProcess _gateway = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeApiServer.StartAsync();
        (_large, _small) = (await FakeWorker.StartAsync("postcards-large"), await FakeWorker.StartAsync("postcards-small"));
        Apply();
        Put("large-0", _large);
        Put("small-0", _small);
        _gateway = await GatewayProcess.InClusterAsync(_api);
        await _gateway.StatusAsync(s => s["workers"]!.AsArray().Count(w => (string)w!["state"]! == "ready") == 2);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _large.DisposeAsync();
        await _small.DisposeAsync();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task Pods_serve_and_one_that_is_gone_is_not_asked_any_more()
    {
        Assert.Equal(HttpStatusCode.OK, (await DrawAsync("a red kite")).StatusCode);
        await using var second = await FakeWorker.StartAsync("postcards-large");
        Put("large-1", second);
        await _gateway.StatusAsync(s => s["workers"]!.AsArray().Count == 3);

        _api.Remove(PodPath("large-0"));
        await _gateway.StatusAsync(s => s["workers"]!.AsArray().Count == 2);
        var before = _large.Jobs.Count;
        for (var i = 0; i < 5; i++)
            Assert.Equal(HttpStatusCode.OK, (await DrawAsync($"a green kite {i}")).StatusCode);

        Assert.Equal((before, 5), (_large.Jobs.Count, second.Jobs.Count));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_pod_that_is_to_go_finishes_what_it_draws_and_gets_nothing_new(bool terminating)
    {
        // Complaints 6 and 7.
        await using var second = await FakeWorker.StartAsync("postcards-large");
        _large.StepTime = TimeSpan.FromMilliseconds(60);
        var drawing = DrawAsync("a red kite");
        await UntilAsync(() => _large.Jobs.Count == 1);
        Put("large-1", second);

        if (terminating) Put("large-0", _large, metadata => metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z");
        else _api.Patch(PodPath("large-0"), """{"metadata": {"annotations": {"modm.dev/drain": "2026-01-01T00:00:00Z"}}}""");
        await _gateway.StatusAsync(s => s["workers"]!.AsArray().Any(w => (string)w!["state"]! == "draining"));
        var others = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => DrawAsync($"a green kite {i}")));

        Assert.All(others, o => Assert.Equal(HttpStatusCode.OK, o.StatusCode));
        Assert.False(_large.Draining); // It is told when it has drawn what it had.
        Assert.Equal(HttpStatusCode.OK, (await drawing).StatusCode);
        Assert.Equal((1, 4), (_large.Jobs.Count, second.Jobs.Count));
        await UntilAsync(() => _large.Draining);
    }

    [Fact]
    public async Task A_pod_whose_mark_is_taken_away_serves_again()
    {
        _api.Patch(PodPath("large-0"), """{"metadata": {"annotations": {"modm.dev/drain": "2026-01-01T00:00:00Z"}}}""");
        await UntilAsync(() => _large.Draining);

        _api.Patch(PodPath("large-0"), """{"metadata": {"annotations": {"modm.dev/drain": null}}}""");

        Assert.Equal(HttpStatusCode.OK, (await DrawAsync("a red kite")).StatusCode);
        Assert.False(_large.Draining);
    }

    [Fact]
    public async Task Without_any_worker_it_is_ready_and_requests_wait_for_one()
    {
        _api.Remove(PodPath("large-0"));
        await _gateway.StatusAsync(s => s["workers"]!.AsArray().Count == 1);
        Assert.Equal(HttpStatusCode.OK, (await _gateway.Http.GetAsync("/readyz", Cancel)).StatusCode);
        var waiting = DrawAsync("a red kite");
        await _gateway.StatusAsync(s => (int)s["queue"]!["miss"]! == 1);

        await using var second = await FakeWorker.StartAsync("postcards-large");
        Put("large-1", second);

        Assert.Equal(HttpStatusCode.OK, (await waiting).StatusCode);
    }

    [Fact]
    public async Task A_lost_API_server_changes_nothing_and_what_happened_meanwhile_is_made_up_for()
    {
        // Complaint 29.
        await using var second = await FakeWorker.StartAsync("postcards-large");
        var cut = _api.Inject(new FakeFault { Status = 500 });
        _api.CutWatches();
        Put("large-1", second);
        _api.Remove(PodPath("large-0"));
        Assert.Equal(HttpStatusCode.OK, (await DrawAsync("a red kite")).StatusCode);
        Assert.Single(_large.Jobs);

        _api.Heal();

        await _gateway.StatusAsync(s => s["workers"]!.AsArray().Count == 2);
        await UntilAsync(async () => (await DrawAsync("a green kite")).IsSuccessStatusCode && second.Jobs.Count > 0);
        Assert.Equal(500, cut.Status);
    }

    [Fact]
    public async Task A_changed_document_is_in_force_with_the_next_request_and_a_wrong_one_is_not()
    {
        await DrawAsync("a red kite");
        Assert.Equal(50, _large.Jobs[^1].Request.NumInferenceSteps);

        Apply(s => s["steps"] = 20);
        await UntilAsync(async () => (await DrawAsync("a red kite")).IsSuccessStatusCode && _large.Jobs[^1].Request.NumInferenceSteps == 20);

        Apply(s => s["steps"] = 0);
        await UntilAsync(() => Task.FromResult(_gateway.Log.Contains("spec.steps: is 0", StringComparison.Ordinal)));
        await DrawAsync("a red kite");
        Assert.Equal(20, _large.Jobs[^1].Request.NumInferenceSteps);

        Apply(s => s["small"]![0]!["name"] = "other");
        await UntilAsync(() => Task.FromResult(_gateway.Log.Contains("its models have other names", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task SIGTERM_lets_it_finish_what_it_has_accepted()
    {
        _large.StepTime = TimeSpan.FromMilliseconds(100);
        var drawing = DrawAsync("a red kite");
        await UntilAsync(() => _large.Jobs.Count == 1);

        using (Process.Start("kill", ["-TERM", $"{_gateway.ProcessId}"])) { }
        await UntilAsync(async () => (await _gateway.Http.GetAsync("/readyz", Cancel)).StatusCode == HttpStatusCode.ServiceUnavailable);

        Assert.Equal(HttpStatusCode.OK, (await drawing).StatusCode);
        Assert.Equal(0, await _gateway.Exited);
    }

    [Theory]
    [InlineData("other", "ModelMixture other: document: is not in namespace art")]
    [InlineData("broken", "ModelMixture broken: spec.steps: is 0")]
    [InlineData("postcards --mixture here.yaml", "--mixture does not go with --resource")]
    public async Task What_it_cannot_start_with_is_refused(string resource, string why)
    {
        Apply(s => s["steps"] = 0, "broken");
        using var refused = new Fleet.ChildServer(
            System.IO.Path.Combine(AppContext.BaseDirectory.Replace("MoDM.Gateway.Tests", "MoDM.Gateway", StringComparison.Ordinal), "MoDM.Gateway.dll"),
            ["--resource", .. resource.Split(' '), "--kubeconfig", _api.Kubeconfig("art")]);

        Assert.Equal(2, await refused.Exited);
        Assert.Contains(why, refused.ErrorTail, StringComparison.Ordinal);
    }

    private Task<HttpResponseMessage> DrawAsync(string prompt) => _gateway.GenerateAsync(new { prompt, cache = "bypass" });

    private void Apply(Action<JsonNode>? change = null, string name = "postcards")
    {
        var spec = JsonNode.Parse($$"""
            {"steps": 50, "gpuBudget": 4,
             "large": {"name": "postcards-large", "model": {"path": "/models/large"}, "guidanceScale": 3, "replicas": {"min": 1, "max": 2} },
             "small": [{"name": "postcards-small", "model": {"path": "/models/small"}, "guidanceScale": 3, "replicas": {"min": 1, "max": 2} } ],
             "cache": {"embedder": {"path": "{{Repo.Model("postcards-clip")}}" }, "hits": [{"similarity": 0.5, "skip": 0.1}]},
             "slo": {"latency": "1m"} }
            """)!;
        change?.Invoke(spec);
        _api.Put(Path.Replace("postcards", name, StringComparison.Ordinal), new JsonObject
        {
            ["apiVersion"] = "modm.dev/v1alpha1",
            ["kind"] = "ModelMixture",
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "art" },
            ["spec"] = spec,
        }.ToJsonString());
    }

    private void Put(string name, FakeWorker worker, Action<JsonObject>? change = null)
    {
        var metadata = new JsonObject
        {
            ["name"] = name,
            ["namespace"] = "art",
            ["labels"] = new JsonObject { ["modm.dev/mixture"] = "postcards", ["modm.dev/role"] = "worker", ["modm.dev/pool"] = worker.Model },
        };
        change?.Invoke(metadata);
        _api.Put(PodPath(name), new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = metadata,
            ["spec"] = JsonNode.Parse($$"""{"containers": [{"name": "worker", "ports": [{"name": "http", "containerPort": {{worker.Address.Port}}}]}]}"""),
            ["status"] = new JsonObject { ["phase"] = "Running", ["podIP"] = "127.0.0.1" },
        }.ToJsonString());
    }

    private static string PodPath(string name) => $"/api/v1/namespaces/art/pods/{name}";

    private static Task UntilAsync(Func<bool> isSo) => UntilAsync(() => Task.FromResult(isSo()));

    private static Task UntilAsync(Func<Task<bool>> isSo) => GatewayProcess.Eventually(isSo);
}
