using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MoDM.Fakes;

/// <summary>How somebody else's model answers.</summary>
/// <param name="Text">Sent word by word.</param>
/// <param name="Words">So many are sent, and then the connection breaks off; null: all.</param>
/// <param name="Quietly">It is closed as if the answer were complete.</param>
/// <param name="Error">Message of a refusal.</param>
/// <param name="Raw">The body as it is, instead of OpenAI's format; <paramref name="Words"/> break it off at its end.</param>
/// <param name="Lingers">So long the connection stays open after all of <paramref name="Raw"/>.</param>
public sealed record UpstreamAnswer(
    string Text = "", int Status = 200, int? Words = null, bool Quietly = false, string Error = "", int? RetryAfter = null,
    TimeSpan Silence = default, string? Raw = null, TimeSpan Lingers = default);

public sealed record UpstreamRequest(string Path, string Authorization, JsonNode Body);

/// <summary>A model behind OpenAI's API, on the wire: it streams what it is told to, and fails as it is told to.</summary>
public sealed class FakeUpstream : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly List<UpstreamRequest> _requests = [];
    private int _now;

    private FakeUpstream(string host)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://{host}:0");
        _app = builder.Build();
        _app.MapPost("/v1/chat/completions", context => AnswerAsync(context, chat: true));
        _app.MapPost("/v1/completions", context => AnswerAsync(context, chat: false));
    }

    public string BaseUrl { get; private set; } = "";
    public UpstreamAnswer Answer { get; set; } = new("They danced until morning.");

    public IReadOnlyList<UpstreamRequest> Requests
    {
        get { lock (_lock) return [.. _requests]; }
    }

    /// <param name="host">0.0.0.0 for one that is reached from elsewhere.</param>
    public static async Task<FakeUpstream> StartAsync(string host = "127.0.0.1")
    {
        var fake = new FakeUpstream(host);
        await fake._app.StartAsync();
        fake.BaseUrl = $"{fake._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()}/v1";
        return fake;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    /// <summary>Requests that were here together.</summary>
    public int MostAtOnce { get; private set; }

    private async Task AnswerAsync(HttpContext context, bool chat)
    {
        lock (_lock) MostAtOnce = Math.Max(MostAtOnce, ++_now);
        try
        {
            await WriteAsync(context, chat);
        }
        finally
        {
            lock (_lock) _now--;
        }
    }

    private async Task WriteAsync(HttpContext context, bool chat)
    {
        var body = (await JsonNode.ParseAsync(context.Request.Body))!;
        lock (_lock) _requests.Add(new UpstreamRequest(context.Request.Path, context.Request.Headers.Authorization.ToString(), body));
        var answer = Answer;
        await Task.Delay(answer.Silence, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        context.Response.StatusCode = answer.Status;
        if (answer.RetryAfter is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        if (answer.Raw is { } raw)
        {
            await context.Response.WriteAsync(raw);
            await context.Response.Body.FlushAsync();
            await Task.Delay(answer.Lingers, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (answer.Words is not null) context.Abort();
            return;
        }
        if (answer.Status != 200)
        {
            await context.Response.WriteAsJsonAsync(new { error = new { message = answer.Error, type = "some_error", param = (string?)null, code = "some_code" } });
            return;
        }
        context.Response.ContentType = "text/event-stream";
        var words = answer.Text.Split(' ').Select((w, i) => i == 0 ? w : $" {w}").ToList();
        foreach (var word in words.Take(answer.Words ?? words.Count))
            await SendAsync(context, Chunk(chat, word, null));
        if (answer.Words is not null)
        {
            await context.Response.Body.FlushAsync();
            await Task.Delay(50); // What was sent is on its way before the connection is cut.
            if (!answer.Quietly) context.Abort();
            return;
        }
        await SendAsync(context, Chunk(chat, "", "stop"));
        await SendAsync(context, $$"""{"id": "x", "object": "x", "created": 1, "model": "gpt-x", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": {{words.Count}}, "total_tokens": {{10 + words.Count}} } }""");
        await context.Response.WriteAsync("data: [DONE]\n\n");
    }

    private static string Chunk(bool chat, string text, string? reason)
    {
        var end = reason is null ? "null" : $"\"{reason}\"";
        var piece = JsonSerializer.Serialize(text);
        return chat
            ? $$"""{"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "service_tier": "default", "choices": [{"index": 0, "delta": {"content": {{piece}} }, "finish_reason": {{end}} }]}"""
            : $$"""{"id": "x", "object": "text_completion", "created": 1, "model": "gpt-x", "choices": [{"index": 0, "text": {{piece}}, "finish_reason": {{end}} }]}""";
    }

    private static async Task SendAsync(HttpContext context, string json)
    {
        await context.Response.WriteAsync($"data: {json}\n\n");
        await context.Response.Body.FlushAsync();
    }
}
