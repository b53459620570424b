using System.Net;
using System.Text.Json;
using MoDM.Fakes;

namespace MoDM.Worker.Tests.Stories;

/// <summary>Completions and chats over HTTP, on the demo model.</summary>
public sealed class StoriesApiTests(StoryWorker stories) : IClassFixture<StoryWorker>
{
    private static readonly JsonElement Golden0 = Golden.Json("stories/generation.json").GetProperty("cases")[0];
    private static readonly string Prompt = Golden0.GetProperty("prompt").GetString()!;
    private static readonly string Ending = Golden0.GetProperty("greedy_text").GetString()!;

    private readonly WorkerProcess _worker = stories.Worker;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_completion_is_answered_as_OpenAI_does()
    {
        var response = await Complete(new { model = "postcards-mamba", prompt = Prompt, temperature = 0, seed = 3, user = "u" });
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("postcards-mamba", Assert.Single(response.Headers.GetValues("x-modm-model")));
        Assert.Equal("3", Assert.Single(response.Headers.GetValues("x-modm-seed")));
        var body = await WorkerProcess.BodyAsync(response);
        Assert.Equal(["id", "object", "created", "model", "choices", "usage"], Names(body));
        Assert.StartsWith("cmpl-", body.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("text_completion", body.GetProperty("object").GetString());
        var choice = Assert.Single(body.GetProperty("choices").EnumerateArray());
        Assert.Equal(
            $$"""{"text":{{JsonSerializer.Serialize(Ending)}},"index":0,"finish_reason":"stop","logprobs":null}""", choice.GetRawText());
        Assert.Equal("""{"prompt_tokens":38,"completion_tokens":24,"total_tokens":62}""", body.GetProperty("usage").GetRawText());
    }

    [Fact]
    public async Task A_chat_is_answered_as_OpenAI_does_and_says_that_system_messages_are_ignored()
    {
        var cut = Prompt.IndexOf(" She packed", StringComparison.Ordinal);
        var response = await _worker.PostAsync("/v1/chat/completions", new
        {
            messages = new[]
            {
                new { role = "system", content = "Write in verse." },
                new { role = "user", content = Prompt[..cut] },
                new { role = "user", content = Prompt[(cut + 1)..] },
            },
            temperature = 0,
            max_completion_tokens = 5,
        }, Cancel);
        Assert.Equal("system messages", Assert.Single(response.Headers.GetValues("x-modm-ignored")));
        var body = await WorkerProcess.BodyAsync(response);
        Assert.StartsWith("chatcmpl-", body.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("chat.completion", body.GetProperty("object").GetString());
        Assert.Equal(
            """[{"index":0,"message":{"role":"assistant","content":"Molly mixed more blue paint"},"finish_reason":"length","logprobs":null}]""",
            body.GetProperty("choices").GetRawText());
        Assert.Equal(5, body.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task A_streamed_completion_is_the_same_text_in_pieces_and_ends_with_done()
    {
        var response = await Complete(new
        {
            prompt = Prompt,
            temperature = 0,
            stream = true,
            stream_options = new { include_usage = true },
        });
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var lines = await Lines(response);
        Assert.Equal("[DONE]", lines[^1]);
        var chunks = lines[..^1].Select(Parse).ToList();
        Assert.Single(chunks.Select(c => c.GetProperty("id").GetString()).Distinct());
        Assert.All(chunks, c => Assert.Equal(["id", "object", "created", "model", "choices", "usage"], Names(c)));
        Assert.Equal(Ending, string.Concat(chunks[..^1].Select(c => c.GetProperty("choices")[0].GetProperty("text").GetString())));
        Assert.All(chunks[..^2], c => Assert.Equal(JsonValueKind.Null, c.GetProperty("choices")[0].GetProperty("finish_reason").ValueKind));
        Assert.All(chunks[..^1], c => Assert.Equal(JsonValueKind.Null, c.GetProperty("usage").ValueKind));
        Assert.Equal("stop", chunks[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(0, chunks[^1].GetProperty("choices").GetArrayLength());
        Assert.Equal(62, chunks[^1].GetProperty("usage").GetProperty("total_tokens").GetInt32());
    }

    [Fact]
    public async Task A_streamed_chat_begins_with_the_role_and_ends_with_an_empty_delta()
    {
        var response = await _worker.PostAsync("/v1/chat/completions", new
        {
            messages = new[] { new { role = "user", content = Prompt } },
            temperature = 0,
            n = 2,
            stream = true,
        }, Cancel);
        Assert.False(response.Headers.Contains("x-modm-ignored"));
        var lines = await Lines(response);
        Assert.Equal("[DONE]", lines[^1]);
        var chunks = lines[..^1].Select(Parse).ToList();
        Assert.All(chunks, c => Assert.Equal("chat.completion.chunk", c.GetProperty("object").GetString()));
        Assert.All(chunks, c => Assert.Equal(["id", "object", "created", "model", "choices"], Names(c)));
        for (var index = 0; index < 2; index++)
        {
            var own = chunks.Select(c => c.GetProperty("choices")[0]).Where(c => c.GetProperty("index").GetInt32() == index).ToList();
            Assert.Equal($$"""{"index":{{index}},"delta":{"role":"assistant","content":""},"finish_reason":null,"logprobs":null}""", own[0].GetRawText());
            Assert.Equal($$"""{"index":{{index}},"delta":{},"finish_reason":"stop","logprobs":null}""", own[^1].GetRawText());
            Assert.Equal(Ending.TrimStart(), string.Concat(own[1..^1].Select(c => c.GetProperty("delta").GetProperty("content").GetString())));
        }
    }

    [Fact]
    public async Task Several_texts_of_several_prompts_are_numbered_and_are_those_of_requests_with_the_seeds_after_it()
    {
        var body = await WorkerProcess.BodyAsync(await Complete(new { prompt = new[] { Prompt, "Tom had a kite." }, n = 3, seed = 10, max_tokens = 12, temperature = 1.5 }));
        var choices = body.GetProperty("choices").EnumerateArray().ToList();
        Assert.Equal([0, 1, 2, 3, 4, 5], choices.Select(c => c.GetProperty("index").GetInt32()));
        Assert.Equal(6, Texts(body).Distinct().Count());
        for (var i = 0; i < 6; i++)
        {
            var alone = await WorkerProcess.BodyAsync(await Complete(new { prompt = i < 3 ? Prompt : "Tom had a kite.", seed = 10 + i, max_tokens = 12, temperature = 1.5 }));
            Assert.Equal(Texts(body)[i], Texts(alone)[0]);
        }
        Assert.InRange(body.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), 40, 60);
    }

    // Complaint row 18: every accepted option changes the result.
    [Theory]
    [InlineData("temperature", 0.1)]
    [InlineData("top_p", 0.01)]
    [InlineData("top_k", 1)]
    [InlineData("seed", 2)]
    [InlineData("max_tokens", 3)]
    [InlineData("stop", " ")]
    [InlineData("echo", true)]
    [InlineData("frequency_penalty", 2)]
    [InlineData("presence_penalty", 2)]
    [InlineData("repetition_penalty", 3)]
    public async Task Every_option_changes_the_text(string field, object value)
    {
        var usual = new Dictionary<string, object> { ["prompt"] = Prompt, ["seed"] = 1, ["temperature"] = 1.2 };
        var before = Texts(await WorkerProcess.BodyAsync(await Complete(usual)))[0];
        var after = Texts(await WorkerProcess.BodyAsync(await Complete(new Dictionary<string, object>(usual) { [field] = value })))[0];
        Assert.NotEqual(before, after);
        Assert.Equal(before, Texts(await WorkerProcess.BodyAsync(await Complete(usual)))[0]);
    }

    [Fact]
    public async Task A_stop_string_ends_a_stream_without_any_of_it_being_shown()
    {
        var lines = await Lines(await Complete(new { prompt = Prompt + "  ", temperature = 0, stream = true, echo = true, stop = new[] { "t with the", "\n" } }));
        var texts = lines[..^1].Select(l => Parse(l).GetProperty("choices")[0].GetProperty("text").GetString()).ToList();
        // The prompt as it came, and its own blank instead of the model's.
        Assert.Equal(Prompt + "  ", texts[0]);
        Assert.Equal("Molly mixed more blue pain", string.Concat(texts[1..]));
    }

    [Theory]
    [InlineData("""{"prompt": "a", "model": "gpt"}""", 404, "postcards-mamba")]
    [InlineData("""{"prompt": "a", "logprobs": 1, "n": 99}""", 400, "logprobs")]
    [InlineData("""{"prompt": "a", "logprobs": 1, "n": 99}""", 400, "n: 99")]
    [InlineData("""{"prompt": ""}""", 400, "prompt")]
    [InlineData("""{"prompt": "a"}x""", 400, "body")]
    public async Task Wrong_requests_are_refused_by_what_is_wrong(string body, int status, string named) =>
        await GenerationTests.Refused(await _worker.PostAsync("/v1/completions", body, Cancel), status, named);

    [Fact]
    public async Task A_prompt_of_more_tokens_than_are_read_is_refused_with_both_numbers()
    {
        var longer = string.Join(' ', Enumerable.Repeat("kite", 501));
        await GenerationTests.Refused(await Complete(new { prompt = longer }), 400, "has 501 tokens; at most 500");
        await GenerationTests.Refused(await Complete(new { prompt = new[] { "a", longer } }), 400, "prompt[1]: has 501");
        var chat = await _worker.PostAsync("/v1/chat/completions", new { messages = new[] { new { role = "user", content = longer } } }, Cancel);
        await GenerationTests.Refused(chat, 400, "messages: has 501");
        Assert.Equal(HttpStatusCode.OK, (await Complete(new { prompt = longer[5..], max_tokens = 1 })).StatusCode);
    }

    [Fact]
    public async Task What_there_is_is_told_to_whoever_asks_for_something_else()
    {
        await GenerationTests.Refused(await _worker.GenerateAsync(new { prompt = "a" }), 404, "/v1/chat/completions");
        using var text = new StringContent("a");
        await GenerationTests.Refused(await _worker.Http.PostAsync("/v1/completions", text, Cancel), 415, "send application/json.");
    }

    [Fact]
    public async Task Its_state_and_metrics_are_told()
    {
        await Complete(new { prompt = Prompt, max_tokens = 4 });
        var status = await WorkerProcess.BodyAsync(await _worker.Http.GetAsync("/readyz", Cancel));
        Assert.Equal(("ready", "postcards-mamba", 16), (status.GetProperty("phase").GetString(), status.GetProperty("model").GetString(), status.GetProperty("capacity").GetInt32()));
        Assert.False(status.TryGetProperty("sizes", out _));
        var metrics = await _worker.Http.GetStringAsync("/metrics", Cancel);
        Assert.All(
            ["modm_tokens_total{model=\"postcards-mamba\",kind=\"prompt\"}", "modm_decode_seconds_count{model=\"postcards-mamba\"}",
             "modm_model_load_seconds{phase=\"load\"}", "modm_in_flight{pool=\"postcards-mamba\"}", "modm_queue_length{queue=\"postcards-mamba\"}"],
            name => Assert.Contains(name, metrics, StringComparison.Ordinal));
        Assert.DoesNotContain("modm_step_seconds", metrics, StringComparison.Ordinal);
    }

    private Task<HttpResponseMessage> Complete(object body) => _worker.PostAsync("/v1/completions", body, Cancel);

    private static List<string> Texts(JsonElement body) => [.. body.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("text").GetString()!)];

    private static IEnumerable<string> Names(JsonElement body) => body.EnumerateObject().Select(p => p.Name);

    private static async Task<List<string>> Lines(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.EndsWith("\n\n", text, StringComparison.Ordinal);
        var events = text.Split("\n\n")[..^1];
        Assert.All(events, e => Assert.StartsWith("data: ", e, StringComparison.Ordinal));
        return [.. events.Select(e => e[6..])];
    }

    private static JsonElement Parse(string text) => JsonDocument.Parse(text).RootElement;
}
