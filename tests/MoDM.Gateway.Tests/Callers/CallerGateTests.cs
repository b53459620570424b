using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using MoDM.Fakes;
using MoDM.Gateway.Callers;

namespace MoDM.Gateway.Tests.Callers;

public sealed class CallerGateTests : IAsyncLifetime
{
    private readonly string _file = Path.Combine(TempFolder.New(), "keys.jsonl");
    private FakeWorker _worker = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _worker = await FakeWorker.StartAsync("postcards-large");

    public ValueTask DisposeAsync() => _worker.DisposeAsync();

    [Fact]
    public async Task The_API_wants_a_key_and_tells_how_to_send_one_and_everything_else_is_open()
    {
        var key = Add("alice", "--tenant", "acme");
        await using var gateway = await StartAsync();

        foreach (var path in new[] { "/v1/models", "/v1/status", "/V1/models", "/v1/images/generations", "/v1/completions", "/v1/nothing", "/v1/images/0123" })
        {
            using var refused = await gateway.Http.GetAsync(path, Cancel);
            Assert.Equal((path, 401), (path, (int)refused.StatusCode));
            Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.Single().ToString());
            var error = (await GatewayProcess.JsonAsync(refused))["error"]!;
            Assert.Equal(("invalid_request_error", "invalid_api_key"), ((string)error["type"]!, (string)error["code"]!));
            Assert.Contains("Authorization: Bearer KEY", (string)error["message"]!, StringComparison.Ordinal);
        }
        foreach (var path in new[] { "/", "/app.js", "/livez", "/readyz", "/metrics", "/openapi/v1.json" })
            Assert.Equal((path, HttpStatusCode.OK), (path, (await gateway.Http.GetAsync(path, Cancel)).StatusCode));
        Assert.Equal(401, (int)(await gateway.GenerateAsync(new { prompt = "a red kite" })).StatusCode);
        Assert.Empty(_worker.Jobs);

