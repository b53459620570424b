using MoDM.Fakes;

namespace MoDM.Gateway.Tests;

public sealed class OverloadTests
{
    [Fact]
    public async Task A_full_queue_is_429_with_Retry_After_and_what_was_accepted_is_drawn()
    {
        // Complaint 20.
        await using var large = await FakeWorker.StartAsync("postcards-large");
        large.StepTime = TimeSpan.FromMilliseconds(5);
        await using var gateway = await GatewayProcess.StartAsync([large], "--queue-limit", "3");

        var responses = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => gateway.GenerateAsync(new { prompt = "a red kite", seed = i, cache = "bypass" })));

        var refused = responses.Where(r => (int)r.StatusCode == 429).ToList();
        Assert.NotEmpty(refused);
        Assert.Equal(12, refused.Count + responses.Count(r => r.IsSuccessStatusCode));
        Assert.InRange(responses.Count(r => r.IsSuccessStatusCode), 4, 11);
        foreach (var response in refused)
        {
            Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
            var error = (await GatewayProcess.JsonAsync(response))["error"]!;
            Assert.Equal(("rate_limit_error", "queue_full"), ((string)error["type"]!, (string)error["code"]!));
        }
    }

    [Fact]
    public async Task What_waits_past_its_deadline_is_429_and_never_drawn()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        large.StepTime = TimeSpan.FromMilliseconds(60);
        await using var gateway = await GatewayProcess.StartAsync([large], "--mixture", await MixtureWithAsync("latency: 30s", "latency: 1s"));

        var responses = await Task.WhenAll(Enumerable.Range(0, 3).Select(i => gateway.GenerateAsync(new { prompt = "a red kite", seed = i, cache = "bypass" })));

        Assert.Single(responses, r => r.IsSuccessStatusCode);
        Assert.All(responses.Where(r => !r.IsSuccessStatusCode), r => Assert.Equal(429, (int)r.StatusCode));
        Assert.Single(large.Jobs);
    }

    [Fact]
    public async Task A_deadline_that_cannot_be_met_is_refused_on_arrival_and_met_after_Retry_After()
    {
        // Complaint 20: not after waiting for it in vain.
        await using var large = await FakeWorker.StartAsync("postcards-large");
        large.StepTime = TimeSpan.FromMilliseconds(60); // 3 s an image: two in a row are too late.
        await using var gateway = await GatewayProcess.StartAsync([large], "--mixture", await MixtureWithAsync("latency: 30s", "latency: 4s"));
        Assert.True((await DrawAsync()).IsSuccessStatusCode);
        var before = DrawAsync();
        await GatewayProcess.Eventually(() => Task.FromResult(large.Jobs.Count == 2));

        var refused = await DrawAsync();

        Assert.False(before.IsCompleted);
        Assert.Equal(429, (int)refused.StatusCode);
        var error = (await GatewayProcess.JsonAsync(refused))["error"]!;
        Assert.Equal("deadline_exceeded", (string)error["code"]!);
        Assert.Matches(@"ready in about [\d.]+ s, and the limit is [\d.]+ s\. Try again in \d+ s\.", (string)error["message"]!);
        var retryAfter = refused.Headers.RetryAfter!.Delta!.Value;
        Assert.InRange(retryAfter.TotalSeconds, 1, 10);

        await Task.Delay(retryAfter, TestContext.Current.CancellationToken);
        Assert.True((await before).IsSuccessStatusCode);
        Assert.True((await DrawAsync()).IsSuccessStatusCode);

        Task<HttpResponseMessage> DrawAsync() => gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" });
    }

    [Fact]
    public async Task Without_any_worker_the_answer_is_503_and_readiness_says_so()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        await using var gateway = await GatewayProcess.StartAsync([large], "--mixture", await MixtureWithAsync("latency: 30s", "latency: 1s"));
        large.Ready = false;
        await GatewayProcess.Eventually(async () => (int)(await gateway.Http.GetAsync("/readyz", TestContext.Current.CancellationToken)).StatusCode == 503);

        var response = await gateway.GenerateAsync(new { prompt = "a red kite" });

        Assert.Equal(503, (int)response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
    }

    internal static Task<string> MixtureWithAsync(string old, string changed) => MixtureWithAsync([(old, changed)]);

    internal static async Task<string> MixtureWithAsync(params (string Old, string Changed)[] changes)
    {
        var source = Path.Combine(Repo.Root, "gateway", "postcards.yaml");
        var text = await File.ReadAllTextAsync(source);
        foreach (var (old, changed) in changes)
        {
            Assert.Contains(old, text, StringComparison.Ordinal);
            text = text.Replace(old, changed, StringComparison.Ordinal);
        }
        var file = Path.Combine(TempFolder.New(), "mixture.yaml");
        await File.WriteAllTextAsync(file, text.Replace("../models", Path.Combine(Repo.Root, "models"), StringComparison.Ordinal));
        return file;
    }
}
