using System.Diagnostics;
using MoDM.Fakes;

namespace MoDM.Gateway.Tests.Stories;

/// <summary>The external model first, and one of ours whenever that one cannot, in time and with the reason.</summary>
public class FallbackTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_mixture_prefers_the_external_model_and_sends_it_the_key_and_the_request()
    {
        await using var gateway = await StoryGateway.StartAsync();
        var (text, route, model, _) = await gateway.CompleteAsync();
        Assert.Equal(("They danced until morning.", "large", "gpt"), (text, route, model));

        var asked = Assert.Single(gateway.Upstream.Requests);
        Assert.Equal(("/v1/chat/completions", $"Bearer {StoryGateway.Key}"), (asked.Path, asked.Authorization));
        Assert.Equal(("gpt-x", 12, 3), ((string)asked.Body["model"]!, (int)asked.Body["max_tokens"]!, (int)asked.Body["seed"]!));
        Assert.Equal(StoryGateway.Beginning, (string)asked.Body["messages"]!.AsArray().Last()!["content"]!);
    }

    [Fact]
    public async Task A_model_with_the_completions_API_gets_the_prompt_as_it_is()
    {
        await using var gateway = await StoryGateway.StartAsync(api: "Completions");
        Assert.Equal("large", (await gateway.CompleteAsync()).Route);
        var asked = Assert.Single(gateway.Upstream.Requests);
        Assert.Equal(("/v1/completions", StoryGateway.Beginning), (asked.Path, (string)asked.Body["prompt"]!));
    }

    public static TheoryData<string, UpstreamAnswer, string> Failures => new()
    {
        { "401", new(Status: 401, Error: "Incorrect API key provided"), "gpt answered 401: some_code" },
        { "429", new(Status: 429, Error: "quota", RetryAfter: 20), "gpt answered 429: some_code" },
        { "500", new(Status: 500, Error: "oops"), "gpt answered 500: oops" },
        { "503 with a page", new(Status: 503, Raw: "<html>"), "gpt answered 503" },
        { "timeout", new("late", Silence: TimeSpan.FromSeconds(30)), "gpt said nothing for 2 s" },
        { "cut off", new("They danced until morning.", Words: 2), "gpt broke off the connection" },
        { "half closed", new("They danced until morning.", Words: 2, Quietly: true), "gpt ended its answer in the middle" },
        { "another format", new(Raw: "data: {\"choices\": 7}\n\n"), "gpt answered what is not OpenAI's format" },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Whatever_the_external_model_does_the_text_is_written_within_the_SLO_and_the_reason_is_told(string what, UpstreamAnswer answer, string reason)
    {
        await using var gateway = await StoryGateway.StartAsync(slo: 4);
        await gateway.CompleteAsync("mamba"); // Its worker is there.
        gateway.Upstream.Answer = answer;
        var started = Stopwatch.GetTimestamp();
        var (text, route, model, why) = await gateway.CompleteAsync();
        var took = Stopwatch.GetElapsedTime(started);

        Assert.Equal(("fallback", reason), (route, why));
        Assert.True(took < TimeSpan.FromSeconds(4), $"{what}: {took.TotalSeconds:0.0} s");
        // What was begun is not thrown away: the worker writes on.
        if (answer.Words is null) Assert.Equal("mamba", model);
        else Assert.Equal(("gpt+mamba", true), (model, text.StartsWith("They danced", StringComparison.Ordinal) && text.Length > "They danced".Length));

        // The next one does not ask what has just failed.
        var (_, next, _, rests) = await gateway.CompleteAsync();
        Assert.Equal("fallback", next);
        Assert.Contains("it is asked again in", rests, StringComparison.Ordinal);
        Assert.Single(gateway.Upstream.Requests);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_no_failure_of_the_request()
    {
        await using var gateway = await StoryGateway.StartAsync(baseUrl: "http://127.0.0.1:9/v1");
        var (_, route, model, reason) = await gateway.CompleteAsync();
        Assert.Equal(("fallback", "mamba", "gpt cannot be reached (ConnectionError)"), (route, model, reason));
    }

    [Fact]
    public async Task After_its_rest_the_external_model_is_asked_again()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer(Status: 500, Error: "oops");
        Assert.Equal("fallback", (await gateway.CompleteAsync()).Route);
        gateway.Upstream.Answer = new UpstreamAnswer("All was well.");
        await GatewayProcess.Eventually(async () => (await gateway.CompleteAsync()).Route == "large");
    }

    [Fact]
    public async Task A_request_that_the_external_model_refuses_says_nothing_of_the_next()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer(Status: 400, Error: "too long");
        Assert.Equal("fallback", (await gateway.CompleteAsync()).Route);
        gateway.Upstream.Answer = new UpstreamAnswer("All was well.");
        Assert.Equal("large", (await gateway.CompleteAsync()).Route);
    }

    [Fact]
    public async Task Without_a_key_nobody_is_asked_and_with_one_the_next_request_is()
    {
        await using var gateway = await StoryGateway.StartAsync();
        File.Delete(gateway.KeyFile);
        var (_, route, _, reason) = await gateway.CompleteAsync();
        Assert.Equal(("fallback", "there is no API key for gpt: openai.key cannot be read"), (route, reason));
        await File.WriteAllTextAsync(gateway.KeyFile, " \n", Cancel);
        Assert.Equal("there is no API key for gpt: openai.key is empty", (await gateway.CompleteAsync()).Reason);
        Assert.Empty(gateway.Upstream.Requests);

        await File.WriteAllTextAsync(gateway.KeyFile, "sk-another", Cancel);
        Assert.Equal("large", (await gateway.CompleteAsync()).Route);
        Assert.Equal("Bearer sk-another", Assert.Single(gateway.Upstream.Requests).Authorization);
    }

    [Fact]
    public async Task Another_key_ends_the_rest_of_one_that_was_refused()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer(Status: 401, Error: "no", RetryAfter: 60);
        await gateway.CompleteAsync();
        gateway.Upstream.Answer = new UpstreamAnswer("All was well.");
        Assert.Equal("fallback", (await gateway.CompleteAsync()).Route);
        await File.WriteAllTextAsync(gateway.KeyFile, "sk-another", Cancel);
        Assert.Equal("large", (await gateway.CompleteAsync()).Route);
    }

    [Fact]
    public async Task The_days_budget_is_kept_over_a_restart()
    {
        await using var first = await StoryGateway.StartAsync(budget: 20);
        Assert.Equal("large", (await first.CompleteAsync()).Route); // 14 tokens.
        Assert.Equal("large", (await first.CompleteAsync()).Route); // 28.
        Assert.Equal("gpt has used 28 tokens today, and 20 are its budget", (await first.CompleteAsync()).Reason);

        await using var second = await StoryGateway.StartAsync(budget: 20, cache: first.Process.Cache);
        Assert.Equal("gpt has used 28 tokens today, and 20 are its budget", (await second.CompleteAsync()).Reason);
        Assert.Empty(second.Upstream.Requests);
        var named = await second.PostAsync("/v1/completions", new { model = "gpt", prompt = "x" });
        Assert.Equal(503, (int)named.StatusCode);
    }

    [Fact]
    public async Task A_stream_that_breaks_off_is_written_on_by_the_worker_and_nothing_is_sent_twice()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer("They danced until morning.", Words: 2);
        var response = await gateway.PostAsync("/v1/completions", new { prompt = StoryGateway.Beginning, max_tokens = 12, stream = true });
        var (events, raw) = await StoryGateway.StreamAsync(response);
        Assert.Equal(("large", "gpt"), (StoryGateway.Header(response, "x-modm-route"), StoryGateway.Header(response, "x-modm-model")));
        Assert.StartsWith("They danced", string.Concat(events.Select(e => (string)e["choices"]![0]!["text"]!)), StringComparison.Ordinal);
        Assert.Equal(["gpt", "mamba"], events.Select(e => (string)e["model"]!).Distinct());
        Assert.Contains(": modm {\"type\":\"takeover\",\"delta\":\"mamba: gpt broke off the connection\"}", raw, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", raw, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_text_that_breaks_off_is_written_on_with_the_tokens_that_are_left_and_counted_as_what_it_is()
    {
        await using var gateway = await StoryGateway.StartAsync();
        var messages = new[] { new { role = "user", content = StoryGateway.Beginning } };
        foreach (var (words, route, model) in new[] { (4, "fallback", "gpt+mamba"), (6, "large", "gpt") })
        {
            gateway.Upstream.Answer = new UpstreamAnswer("She ran to the house and slept", Words: words);
            var response = await gateway.PostAsync("/v1/chat/completions", new { messages, max_tokens = 6, seed = 3, stop = "never" });
            var body = await GatewayProcess.JsonAsync(response);
            Assert.Equal((route, model), (StoryGateway.Header(response, "x-modm-route"), (string)body["model"]!));
            Assert.Equal("length", (string)body["choices"]![0]!["finish_reason"]!);
            if (words == 6)
            {
                Assert.Equal(("She ran to the house and", null), ((string)body["choices"]![0]!["message"]!["content"]!, body["usage"]));
                continue;
            }
            var alone = await GatewayProcess.JsonAsync(await gateway.PostAsync("/v1/chat/completions", new { model = "mamba", messages, max_tokens = 1 }));
            // "She ran to the" are four tokens for the worker, too.
            Assert.Equal(6, (int)body["usage"]!["completion_tokens"]!);
            Assert.Equal((int)alone["usage"]!["prompt_tokens"]!, (int)body["usage"]!["prompt_tokens"]!);
            await File.WriteAllTextAsync(gateway.KeyFile, "sk-another", Cancel); // Which ends the rest.
        }
    }

    [Fact]
    public async Task What_the_one_who_writes_has_no_use_for_is_told_and_the_user_is_passed_on()
    {
        await using var gateway = await StoryGateway.StartAsync();
        object[] messages = [new { role = "system", content = "Be brief." }, new { role = "user", content = "Mia had a kite." }];
        foreach (var (model, ignored) in new[] { ("gpt", "top_k"), ("mamba", "system messages") })
        {
            var response = await gateway.PostAsync("/v1/chat/completions", new { model, messages, top_k = 5, user = "u1", max_tokens = 4 });
            Assert.Equal(ignored, StoryGateway.Header(response, "x-modm-ignored"));
        }
        Assert.Equal("u1", (string)Assert.Single(gateway.Upstream.Requests).Body["user"]!);
        Assert.Equal("", StoryGateway.Header(await gateway.PostAsync("/v1/stories/endings", new { model = "mamba", prompt = "Mia had a kite." }), "x-modm-ignored"));
    }

    [Fact]
    public async Task A_member_that_is_named_writes_alone_and_its_failures_are_told_as_they_are()
    {
        await using var gateway = await StoryGateway.StartAsync();
        Assert.Equal(("small", "mamba"), (await gateway.CompleteAsync("mamba")) is var (_, route, model, _) ? (route, model) : default);
        Assert.Empty(gateway.Upstream.Requests);

        foreach (var (answer, status) in new[]
        {
            (new UpstreamAnswer(Status: 429, Error: "slow down", RetryAfter: 7), 429), (new UpstreamAnswer(Status: 401, Error: "no"), 502),
            (new UpstreamAnswer(Status: 400, Error: "too long"), 400), (new UpstreamAnswer("They danced", Words: 1), 502),
        })
        {
            gateway.Upstream.Answer = answer;
            var response = await gateway.PostAsync("/v1/completions", new { model = "gpt", prompt = "x" });
            Assert.Equal(status, (int)response.StatusCode);
            if (status == 429) Assert.Equal("7", StoryGateway.Header(response, "Retry-After"));
        }
    }

    [Fact]
    public async Task The_key_is_in_no_answer_log_metric_or_process_list_even_if_the_server_quotes_it()
    {
        await using var gateway = await StoryGateway.StartAsync();
        var said = "";
        // OpenAI itself quotes the ends of a key that it refuses.
        foreach (var (status, quoted) in new[] { (401, "sk-test-********1e9a"), (403, StoryGateway.Key), (429, "sk-test-********1e9a"), (500, StoryGateway.Key) })
        {
            gateway.Upstream.Answer = new UpstreamAnswer(Status: status, Error: $"Incorrect API key provided: {quoted}.");
            foreach (var (model, stream) in new[] { ("gpt", false), ("gpt", true), ("endings", false), ("endings", true) })
            {
                var response = await gateway.PostAsync("/v1/completions", new { model, prompt = "x", max_tokens = 2, stream });
                said += $"{response.Headers} {await response.Content.ReadAsStringAsync(Cancel)}";
            }
        }
        said += await gateway.Http.GetStringAsync("/metrics", Cancel) + await gateway.Http.GetStringAsync("/v1/status", Cancel) + gateway.Process.Log;
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(d => char.IsDigit(Path.GetFileName(d)[0])))
        {
            try { said += await File.ReadAllTextAsync(Path.Combine(process, "cmdline"), Cancel); }
            catch (IOException) { /* It has ended. */ }
        }
        Assert.Contains("(the key)", said, StringComparison.Ordinal);
        Assert.Contains("gpt answered 401: some_code", said, StringComparison.Ordinal);
        Assert.DoesNotContain("sk-test-", said, StringComparison.Ordinal);
        Assert.DoesNotContain("1e9a", said, StringComparison.Ordinal);
    }
}
