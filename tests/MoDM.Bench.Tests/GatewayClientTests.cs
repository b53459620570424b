using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using MoDM.Api;
using MoDM.Bench.Load;
using MoDM.Bench.Overhead;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Tests;

public class GatewayClientTests
{
    private const string Body = """
        {"created": 1, "data": [{"b64_json": "AQID", "seed": 5}], "modm": {"route": "hit", "similarity": 0.8, "steps": 50, "skipped_steps": 30,
        "images": [{"id": "x", "seed": 5, "model": "small", "steps": 50, "skipped_steps": 30, "queue_ms": 1, "generation_ms": 80, "inference_ms": 64}]}}
        """;

    private static async Task<(Answer Answer, ImageRequest? Asked)> AskAsync(int status, string body, string? cache = null)
    {
        ImageRequest? asked = null;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();
        app.MapPost("/v1/images/generations", async context =>
        {
            asked = await JsonSerializer.DeserializeAsync(context.Request.Body, ApiJson.Default.ImageRequest);
            context.Response.StatusCode = status;
            context.Response.ContentType = "application/json";
            context.Response.Headers["Server-Timing"] = "embed;dur=1.8, lookup;desc=\"x\";dur=0.2, total, worker;dur=oops";
            await context.Response.WriteAsync(body);
        });
        var cancel = TestContext.Current.CancellationToken;
        await app.StartAsync(cancel);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        return (await new GatewayClient(http, "postcards", cache).DrawAsync(new TraceEntry("a cat", 5), cancel), asked);
    }

    [Fact]
    public async Task An_image_comes_with_its_story_and_timing()
    {
        var (answer, asked) = await AskAsync(200, Body, "bypass");
        Assert.Equal(("postcards", "a cat", 5, "b64_json", "bypass"), (asked!.Model, asked.Prompt, asked.Seed, asked.ResponseFormat, asked.Cache));
        Assert.Null(answer.Error);
        Assert.Equal([1, 2, 3], answer.Png);
        Assert.True(answer.IsHit);
        Assert.Equal((30, 64), (answer.Part!.SkippedSteps, answer.Part.InferenceMs));
        Assert.Equal(new Dictionary<string, double> { ["embed"] = 1.8, ["lookup"] = 0.2 }, answer.Timing);
    }

    [Fact]
    public async Task A_refusal_is_an_answer_too()
    {
        Assert.StartsWith("429: ", (await AskAsync(429, "{\"error\": {\"message\": \"full\"}}")).Answer.Error);
        Assert.NotNull((await AskAsync(200, "{\"created\": 1, \"data\": []}")).Answer.Error);
        Assert.NotNull((await AskAsync(200, "<html>")).Answer.Error);
    }

    [Fact]
    public async Task Overhead_is_what_is_left_beyond_drawing_embedding_and_look_up()
    {
        var (answer, _) = await AskAsync(200, Body);
        var entry = new TraceEntry("a cat", 5);

        var gateway = GatewayOverhead.Of([new Outcome(entry, 0, 82, answer)], [new Outcome(entry, 0, 90, answer)]);
        var worker = WorkerOverhead.Of("small", [new Outcome(entry, 0, 90, answer)]);

        Assert.Equal(90 - 82 - 1.8 - 0.2, gateway.GatewayMs, 9);
        Assert.Equal(0.25, worker.WorkerShare, 9);
    }
}
