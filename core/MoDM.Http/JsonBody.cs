using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using MoDM.Api;

namespace MoDM.Http;

/// <summary>Reads JSON bodies, within bounds.</summary>
public static class JsonBody
{
    public const int Max = 1 << 20;

    public static async Task<(ReadOnlyMemory<byte> Body, ApiError? Error)> ReadAsync(HttpContext context, int max)
    {
        if (Exceeds(context, max) is { } tooLarge)
            return (default, tooLarge);
        if (!context.Request.HasJsonContentType())
            return (default, ApiErrors.WrongContentType(context.Request));
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        return (body.GetBuffer().AsMemory(0, (int)body.Length), null);
    }

    // A length that is announced is answered without reading, and Kestrel then swallows the body for a while, so that the
    // client gets to see the answer; one that is not is cut off by Kestrel.
    internal static ApiError? Exceeds(HttpContext context, long bytes)
    {
        var feature = context.Features.Get<IHttpMaxRequestBodySizeFeature>();
        var announced = context.Request.ContentLength > bytes;
        if (feature is { IsReadOnly: false })
            feature.MaxRequestBodySize = announced ? null : bytes;
        return announced
            ? ApiError.TooLarge($"The body is too large: {context.Request.ContentLength} bytes; at most {bytes} are taken.") : null;
    }
}
