using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Net.Http.Headers;
using MoDM.Api;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Fleet;
using MoDM.Http;
using Yarp.ReverseProxy.Forwarder;

namespace MoDM.Gateway.Stories;

/// <summary>
/// A story gateway behind an image gateway: one address for both. It is somebody else's (<c>--stories URL</c>), or the demo's,
/// which is another process of this program and has its endings illustrated here.
/// </summary>
internal sealed partial class StoriesBehind(GatewayOptions options, IServer server, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<StoriesBehind> log)
    : BackgroundService
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private volatile Uri? _address = options.Stories;

    /// <summary>Null while it starts.</summary>
    public Uri? Address => _address;

    /// <summary>A process that this one has started.</summary>
    public bool IsOurs => options.StoriesDocument is not null;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.StoriesDocument is not { } document) return;
        try
        {
            var started = new TaskCompletionSource();
            await using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
            await started.Task.WaitAsync(stoppingToken);
            while (true)
            {
                await ServeAsync(document, stoppingToken);
                await Task.Delay(Pause, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The gateway is stopping, and its child has ended.
        }
    }

    private async Task ServeAsync(string document, CancellationToken stop)
    {
        using var process = new ChildServer(
            typeof(StoriesBehind).Assembly.Location,
            [
                "--mixture", document, "--urls", "http://127.0.0.1:0", "--illustrator", Reachable(),
                "--cache", Path.Combine(Path.GetDirectoryName(options.CacheFolder)!, "stories"),
            ], line => Log.Said(log, line));
        try
        {
            _address = await process.AddressAsync(stop);
            Log.Serves(log, _address);
            var code = await process.Exited.WaitAsync(stop);
            Log.Ended(log, code, process.ErrorTail);
        }
        catch (InvalidOperationException e)
        {
            Log.Ended(log, await process.Exited, e.Message);
        }
        finally
        {
            _address = null;
            if (!process.Exited.IsCompleted) await process.StopAsync(Grace);
        }
    }

    /// <summary>This gateway, as a process of this machine reaches it.</summary>
    private string Reachable()
    {
        var address = new UriBuilder(server.Features.Get<IServerAddressesFeature>()!.Addresses.First().Replace("//*", "//127.0.0.1", StringComparison.Ordinal).Replace("//+", "//127.0.0.1", StringComparison.Ordinal));
        if (address.Host is "0.0.0.0" or "[::]") address.Host = "127.0.0.1";
        return address.Uri.ToString();
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Debug, "stories: {Line}")]
        public static partial void Said(ILogger log, string line);

        [LoggerMessage(2, LogLevel.Information, "Stories are served by {Address}")]
        public static partial void Serves(ILogger log, Uri address);

        [LoggerMessage(3, LogLevel.Warning, "The story gateway ended with exit code {Code} and is started again: {Said}")]
        public static partial void Ended(ILogger log, int code, string said);
    }
}

/// <summary>The story gateway's routes on the image gateway, through YARP.</summary>
internal static class StoryRoutes
{
    /// <summary>Longer than any answer pauses: a story gateway sends a sign of life every 10 s.</summary>
    private static readonly ForwarderRequestConfig Config = new() { ActivityTimeout = TimeSpan.FromMinutes(10), Version = HttpVersion.Version11 };

    public static void MapStoriesBehind(this WebApplication app, GatewayOptions options)
    {
        if (options.Stories is null && options.StoriesDocument is null) return;
        string[] paths = ["/v1/completions", "/v1/chat/completions", "/v1/stories/endings", "/v1/stories/models"];
        foreach (var path in paths)
            app.Map(path, ForwardAsync).WithTags("Stories").WithSummary("Handed on to the story gateway");
    }

    private static async Task ForwardAsync(HttpContext context, StoriesBehind stories, IHttpForwarder forwarder, HttpMessageInvoker http)
    {
        if (stories.Address is not { } address)
        {
            await ApiErrors.WriteAsync(context, ApiError.Unavailable("The story gateway is starting. Try again in 2 s.", 2));
            return;
        }
        if (CallerTurn.Of(context) is { HasRate: true } turn && HttpMethods.IsPost(context.Request.Method))
        {
            var (texts, refused) = await CountAsync(context);
            if ((refused ?? turn.Take(texts, "text")) is { } why)
            {
                await ApiErrors.WriteAsync(context, why);
                return;
            }
        }
        var error = await forwarder.SendAsync(context, address.ToString(), http, Config, new WithoutKey(stories.IsOurs), context.RequestAborted);
        if (error is ForwarderError.None) CallerTurn.Of(context)?.Settle(context.Response.StatusCode, code: null);
        if (error is ForwarderError.None || context.RequestAborted.IsCancellationRequested || context.Response.HasStarted) return;
        CallerTurn.Of(context)?.Settle(StatusCodes.Status503ServiceUnavailable, code: null);
        await ApiErrors.WriteAsync(context, ApiError.Unavailable("The story gateway does not answer. Try again in 2 s.", 2));
    }

    /// <summary>Texts that a body asks for, which is read whole for it; one, where it does not say.</summary>
    private static async Task<(int Texts, ApiError? Error)> CountAsync(HttpContext context)
    {
        var (body, error) = await JsonBody.ReadAsync(context, JsonBody.Max);
        if (error is not null) return (0, error);
        context.Request.Body = new MemoryStream(body.ToArray());
        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement.ValueKind != JsonValueKind.Object) return (1, null);
            var n = json.RootElement.TryGetProperty("n", out var said) && said.ValueKind == JsonValueKind.Number && said.TryGetInt32(out var count) ? count : 1;
            var prompts = json.RootElement.TryGetProperty("prompt", out var prompt) && prompt.ValueKind == JsonValueKind.Array ? prompt.GetArrayLength() : 1;
            return (Math.Clamp(n, 1, StoryRequestReader.MaxChoices) * Math.Clamp(prompts, 1, StoryRequestReader.MaxPrompts), null);
        }
        catch (JsonException)
        {
            return (1, null); // The story gateway says what is wrong with it.
        }
    }

    /// <summary>
    /// A caller's key is for this gateway. A story process of ours gets one that stands for it here, and only as long as this
    /// process runs: the pictures that it has drawn here are the caller's.
    /// </summary>
    private sealed class WithoutKey(bool isOurs) : HttpTransformer
    {
        public override async ValueTask TransformRequestAsync(
            HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            proxyRequest.Headers.Remove(HeaderNames.Authorization);
            proxyRequest.Headers.Remove(Illustrator.ErrandHeader);
            if (isOurs && CallerTurn.Of(httpContext) is { } turn) proxyRequest.Headers.Add(Illustrator.ErrandHeader, turn.Errand);
        }
    }
}
