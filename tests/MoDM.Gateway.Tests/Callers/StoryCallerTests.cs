using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using MoDM.Fakes;
using MoDM.Gateway.Callers;

namespace MoDM.Gateway.Tests.Callers;

/// <summary>Keys where stories are: behind an image gateway, and at a story gateway of one's own.</summary>
public sealed class StoryCallerTests
{
    private readonly string _file = Path.Combine(TempFolder.New(), "keys.jsonl");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stories_behind_an_image_gateway_want_its_key_and_the_story_gateway_never_sees_it()
    {
        var key = Add("alice", "--rate", "1", "--burst", "6");
        var heard = new ConcurrentQueue<string>();
        await using var stories = await ListenAsync(async context =>
        {
            using var body = new StreamReader(context.Request.Body);
            heard.Enqueue(string.Join('\n', context.Request.Headers.Select(h => $"{h.Key}: {h.Value}")) + await body.ReadToEndAsync());
            await context.Response.WriteAsync("{}");
        });
        await using var large = await FakeWorker.StartAsync("postcards-large");
        await using var gateway = await GatewayProcess.StartAsync(
            [large], "--mixture", Path.Combine(Repo.Root, "gateway", "postcards.yaml"), "--stories", AddressOf(stories), "--keys", _file);

        Assert.Equal(401, (int)(await PostAsync(gateway, "/v1/completions", null, new { prompt = "Mia" })).StatusCode);
        Assert.Empty(heard);
        using var request = Request("/v1/completions", key, new { prompt = new[] { "Mia", "Ben" }, n = 2 });
        request.Headers.Add("x-modm-errand", "modm_mine");
        using var answer = await gateway.Http.SendAsync(request, Cancel);

        Assert.Equal((200, "2"), ((int)answer.StatusCode, Header(answer, "x-ratelimit-remaining-requests"))); // Four texts of six.
        Assert.Contains("\"Ben\"", heard.Single(), StringComparison.Ordinal);
        Assert.DoesNotContain("modm_", heard.Single(), StringComparison.Ordinal);
        Assert.DoesNotContain("Authorization", heard.Single(), StringComparison.OrdinalIgnoreCase);
        using var refused = await PostAsync(gateway, "/v1/chat/completions", key, new { messages = Array.Empty<object>(), n = 3 });
        Assert.Equal((429, "rate_limit_exceeded"), ((int)refused.StatusCode, (string)(await GatewayProcess.JsonAsync(refused))["error"]!["code"]!));
        Assert.Single(heard);
    }

    [Fact]
    public async Task Pictures_of_stories_are_drawn_for_the_caller_by_a_key_that_is_not_its_own()
    {
        // The demo: the story process is this gateway's, and has its pictures drawn here.
        var key = Add("alice", "--rate", "1", "--burst", "5");
        await using var large = await FakeWorker.StartAsync("postcards-large");
        await using var gateway = await GatewayProcess.StartAsync([large], "--keys", _file, "--worker-threads", "1");
        await GatewayProcess.Eventually(async () => (await PostAsync(gateway, "/v1/stories/endings", key, new { prompt = "" })).StatusCode != System.Net.HttpStatusCode.ServiceUnavailable);

        var ending = await GatewayProcess.JsonAsync(await PostAsync(
            gateway, "/v1/stories/endings", key, new { prompt = "Mia had a red kite. One windy day the string broke.", illustrate = true, seed = 7 }));

        Assert.True(ending["image"]?["b64_json"] is not null, ending.ToJsonString());
        Assert.Single(large.Jobs);
        using var models = await gateway.Http.SendAsync(Request("/v1/models", key, null), Cancel);
        Assert.Equal("3", Header(models, "x-ratelimit-remaining-requests")); // A text and a picture of five.
    }

    [Fact]
    public async Task A_story_gateway_has_keys_of_its_own_and_counts_each_text()
    {
        var key = Add("alice", "--rate", "1", "--burst", "3");
        await using var stories = await GatewayProcess.StartAsync(
            [], "--mixture", Path.Combine(Repo.Root, "gateway", "stories.yaml"), "--worker-threads", "1", "--keys", _file);

        Assert.Equal(401, (int)(await PostAsync(stories, "/v1/completions", null, new { prompt = "Mia" })).StatusCode);
        using var answer = await PostAsync(stories, "/v1/completions", key, new { prompt = "Mia had a red kite.", n = 2, max_tokens = 4 });
        Assert.Equal((200, "1"), ((int)answer.StatusCode, Header(answer, "x-ratelimit-remaining-requests")));
        using var refused = await PostAsync(stories, "/v1/completions", key, new { prompt = "Mia had a red kite.", n = 2, max_tokens = 4 });
        Assert.Contains("a rate of 1 texts a minute", (string)(await GatewayProcess.JsonAsync(refused))["error"]!["message"]!, StringComparison.Ordinal);
        Assert.DoesNotContain(key, stories.Log, StringComparison.Ordinal);
    }

    private static Task<HttpResponseMessage> PostAsync(GatewayProcess gateway, string path, string? key, object body)
    {
        var request = Request(path, key, body);
        return gateway.Http.SendAsync(request, Cancel);
    }

    private static HttpRequestMessage Request(string path, string? key, object? body) => new(body is null ? HttpMethod.Get : HttpMethod.Post, path)
    {
        Headers = { Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key) },
        Content = body is null ? null : JsonContent.Create(body),
    };

    private static string Header(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : "";

    private static async Task<WebApplication> ListenAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync(Cancel);
        return app;
    }

    private static string AddressOf(WebApplication app) => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    private string Add(string name, params string[] options)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.True(KeysCommand.Run(["add", name, "--keys", _file, .. options], output, error) == 0, error.ToString());
        return output.ToString().Trim();
    }
}
