using MoDM.Fakes;

namespace MoDM.Gateway.Tests.Stories;

/// <summary>Requests for many texts: what they spend of the budget, take of the external model, and make of its failures.</summary>
public class ManyTextsTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Many_texts_at_once_overspend_the_budget_by_no_more_than_one_of_them(bool stream)
    {
        await using var gateway = await StoryGateway.StartAsync(budget: 20);
        gateway.Upstream.Answer = new UpstreamAnswer("They danced until morning.", Silence: TimeSpan.FromMilliseconds(300));
        // Each may cost 12 tokens for its prompt and 12 for its text.
        var request = new { prompt = new[] { StoryGateway.Beginning, StoryGateway.Beginning }, n = 3, max_tokens = 12, seed = 3, stream };
        var response = await gateway.PostAsync("/v1/completions", request);
        var answer = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, answer);
        Assert.Contains("mamba", answer, StringComparison.Ordinal);
        Assert.Single(gateway.Upstream.Requests);
        if (!stream) Assert.Equal("gpt has used 0 tokens today, 24 more are set aside for what it writes, and 20 are its budget", StoryGateway.Header(response, "x-modm-reason"));

        // It cost 14: what was set aside beyond that is there again.
        Assert.Equal("large", (await gateway.CompleteAsync()).Route);
        Assert.Equal("gpt has used 28 tokens today, and 20 are its budget", (await gateway.CompleteAsync()).Reason);
    }

    [Fact]
    public async Task Of_one_request_eight_texts_are_with_the_external_model_at_a_time()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer("They danced until morning.", Silence: TimeSpan.FromMilliseconds(300));
        var response = await gateway.PostAsync("/v1/completions", new { prompt = new[] { "Mia", "Ben" }, n = 10, max_tokens = 12 });
        var body = await GatewayProcess.JsonAsync(response);
        Assert.Equal((20, "large"), (body["choices"]!.AsArray().Count, StoryGateway.Header(response, "x-modm-route")));
        Assert.Equal((20, 8), (gateway.Upstream.Requests.Count, gateway.Upstream.MostAtOnce));
    }

    [Fact]
    public async Task One_failure_that_many_texts_meet_lets_the_external_model_rest_once()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer(Status: 500, Error: "oops", Silence: TimeSpan.FromMilliseconds(300));
        var response = await gateway.PostAsync("/v1/completions", new { prompt = StoryGateway.Beginning, n = 6, max_tokens = 4 });
        Assert.Equal((200, 6), ((int)response.StatusCode, gateway.Upstream.Requests.Count));
        gateway.Upstream.Answer = new UpstreamAnswer("All was well.");
        await GatewayProcess.Eventually(async () => (await gateway.CompleteAsync()).Route == "large");
    }
}
