using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Gateway.Fleet;

namespace MoDM.Gateway.Tests;

/// <summary>A gateway in a cluster: its workers are the mixture's pods, as they come, are marked and go.</summary>
public sealed class PodFleetTests : IAsyncLifetime
{
    private TestCluster _cluster = null!;
    private FakeWorker _one = null!, _two = null!;
    private GatewayProcess _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestCluster.StartAsync();
        _one = await FakeWorker.StartAsync("postcards-large");
        _two = await FakeWorker.StartAsync("postcards-large");
        _gateway = await _cluster.GatewayAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _gateway.Kill();
        await _gateway.DisposeAsync();
        await _one.DisposeAsync();
        await _two.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Pods_serve_as_they_come_and_a_request_waits_for_the_first()
    {
        Assert.Empty((await StatusAsync())["workers"]!.AsArray());
        var waiting = DrawAsync();
        await Task.Delay(300, TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);

        _cluster.PutPod("one", _one, "Pending");
        _cluster.PutPod("other", "of-no-pool", _two.Address.Port);
        _cluster.PutPod("one", _one);

        Assert.True((await waiting).IsSuccessStatusCode);
        Assert.Single(_one.Jobs);
        Assert.Single((await StatusAsync())["workers"]!.AsArray());
    }

    [Fact]
    public async Task A_marked_pod_finishes_its_image_gets_nothing_new_and_is_then_told()
    {
        await BothReadyAsync();
        var first = await BeginAsync(_one, _two);
        var (marked, other) = _one.Jobs.Count == 1 ? (_one, _two) : (_two, _one);

        _cluster.Mark(NameOf(marked));
        await _gateway.StatusAsync(s => States(s).Contains("draining"));
        other.StepTime = TimeSpan.Zero;
        for (var i = 0; i < 3; i++)
            Assert.True((await DrawAsync()).IsSuccessStatusCode);
        Assert.Empty(marked.Drains);
        Assert.True((await first).IsSuccessStatusCode);
        await GatewayProcess.Eventually(() => Task.FromResult(marked.Drains.Count > 0));

        Assert.All(marked.Drains, inFlight => Assert.Equal(0, inFlight));
        Assert.Equal((1, 3, 0), (marked.Jobs.Count, other.Jobs.Count, marked.Refused));
        Assert.Empty(_cluster.Api.Writes);
    }

    [Fact]
    public async Task A_pod_that_is_not_marked_any_more_serves_again_before_and_after_it_was_told()
    {
        _cluster.PutPod("one", _one);
        await _gateway.StatusAsync(s => States(s) is ["ready"]);
        var drawn = await BeginAsync(_one);

        _cluster.Mark("one");
        await _gateway.StatusAsync(s => States(s) is ["draining"]);
        _cluster.Mark("one", drain: false);
        await _gateway.StatusAsync(s => States(s) is ["busy"]); // At its old place, with what it draws.
        Assert.True((await drawn).IsSuccessStatusCode);
        Assert.Empty(_one.Drains);

        _one.StepTime = TimeSpan.Zero;
        _cluster.Mark("one");
        await GatewayProcess.Eventually(() => Task.FromResult(_one.Draining));
        _cluster.Mark("one", drain: false);
        Assert.True((await DrawAsync()).IsSuccessStatusCode);
        Assert.False(_one.Draining);
    }

    [Fact]
    public async Task A_pod_that_is_being_deleted_gets_nothing_new_and_is_not_told()
    {
        await BothReadyAsync();
        var first = await BeginAsync(_one, _two);
        var (leaving, other) = _one.Jobs.Count == 1 ? (_one, _two) : (_two, _one);

        _cluster.Terminate(NameOf(leaving));
        await _gateway.StatusAsync(s => States(s).Contains("draining"));
        other.StepTime = TimeSpan.Zero;
        for (var i = 0; i < 3; i++)
            Assert.True((await DrawAsync()).IsSuccessStatusCode);
        Assert.True((await first).IsSuccessStatusCode);
        Assert.Equal((1, 3), (leaving.Jobs.Count, other.Jobs.Count));
        Assert.Empty(leaving.Drains);

        _cluster.Api.Remove(TestCluster.Pod(NameOf(leaving)));
        await _gateway.StatusAsync(s => States(s) is ["ready"]);
    }

    [Fact]
    public async Task The_pods_are_right_again_after_the_API_server_was_away_and_images_are_drawn_meanwhile()
    {
        _cluster.PutPod("one", _one);
        await _gateway.StatusAsync(s => States(s) is ["ready"]);

        var away = _cluster.Api.Inject(new FakeFault { ResetBefore = true });
        _cluster.Api.CutWatches();
        _cluster.Api.Remove(TestCluster.Pod("one"));
        _cluster.PutPod("two", _two);
        Assert.True((await DrawAsync()).IsSuccessStatusCode);
        Assert.Single(_one.Jobs);
        Assert.True(away.Times < int.MaxValue);

        _cluster.Api.Heal();
        await GatewayProcess.Eventually(async () => (await DrawAsync()).IsSuccessStatusCode && _two.Jobs.Count > 0);
        await _gateway.StatusAsync(s => States(s) is ["ready"]);
    }

