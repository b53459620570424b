using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Gateway.Tests;

/// <summary>What is given up while the workers are not enough, on the wire. The planner decides every 5 s at these SLOs.</summary>
public sealed class DegradeTests : IAsyncLifetime
{
    private FakeWorker _large = null!, _small = null!;

    public async ValueTask InitializeAsync()
    {
        _large = await FakeWorker.StartAsync("postcards-large");
        _large.StepTime = TimeSpan.FromMilliseconds(20);
        _small = await FakeWorker.StartAsync("postcards-small");
    }

    public async ValueTask DisposeAsync()
    {
        await _large.DisposeAsync();
        await _small.DisposeAsync();
    }

    [Fact]
    public async Task Small_workers_draw_misses_under_overload_say_so_and_stop_when_it_is_over()
    {
        _small.StepTime = TimeSpan.FromMilliseconds(2);
        await using var gateway = await StartAsync(("latency: 30s", "latency: 3s"), ("degrade: HigherSkip", "degrade: SmallForMisses"));
        var calm = await gateway.GenerateAsync(Miss(0));
        Assert.False(calm.Headers.Contains("x-modm-degraded"));
        Assert.Equal("none", (string)(await PlanAsync(gateway))["degraded"]!);

        var responses = await LoadUntilAsync(gateway, Miss, () => _small.Jobs.Count > 0);

        Assert.All(responses, r => Assert.True(r.IsSuccessStatusCode || (int)r.StatusCode == 429));
        Assert.NotEqual("none", (string)(await PlanAsync(gateway))["degraded"]!);
        JsonNode? bySmall = null;
        foreach (var response in responses.Where(r => r.IsSuccessStatusCode))
        {
            var story = (await GatewayProcess.JsonAsync(response))["modm"]!;
            if ((string)story["images"]![0]!["model"]! != "postcards-small") continue;
            bySmall = story;
            Assert.Equal(("small-for-misses", "small-for-misses"), (Header(response, "x-modm-degraded"), (string)story["degraded"]!));
        }
        Assert.Equal(("miss", 0), ((string)bySmall!["route"]!, (int)bySmall["skipped_steps"]!));
        Assert.EndsWith("; postcards-small drew it under this load", (string)bySmall["reason"]!, StringComparison.Ordinal);

        await BackToNoneAsync(gateway);
        Assert.False((await gateway.GenerateAsync(Miss(1))).Headers.Contains("x-modm-degraded"));
    }

    [Fact]
    public async Task Hits_skip_more_steps_under_overload()
    {
        _small.StepTime = TimeSpan.FromMilliseconds(20);
        // Whatever the fake workers draw is similar enough to skip a little.
        await using var gateway = await StartAsync(("latency: 30s", "latency: 3s"), ("similarity: 0.519", "similarity: -0.9"));
        await gateway.GenerateAsync(new { prompt = "a red kite", seed = 1 });
        await gateway.StatusAsync(s => (int)s["cache"]!["entries"]! == 1);
        Assert.Equal("hit", Header(await gateway.GenerateAsync(Hit(0)), "x-modm-route"));
        var usual = Assert.Single(_small.Jobs).Request.SkipSteps!.Value;

        var responses = await LoadUntilAsync(gateway, Hit, () => _small.Jobs.Any(j => j.Request.SkipSteps > usual));

        Assert.All(responses, r => Assert.True(r.IsSuccessStatusCode || (int)r.StatusCode == 429));
        var raised = responses.First(r => r.IsSuccessStatusCode && int.Parse(Header(r, "x-modm-skipped-steps")!, null) > usual);
        Assert.Contains(Header(raised, "x-modm-degraded"), new[] { "higher-skip", "small-for-misses" });
        Assert.Contains("more than usual under this load", (string)(await GatewayProcess.JsonAsync(raised))["modm"]!["reason"]!, StringComparison.Ordinal);
    }

    private Task<GatewayProcess> StartAsync(params (string, string)[] changes) => StartAsync(OverloadTests.MixtureWithAsync(changes));

    private async Task<GatewayProcess> StartAsync(Task<string> mixture)
    {
        var gateway = await GatewayProcess.StartAsync([_large, _small], "--mixture", await mixture);
        await gateway.StatusAsync(s => s["workers"]!.AsArray().All(w => (string)w!["state"]! == "ready"));
        return gateway;
    }

    private static object Miss(int seed) => new { prompt = "a red kite", seed, cache = "bypass" };

    private static object Hit(int seed) => new { prompt = "a red kite", seed };

    /// <summary>More than two workers can draw, until it is so; the rest is refused.</summary>
    private static async Task<HttpResponseMessage[]> LoadUntilAsync(GatewayProcess gateway, Func<int, object> request, Func<bool> isSo)
    {
        var responses = new List<Task<HttpResponseMessage>>();
        await GatewayProcess.Eventually(async () =>
        {
            responses.Add(gateway.GenerateAsync(request(responses.Count)));
            await Task.Yield();
            return isSo();
        });
        return await Task.WhenAll(responses);
    }

    private static async Task BackToNoneAsync(GatewayProcess gateway)
    {
        for (var i = 0; i < 60; i++)
        {
            if ((string)(await PlanAsync(gateway))["degraded"]! == "none") return;
            await Task.Delay(2000, TestContext.Current.CancellationToken);
        }
        Assert.Fail("The step is still in force after two minutes without load.");
    }

    private static async Task<JsonNode> PlanAsync(GatewayProcess gateway) =>
        JsonNode.Parse(await gateway.Http.GetStringAsync("/v1/status", TestContext.Current.CancellationToken))!["plan"]!;

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.Single() : null;
}
