using System.ClientModel;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using OpenAI;
using OpenAI.Chat;

namespace MoDM.Gateway.Tests.Stories;

/// <summary>The official client against the gateway, and the gateway against another one as its external model.</summary>
public class StoryClientTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_official_client_chats_and_streams_with_the_mixture_and_each_member()
    {
        await using var gateway = await StoryGateway.StartAsync();
        var client = new OpenAIClient(new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = new Uri(gateway.Http.BaseAddress!, "/v1") });
        foreach (var (model, text) in new[] { ("endings", "They danced until morning."), ("gpt", "They danced until morning."), ("mamba", null) })
        {
            var chat = client.GetChatClient(model);
#pragma warning disable OPENAI001 // The seed is marked as experimental in the client.
            var options = new ChatCompletionOptions { MaxOutputTokenCount = 16, Temperature = 0, Seed = 1 };
#pragma warning restore OPENAI001
            var whole = (await chat.CompleteChatAsync([new UserChatMessage(StoryGateway.Beginning)], options, Cancel)).Value;
            Assert.Equal(text ?? whole.Content[0].Text, whole.Content[0].Text);
            Assert.NotEmpty(whole.Content[0].Text);
            Assert.True(whole.Usage.InputTokenCount > 0 && whole.Usage.OutputTokenCount > 0);

            var streamed = "";
            ChatFinishReason? end = null;
            await foreach (var update in chat.CompleteChatStreamingAsync([new UserChatMessage(StoryGateway.Beginning)], options, Cancel))
            {
                streamed += string.Concat(update.ContentUpdate.Select(c => c.Text));
                end = update.FinishReason ?? end;
            }
            Assert.Equal(whole.Content[0].Text, streamed);
            Assert.Equal(whole.FinishReason, end);
        }
        var unknown = await Assert.ThrowsAsync<ClientResultException>(() => client.GetChatClient("gpt-9").CompleteChatAsync([new UserChatMessage("x")], cancellationToken: Cancel));
        Assert.Equal(404, unknown.Status);
        Assert.Equal(["endings", "gpt", "mamba"], (await client.GetOpenAIModelClient().GetModelsAsync(Cancel)).Value.Select(m => m.Id));
    }

    [Fact]
    public async Task Another_gateway_can_be_the_external_model_and_when_it_is_killed_the_text_is_written_here()
    {
        await using var upstream = await StoryGateway.StartAsync();
        await using var gateway = await StoryGateway.StartAsync(baseUrl: $"{upstream.Http.BaseAddress}v1", model: "mamba", api: "Completions");
        var here = await gateway.CompleteAsync("mamba");
        var there = await gateway.CompleteAsync("gpt");
        Assert.Equal(("large", here.Text), (there.Route, there.Text)); // The same model, prompt and seed.

        // Killed while the request is on its way: it comes to a process that stands still.
        await upstream.Process.PauseAsync();
        var writing = gateway.PostAsync("/v1/completions", new { prompt = StoryGateway.Beginning, max_tokens = 2000, seed = 4, stop = "never", stream = true });
        await Task.Delay(200, TestContext.Current.CancellationToken);
        upstream.Process.Kill();
        var response = await writing;
        var (events, raw) = await StoryGateway.StreamAsync(response);
        Assert.EndsWith("data: [DONE]\n\n", raw, StringComparison.Ordinal);
        Assert.NotEmpty(string.Concat(events.Select(e => (string)e["choices"]![0]!["text"]!)));
        Assert.Equal("mamba", (string)events[^1]["model"]!);
        Assert.Equal("fallback", (await gateway.CompleteAsync()).Route);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task An_ending_has_as_many_whole_sentences_as_were_asked_for(int sentences)
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer(" One came. \"Two!\" cried Mr. Fox. Three left. Four was cut of");
        var whole = await GatewayProcess.JsonAsync(await gateway.PostAsync("/v1/stories/endings", new { prompt = StoryGateway.Beginning, sentences }));
        Assert.Equal(sentences == 1 ? "One came." : "One came. \"Two!\" cried Mr. Fox. Three left.", (string)whole["ending"]!);
        Assert.Equal(("gpt", sentences, "stop", "large"), ((string)whole["model"]!, (int)whole["sentences"]!, (string)whole["finish_reason"]!, (string)whole["modm"]!["route"]!));
        Assert.Contains(sentences == 1 ? "exactly one sentence" : "exactly 3 sentences", (string)gateway.Upstream.Requests[0].Body["messages"]![0]!["content"]!, StringComparison.Ordinal);

        var response = await gateway.PostAsync("/v1/stories/endings", new { prompt = StoryGateway.Beginning, sentences, stream = true });
        var (events, _) = await StoryGateway.StreamAsync(response);
        Assert.Equal((string)whole["ending"]!, string.Concat(events.Where(e => (string)e["type"]! == "story.ending.delta").Select(e => (string)e["delta"]!)));
        Assert.Equal((string)whole["ending"]!, (string)events.Single(e => (string)e["type"]! == "story.ending.completed")["ending"]!);
    }

    [Fact]
    public async Task An_ending_that_breaks_off_within_a_sentence_is_written_on_to_whole_ones()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer("They danced. And then the mo", Words: 6);
        var body = await GatewayProcess.JsonAsync(await gateway.PostAsync("/v1/stories/endings", new { prompt = StoryGateway.Beginning, sentences = 10 }));
        Assert.Matches("[.!?…\"”]$", (string)body["ending"]!);
        Assert.StartsWith("They danced.", (string)body["ending"]!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"prompt\": \"\"}", "prompt: is missing or empty")]
    [InlineData("{\"prompt\": 5}", "prompt: 5 is not a string")]
    [InlineData("{\"prompt\": \"a\\u0007\"}", "prompt: has the control character U+0007 at position 1")]
    [InlineData("{\"prompt\": \"x\", \"sentences\": 11}", "sentences: 11 is not a whole number from 1 to 10")]
    [InlineData("{\"prompt\": \"x\", \"sentences\": \"two\"}", "sentences: \"two\" is not a whole number from 1 to 10")]
    [InlineData("{\"prompt\": \"x\", \"tenant\": \"y\"}", "tenant: is not a field of this endpoint")]
    [InlineData("{\"prompt\": \"x\", \"illustrate\": true}", "illustrate: cannot be done: no image mixture is named; set spec.illustrator.url")]
    [InlineData("[]", "body: is a JSON array")]
    public async Task What_is_wrong_with_a_request_is_named(string body, string problem)
    {
        await using var gateway = await Shared();
        var response = await gateway.Http.PostAsync("/v1/stories/endings", new StringContent(body, null, "application/json"), Cancel);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains(problem, (string)(await GatewayProcess.JsonAsync(response))["error"]!["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_that_is_too_long_is_refused_with_the_limit()
    {
        await using var gateway = await Shared();
        foreach (var path in new[] { "/v1/stories/endings", "/v1/completions" })
        {
            var characters = await gateway.PostAsync(path, new { prompt = new string('a', 100_001) });
            Assert.Equal((400, "prompt: has 100001 characters; at most 100000 are taken."), ((int)characters.StatusCode, await MessageAsync(characters)));
            var tokens = await gateway.PostAsync(path, new { model = "mamba", prompt = string.Concat(Enumerable.Repeat("a ", 20_000)) });
            Assert.Equal((400, "prompt: has 20000 tokens; at most 8192 are read."), ((int)tokens.StatusCode, await MessageAsync(tokens)));
        }
    }

    [Fact]
    public async Task Its_page_is_the_writing_place_and_its_status_counts_texts_and_tells_of_the_external_model()
    {
        await using var gateway = await Shared();
        var page = await gateway.Http.GetAsync("/", Cancel);
        Assert.Equal("/stories/", page.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.Contains("<h1>MoDM stories</h1>", await page.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);

        await gateway.CompleteAsync();
        await gateway.CompleteAsync("mamba");
        var status = JsonNode.Parse(await gateway.Http.GetStringAsync("/v1/status", Cancel))!;
        Assert.Equal((2, "gpt", "large", 14, true),
            ((int)status["requests"]!["total"]!, (string)status["external"]!["model"]!, (string)status["external"]!["route"]!, (int)status["external"]!["tokens_today"]!, (bool)status["stories"]!));
        Assert.NotNull(JsonNode.Parse(await gateway.Http.GetStringAsync("/openapi/v1.json", Cancel))!["paths"]!["/v1/stories/endings"]);
    }

    private static async Task<string> MessageAsync(HttpResponseMessage response) => (string)(await GatewayProcess.JsonAsync(response))["error"]!["message"]!;

    private static Task<StoryGateway> Shared() => StoryGateway.StartAsync();
}