        using var drawn = await DrawAsync(gateway, key);
        Assert.Equal(HttpStatusCode.OK, drawn.StatusCode);
        Assert.False(drawn.Headers.Contains("x-ratelimit-limit-requests"));
    }

    [Fact]
    public async Task A_picture_is_open_to_whoever_has_its_id_and_a_wrong_key_is_refused_there_too()
    {
        var key = Add("alice");
        await using var gateway = await StartAsync();
        var url = (string)(await GatewayProcess.JsonAsync(await DrawAsync(gateway, key, new { prompt = "a red kite", response_format = "url" })))["data"]![0]!["url"]!;

        Assert.Equal(HttpStatusCode.OK, (await gateway.Http.GetAsync(url, Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(gateway, HttpMethod.Get, url, key)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(gateway, HttpMethod.Get, url, "modm_wrong")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await gateway.Http.DeleteAsync(url, Cancel)).StatusCode);
    }

    [Fact]
    public async Task A_key_is_nowhere_but_with_its_caller()
    {
        var (key, wrong) = (Add("alice", "--rate", "60", "--burst", "1"), "modm_wrong-7f1c55e09b");
        await using var gateway = await StartAsync();

        List<HttpResponseMessage> answers =
        [
            await DrawAsync(gateway, key), await DrawAsync(gateway, wrong), await DrawAsync(gateway, key, new { prompt = "a red kite", n = 2 }),
            await DrawAsync(gateway, key), await DrawAsync(gateway, key, new { prompt = 5 }),
            await gateway.Http.GetAsync("/metrics", Cancel), await SendAsync(gateway, HttpMethod.Get, "/v1/nothing", key),
        ];
        Assert.Equal([200, 401, 400, 429, 400, 200, 404], answers.Select(a => (int)a.StatusCode));

        var said = gateway.Log + string.Join('\n', _worker.Jobs.Select(j => j.Headers));
        foreach (var answer in answers)
            said += answer.Headers + await answer.Content.ReadAsStringAsync(Cancel);
        Assert.NotEmpty(_worker.Jobs);
        foreach (var expected in new[] { "429 none", "invalid_api_key", "modm_callers_refused_total", "x-ratelimit" })
            Assert.Contains(expected, said, StringComparison.Ordinal);
        foreach (var secret in new[] { key, key[5..], wrong, "Bearer modm" })
            Assert.DoesNotContain(secret, said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_come_and_go_without_a_restart_and_a_broken_file_changes_nothing()
    {
        // As a Secret is mounted: through links that are swapped.
        var folder = TempFolder.New();
        var (alice, first) = (Add("alice"), Swap(folder, await File.ReadAllTextAsync(_file, Cancel), "1"));
        await using var gateway = await GatewayProcess.StartAsync([_worker], "--keys", first);
        Assert.Equal(HttpStatusCode.OK, await ModelsAsync(gateway, alice));

        var bob = Add("bob");
        Swap(folder, await File.ReadAllTextAsync(_file, Cancel), "2");
        await GatewayProcess.Eventually(async () => await ModelsAsync(gateway, bob) == HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.OK, await ModelsAsync(gateway, alice));

        Swap(folder, "{\"name\":\"modm_secret\"}\n", "3");
        await GatewayProcess.Eventually(() => Task.FromResult(gateway.Log.Contains("line 1 sha256 has to be", StringComparison.Ordinal)));
        Assert.DoesNotContain("modm_secret", gateway.Log, StringComparison.Ordinal);
        Assert.Contains("modm_callers_keys_valid 0", await gateway.Http.GetStringAsync("/metrics", Cancel), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await ModelsAsync(gateway, bob));

        Run("remove", "alice", "--keys", _file);
        Swap(folder, await File.ReadAllTextAsync(_file, Cancel), "4");
        await GatewayProcess.Eventually(async () => await ModelsAsync(gateway, alice) == HttpStatusCode.Unauthorized);
        Assert.Equal(HttpStatusCode.OK, await ModelsAsync(gateway, bob));
        Assert.Contains("modm_callers_keys_valid 1", await gateway.Http.GetStringAsync("/metrics", Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_of_keys_that_is_broken_or_missing_ends_the_start_with_all_mistakes()
    {
        await File.WriteAllTextAsync(_file, "nonsense\n\n{\"name\":\"a\"}\n", Cancel);

        var (code, said) = await StartTests.RunAsync("--keys", _file, "--turbo");

        Assert.Equal(2, code);
        foreach (var expected in new[] { $"{_file}: line 1 is not a JSON object.", "line 3 tenant has to be", "line 3 sha256 has to be", "--turbo is not an option" })
            Assert.Contains(expected, said, StringComparison.Ordinal);
        (code, said) = await StartTests.RunAsync("--keys", _file + ".not");
        Assert.Equal(2, code);
        Assert.Contains($"--keys {_file}.not: cannot be read", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_its_rate_a_key_is_told_when_to_come_back_and_what_was_not_done_costs_nothing()
    {
        var key = Add("alice", "--tenant", "acme", "--rate", "12", "--burst", "3");
        await using var gateway = await StartAsync();

        using var two = await DrawAsync(gateway, key, new { prompt = "a red kite", n = 2, cache = "bypass" });
        Assert.Equal(HttpStatusCode.OK, two.StatusCode);
        Assert.Equal(("3", "1"), (Header(two, "x-ratelimit-limit-requests"), Header(two, "x-ratelimit-remaining-requests")));
        Assert.Matches(@"^([5-9]|10)(\.\d+)?s$", Header(two, "x-ratelimit-reset-requests"));
        Assert.Equal(400, (int)(await DrawAsync(gateway, key, new { prompt = "a red kite", size = "7x7" })).StatusCode);
        Assert.Equal(200, (int)(await DrawAsync(gateway, key, new { prompt = "a red kite", cache = "bypass" })).StatusCode);

        using var refused = await DrawAsync(gateway, key, new { prompt = "a red kite", n = 2 });

        Assert.Equal(429, (int)refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 10);
        var error = (await GatewayProcess.JsonAsync(refused))["error"]!;
        Assert.Equal("rate_limit_exceeded", (string)error["code"]!);
        Assert.Contains("a rate of 12 images a minute, and 3 at once", (string)error["message"]!, StringComparison.Ordinal);
        var never = (await GatewayProcess.JsonAsync(await DrawAsync(gateway, key, new { prompt = "a red kite", n = 4 })))["error"]!;
        Assert.Equal("n", (string)never["param"]!);
        Assert.Contains("can never be let in", (string)never["message"]!, StringComparison.Ordinal);
        var metrics = await gateway.Http.GetStringAsync("/metrics", Cancel);
        Assert.Contains("modm_callers_refused_total{tenant=\"acme\",reason=\"rate\"} 1", metrics, StringComparison.Ordinal);
        Assert.Contains("modm_callers_refused_total{tenant=\"acme\",reason=\"burst\"} 1", metrics, StringComparison.Ordinal);
        await Task.Delay(refused.Headers.RetryAfter.Delta.Value, Cancel);
        Assert.Equal(200, (int)(await DrawAsync(gateway, key, new { prompt = "a red kite", n = 2, cache = "bypass" })).StatusCode);
    }

    [Fact]
    public async Task What_the_queue_refuses_is_not_counted_by_the_rate()
    {
        var key = Add("alice", "--rate", "1", "--burst", "10");
        _worker.StepTime = TimeSpan.FromMilliseconds(5);
        await using var gateway = await StartAsync("--queue-limit", "1");

        using var refused = await DrawAsync(gateway, key, new { prompt = "a red kite", n = 5 });

        Assert.Equal("queue_full", (string)(await GatewayProcess.JsonAsync(refused))["error"]!["code"]!);
        Assert.Equal("10", Header(await SendAsync(gateway, HttpMethod.Get, "/v1/models", key), "x-ratelimit-remaining-requests"));
    }

    [Fact]
    public async Task A_tenant_is_what_the_key_says_and_nothing_else()
    {
        var (acme, other) = (Add("alice", "--tenant", "acme", "--rate", "1", "--burst", "1"), Add("bob", "--tenant", "other"));
        await using var gateway = await StartAsync();

        using var field = await DrawAsync(gateway, other, new { prompt = "a red kite", tenant = "acme" });
        Assert.Equal(400, (int)field.StatusCode);
        for (var i = 0; i < 2; i++)
        {
            using var request = Request(HttpMethod.Post, "/v1/images/generations", other);
            foreach (var name in new[] { "x-tenant", "tenant", "x-modm-tenant", "x-modm-caller", "OpenAI-Organization" })
                request.Headers.Add(name, "acme");
            request.Content = JsonContent.Create(new { prompt = "a red kite", user = "acme", cache = "bypass" });
            Assert.Equal(200, (int)(await gateway.Http.SendAsync(request, Cancel)).StatusCode);
        }
        // Nothing of it was acme's.
        Assert.Equal("1", Header(await SendAsync(gateway, HttpMethod.Get, "/v1/models", acme), "x-ratelimit-remaining-requests"));
        Assert.All(_worker.Jobs, j => Assert.DoesNotContain("acme", j.Headers, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_flood_of_one_tenant_does_not_keep_another_one_out()
    {
        var (flood, other) = (Add("flood"), Add("other"));
        _worker.StepTime = TimeSpan.FromMilliseconds(5);
        await using var gateway = await StartAsync("--queue-limit", "6");
        var floods = Enumerable.Range(0, 20).Select(i => DrawAsync(gateway, flood, new { prompt = "a red kite", seed = i, cache = "bypass" })).ToList();
        await GatewayProcess.Eventually(() => Task.FromResult(floods.Count(f => f.IsCompleted) >= 13)); // The queue is full.

        using var drawn = await DrawAsync(gateway, other, new { prompt = "a green cabin", cache = "bypass" });

        Assert.Equal(200, (int)drawn.StatusCode);
        Assert.True(_worker.Jobs.ToList().FindIndex(j => j.Request.Prompt == "a green cabin") <= 4, "It is next, or next but one or two.");
        await Task.WhenAll(floods);
    }

    [Fact]
    public async Task Without_keys_everybody_may_ask_and_the_log_says_so()
    {
        await using var gateway = await GatewayProcess.StartAsync([_worker]);

        using var drawn = await DrawAsync(gateway, "unused");

        Assert.Equal(200, (int)drawn.StatusCode);
        Assert.Single(gateway.Log.Split('\n'), l => l.Contains("There are no keys", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http://localhost:8080", true)]
    [InlineData("http://127.0.0.1:0;http://[::1]:1", true)]
    [InlineData("http://0.0.0.0:8080", false)]
    [InlineData("http://localhost:1;http://*:8080", false)]
    [InlineData("http://+:80", false)]
    [InlineData("http://[::]:80", false)]
    [InlineData("http://gateway.example:80", false)]
    public void An_address_for_more_than_this_machine_is_known(string urls, bool isLocal) => Assert.Equal(isLocal, CallerGate.IsLocal(urls));

    [Theory]
    [InlineData("GET", "/", false)]
    [InlineData("GET", "/v10", false)]
    [InlineData("GET", "/v1", true)]
    [InlineData("GET", "/v1/images/0123456789abcdef0123456789abcdef", false)]
    [InlineData("GET", "/v1/images/0123456789abcdef0123456789abcdef/", true)]
    [InlineData("GET", "/v1/images/0123456789abcdef0123456789abcdef/more", true)]
    [InlineData("POST", "/v1/images/0123456789abcdef0123456789abcdef", true)]
    [InlineData("GET", "/v1/images/generations", true)]
    [InlineData("GET", "/v1/images/0123456789ABCDEF0123456789ABCDEF", true)]
    public void What_needs_a_key_is_said_in_one_place(string method, string path, bool needsKey)
    {
        var context = new DefaultHttpContext { Request = { Method = method, Path = path } };

        Assert.Equal(needsKey, CallerGate.NeedsKey(context.Request));
    }

    private Task<GatewayProcess> StartAsync(params string[] more) => GatewayProcess.StartAsync([_worker], ["--keys", _file, .. more]);

    private static Task<HttpResponseMessage> DrawAsync(GatewayProcess gateway, string key, object? body = null) =>
        SendAsync(gateway, HttpMethod.Post, "/v1/images/generations", key, JsonContent.Create(body ?? new { prompt = "a red kite", cache = "bypass" }));

    private static async Task<HttpStatusCode> ModelsAsync(GatewayProcess gateway, string key) =>
        (await SendAsync(gateway, HttpMethod.Get, "/v1/models", key)).StatusCode;

    private static async Task<HttpResponseMessage> SendAsync(GatewayProcess gateway, HttpMethod method, string path, string key, HttpContent? content = null)
    {
        using var request = Request(method, path, key);
        request.Content = content;
        return await gateway.Http.SendAsync(request, Cancel);
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, string key) =>
        new(method, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", key) } };

    private static string Header(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : "";

    private string Add(string name, params string[] options) => Run(["add", name, "--keys", _file, .. options]).Trim();

    private static string Run(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.True(KeysCommand.Run(args, output, error) == 0, error.ToString());
        return output.ToString();
    }

    /// <summary>FOLDER/keys.jsonl is a link to ..data/keys.jsonl, and ..data one to the folder of a version.</summary>
    private static string Swap(string folder, string text, string version)
    {
        Directory.CreateDirectory(Path.Combine(folder, version));
        File.WriteAllText(Path.Combine(folder, version, "keys.jsonl"), text);
        File.CreateSymbolicLink(Path.Combine(folder, "..data_new"), version);
        using (var move = System.Diagnostics.Process.Start("mv", ["-T", Path.Combine(folder, "..data_new"), Path.Combine(folder, "..data")]))
            move.WaitForExit();
        var file = Path.Combine(folder, "keys.jsonl");
        if (!File.Exists(file)) File.CreateSymbolicLink(file, Path.Combine("..data", "keys.jsonl"));
        return file;
    }
}
