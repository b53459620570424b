using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using MoDM.Api;
using MoDM.Gateway.Cache;
using MoDM.Http;

namespace MoDM.Gateway.Callers;

/// <summary>Asks each request for its key, and notes whose it is.</summary>
internal static partial class CallerGate
{
    private const string Scheme = "Bearer ";

    public static void AddCallers(this IServiceCollection services, GatewayOptions options)
    {
        if (options.Keys is not { } file) return;
        services.AddSingleton(s => new KeyRing(options.KeysAtStart, s.GetRequiredService<TimeProvider>()));
        services.AddHostedService(s => new KeyWatch(
            file, s.GetRequiredService<KeyRing>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<KeyWatch>>()));
    }

    /// <summary>Without keys everybody is <see cref="Caller.Anyone"/>, and the log says so once.</summary>
    public static void UseCallers(this WebApplication app, GatewayOptions options)
    {
        if (app.Services.GetService<KeyRing>() is not { } ring)
        {
            app.Lifetime.ApplicationStarted.Register(() =>
            {
                if (IsLocal(options.Urls)) Log.Open(app.Logger, options.Urls);
                else Log.OpenToAll(app.Logger, options.Urls);
            });
            return;
        }
        app.Use((context, next) =>
        {
            var needed = NeedsKey(context.Request);
            if (!needed && !MayHaveKey(context.Request)) return next(context);
            var presented = Presented(context.Request);
            if (presented is null && !needed)
            {
                context.Features.Set(Caller.Nobody);
                return next(context);
            }
            if (presented is null || ring.Find(presented) is not { } key) return RefuseAsync(context, presented is null);
            var turn = new CallerTurn(key);
            context.Features.Set(key.Caller);
            context.Features.Set(turn);
            context.Response.OnStarting(() =>
            {
                turn.SetHeaders(context.Response);
                return Task.CompletedTask;
            });
            return next(context);
        });
    }

    /// <summary>
    /// The API does; pages, probes, metrics and the contract do not, nor does a picture by its id: that is 128 bits of a hash, so
    /// whoever has it was given it, and a page's img element can send no key.
    /// </summary>
    public static bool NeedsKey(HttpRequest request) => MayHaveKey(request) && !IsPicture(request);

    /// <summary>Only what leaves no doubt about the only address of a picture.</summary>
    private static bool IsPicture(HttpRequest request) => HttpMethods.IsGet(request.Method)
        && request.Path.StartsWithSegments("/v1/images", StringComparison.OrdinalIgnoreCase, out var id)
        && id.Value is ['/', .. var text] && ImageId.IsId(text);

    /// <summary>As routing sees it: in any case of letters.</summary>
    private static bool MayHaveKey(HttpRequest request) => request.Path.StartsWithSegments("/v1", StringComparison.OrdinalIgnoreCase);

    private static string? Presented(HttpRequest request) =>
        request.Headers[HeaderNames.Authorization] is [{ } header] && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && header[Scheme.Length..].Trim() is { Length: > 0 } key ? key : null;

    private static Task RefuseAsync(HttpContext context, bool missing)
    {
        GatewayMetrics.CallersRefused.WithLabels("", "key").Inc();
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return ApiErrors.WriteAsync(context, new ApiError(
            StatusCodes.Status401Unauthorized,
            missing ? "There is no API key; send one in the header Authorization: Bearer KEY."
                : "The API key is not known here; send one that this gateway's operator has given out (gateway keys add NAME).",
            "invalid_request_error", null, "invalid_api_key"));
    }

    /// <summary>Every address is one that only this machine reaches.</summary>
    public static bool IsLocal(string urls) => urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .All(url => BindingAddress.Parse(url) is var address && (address.IsUnixPipe || address.Host == "localhost"
            || System.Net.IPAddress.TryParse(address.Host, out var ip) && System.Net.IPAddress.IsLoopback(ip)));

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "There are no keys (--keys FILE): whoever reaches {Urls} on this machine may ask for anything")]
        public static partial void Open(ILogger log, string urls);

        [LoggerMessage(2, LogLevel.Warning, "There are no keys (--keys FILE), and {Urls} is more than this machine: whoever reaches it over the network may ask for anything")]
        public static partial void OpenToAll(ILogger log, string urls);
    }
}