    [Fact]
    public async Task While_the_only_pod_is_replaced_what_waits_keeps_waiting_and_the_gateway_stays_ready()
    {
        var first = await FakeWorker.StartAsync("postcards-large");
        _cluster.PutPod("first", first);
        Assert.True((await DrawAsync()).IsSuccessStatusCode);

        // Killed without a word: its port is closed, and its pod is still said to run.
        await first.DisposeAsync();
        var waiting = Enumerable.Range(0, 4).Select(_ => DrawAsync()).ToList();
        await Task.Delay(2000, TestContext.Current.CancellationToken);
        Assert.True((await _gateway.Http.GetAsync("/readyz", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        Assert.DoesNotContain(waiting, w => w.IsCompleted);
        _cluster.Api.Remove(TestCluster.Pod("first"));
        _cluster.PutPod("one", _one);

        Assert.All(await Task.WhenAll(waiting), r => Assert.True(r.IsSuccessStatusCode));
        Assert.Equal(4, _one.Jobs.Count);
    }

    [Fact]
    public async Task A_worker_that_drains_before_its_pod_says_so_costs_no_attempts_and_is_not_asked_without_end()
    {
        _cluster.PutPod("one", _one);
        await _gateway.StatusAsync(s => States(s) is ["ready"]);
        _one.Draining = true; // As on SIGTERM.
        _cluster.Mark("one"); // Or the gateway would take it back.
        var waiting = DrawAsync();
        await Task.Delay(2000, TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        Assert.InRange(_one.Refused, 0, 25);

        _cluster.PutPod("two", _two);
        Assert.True((await waiting).IsSuccessStatusCode);
        Assert.Single(_two.Jobs);
    }

    [Fact]
    public async Task A_real_worker_is_drained_taken_back_and_ends_without_a_failed_request()
    {
        var gateway = AppContext.BaseDirectory.Replace("MoDM.Gateway.Tests", "MoDM.Gateway", StringComparison.Ordinal);
        using var worker = new ChildServer(LocalFleet.WorkerAssembly(gateway)!,
            ["--model", Repo.Model("postcards-large"), "--name", "postcards-large", "--urls", "http://127.0.0.1:0", "--threads", "1"]);
        var address = await worker.AddressAsync(TestContext.Current.CancellationToken);
        _cluster.PutPod("real", "postcards-large", address.Port);
        Assert.True((await _gateway.GenerateAsync(new { prompt = "a red kite", num_inference_steps = 4 })).IsSuccessStatusCode);

        using var probe = new HttpClient { BaseAddress = address };
        _cluster.Mark("real");
        await GatewayProcess.Eventually(async () => !(await probe.GetAsync("/readyz", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        _cluster.Mark("real", drain: false);
        var drawn = _gateway.GenerateAsync(new { prompt = "a red kite", num_inference_steps = 60, cache = "bypass" });
        await GatewayProcess.Eventually(async () => (await probe.GetStringAsync("/metrics", TestContext.Current.CancellationToken))
            .Contains("""modm_in_flight{pool="postcards-large"} 1""", StringComparison.Ordinal));

        using (var kill = System.Diagnostics.Process.Start("kill", ["-TERM", $"{worker.Id}"]))
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        var waiting = DrawAsync();
        Assert.Equal("", await FailureAsync(await drawn));
        Assert.Equal(0, await worker.Exited);
        _cluster.Api.Remove(TestCluster.Pod("real"));
        _cluster.PutPod("one", _one);
        Assert.Equal("", await FailureAsync(await waiting));
    }

    [Fact]
    public async Task Told_to_end_it_says_so_still_takes_requests_finishes_and_keeps_what_was_cached()
    {
        _cluster.PutPod("one", _one);
        await _gateway.StatusAsync(s => States(s) is ["ready"]);
        _one.StepTime = TimeSpan.FromMilliseconds(80);
        var drawn = DrawAsync("auto");
        await GatewayProcess.Eventually(() => Task.FromResult(_one.Jobs.Count == 1));

        await _gateway.TerminateAsync();
        await GatewayProcess.Eventually(async () => !(await _gateway.Http.GetAsync("/readyz", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        var late = DrawAsync("auto");

        Assert.True((await drawn).IsSuccessStatusCode);
        Assert.True((await late).IsSuccessStatusCode);
        Assert.Equal(0, await _gateway.Exited);
        await using var next = await _cluster.GatewayAsync("--cache", _gateway.Cache);
        await next.StatusAsync(s => (int)s["cache"]!["entries"]! == 2);
        next.Kill();
    }

    private async Task BothReadyAsync()
    {
        _cluster.PutPod("one", _one);
        _cluster.PutPod("two", _two);
        await _gateway.StatusAsync(s => States(s) is ["ready", "ready"]);
    }

    /// <summary>Some seconds of drawing on one of the workers.</summary>
    private async Task<Task<HttpResponseMessage>> BeginAsync(params FakeWorker[] workers)
    {
        foreach (var worker in workers)
            worker.StepTime = TimeSpan.FromMilliseconds(60);
        var drawn = DrawAsync();
        await GatewayProcess.Eventually(() => Task.FromResult(workers.Sum(w => w.Jobs.Count) == 1));
        return drawn;
    }

    private async Task<string> FailureAsync(HttpResponseMessage response) => response.IsSuccessStatusCode
        ? "" : $"{await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}\n{_gateway.Log}";

    private string NameOf(FakeWorker worker) => worker == _one ? "one" : "two";

    private Task<HttpResponseMessage> DrawAsync(string cache = "bypass") => _gateway.GenerateAsync(new { prompt = "a red kite", cache });

    private async Task<JsonNode> StatusAsync() =>
        JsonNode.Parse(await _gateway.Http.GetStringAsync("/v1/status", TestContext.Current.CancellationToken))!;

    private static string[] States(JsonNode status) => [.. status["workers"]!.AsArray().Select(w => (string)w!["state"]!)];
}
