using MoDM.Api;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;
using MoDM.Http;
using MoDM.Onnx;

namespace MoDM.Gateway.Images;

/// <summary>Images by id: to look at, to trace, to remove.</summary>
internal static class KeptImagesApi
{
    public static void MapKeptImages(this RouteGroupBuilder images)
    {
        images.MapGet("/images/{id}", GetAsync).WithSummary("Get an image by id, or, as application/json, how it came about")
            .Produces(200, contentType: "image/png").Produces<Provenance>(contentType: "application/json").Produces<ApiErrorBody>(404)
            .Produces<ApiErrorBody>(503);
        images.MapDelete("/images/{id}", DeleteAsync).WithSummary("Remove an image, with descendants=true all that were refined from it")
            .Produces<ImageDeletion>().Produces<ApiErrorBody>(404).Produces<ApiErrorBody>(503);
        images.MapDelete("/images", PurgeAsync).WithSummary("Remove all images of a user, or of a tenant")
            .Produces<ImagesDeletion>().Produces<ApiErrorBody>(400).Produces<ApiErrorBody>(503);
    }

    private static async Task<IResult> GetAsync(string id, string? format, CacheWriter writer, CurrentMixture mixture, HttpContext context)
    {
        if (format is not (null or "png" or "webp" or "jpeg"))
            return ApiErrors.Result(ApiError.BadRequest("format", $"is \"{format}\"; png, webp or jpeg belongs here."));
        var (response, cancel) = (context.Response, context.RequestAborted);
        response.Headers.Vary = "Accept";
        if (!ImageId.IsId(id)) return NotFound(id);
        CacheEntry? entry = null;
        var stored = false;
        byte[]? png = null;
        try
        {
            var wantsJson = context.Request.GetTypedHeaders().Accept.Any(a => a.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase));
            if (wantsJson)
            {
                return Caller.Of(context).MayManage(ImageId.OwnerOf(id)) && await writer.EntryAsync(id, cancel) is ({ } known, _)
                    ? Results.Json(Provenance.Of(known), ProvenanceJson.Default.Provenance) : NotFound(id);
            }
            png = await writer.ReadAsync(id, forHit: false, cancel);
            (entry, stored) = await writer.EntryAsync(id, cancel);
        }
        catch (IOException) when (png is null)
        {
            return Unreadable;
        }
        catch (IOException)
        {
            // The picture is there; what it says of itself is not.
        }
        if (png is null) return NotFound(id);

        // Durable and a source for others, as opposed to one that still waits to be written.
        response.Headers["x-modm-cached"] = stored && entry is { IsSource: true } ? "true" : "false";
        // Whoever keeps a copy asks before each use: the image may be removed.
        response.Headers.CacheControl = "private, no-cache";
        var encoding = ImageAnswer.EncodingOf(format);
        if (entry is not null && encoding == ImageEncoding.Png && mixture.Now.Spec.Cache.PngText) png = Provenance.Of(entry).WriteInto(png);
        return Results.Bytes(ImageAnswer.Encode(png, encoding, null), ImageAnswer.MediaTypeOf(encoding),
            entityTag: new($"\"{id}-{format ?? "png"}\""));
    }

    private static async Task<IResult> DeleteAsync(
        string id, bool? descendants, CacheWriter writer, TimeProvider time, HttpContext context)
    {
        if (!ImageId.IsId(id) || !Caller.Of(context).MayManage(ImageId.OwnerOf(id))) return NotFound(id);
        var removal = new Removal(id, ImageId.OwnerOf(id), null, descendants == true, time.GetUtcNow().ToUnixTimeMilliseconds(), Caller.Of(context).IsAdmin);
        return await RemoveAsync(writer, removal, context) is not { } removed ? Unavailable
            : removed.Count == 0 ? NotFound(id) : Results.Json(new ImageDeletion(id, removed), ProvenanceJson.Default.ImageDeletion);
    }

    private static async Task<IResult> PurgeAsync(
        string? user, string? tenant, bool? descendants, CacheWriter writer, TimeProvider time, HttpContext context)
    {
        var caller = Caller.Of(context);
        if (string.IsNullOrEmpty(user) && string.IsNullOrEmpty(tenant))
            return ApiErrors.Result(ApiError.BadRequest("user", "is missing; say whose images to remove, with user or tenant."));
        if (caller.Tenant.Length == 0 && tenant is not null)
            return ApiErrors.Result(ApiError.BadRequest("tenant", "is given, but there are none without keys; say user."));
        if (tenant is not null && tenant != caller.Tenant && !caller.IsAdmin)
            return ApiErrors.Result(new ApiError(403, "Another tenant's images are removed with an admin key.", "invalid_request_error", "tenant", "not_allowed"));
        var removal = new Removal(null, tenant is null ? caller.Owner : Caller.HashOf(tenant), string.IsNullOrEmpty(user) ? null : Caller.HashOf(user),
            descendants == true, time.GetUtcNow().ToUnixTimeMilliseconds(), caller.IsAdmin);
        return await RemoveAsync(writer, removal, context) is { } removed
            ? Results.Json(new ImagesDeletion(removed.Count), ProvenanceJson.Default.ImagesDeletion) : Unavailable;
    }

    /// <returns>Null when the store did not do it, or not all of it.</returns>
    private static async Task<IReadOnlyList<string>?> RemoveAsync(CacheWriter writer, Removal removal, HttpContext context)
    {
        try
        {
            var removed = await writer.RemoveAsync(removal, context.RequestAborted);
            GatewayMetrics.CacheEvictions.WithLabels("removed").Inc(removed.Count);
            return removed;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static IResult Unavailable => ApiErrors.Result(new ApiError(
        503, "The cache's store did not do all of it. Ask again: what is done stays done.", "server_error", null, "store_unavailable")
    { RetryAfterSeconds = 1 });

    private static IResult Unreadable => ApiErrors.Result(new ApiError(
        503, "The cache's store does not answer now. Ask again.", "server_error", null, "store_unavailable")
    { RetryAfterSeconds = 1 });

    private static IResult NotFound(string id) => ApiErrors.Result(ApiError.NotFound(
        $"There is no image {id} of yours. Images live as long as they are cached, others an hour.", "id", "image_not_found"));
}

/// <param name="Removed">The image, and its descendants if they were asked for.</param>
internal sealed record ImageDeletion(string Id, IReadOnlyList<string> Removed)
{
    public string Object { get; } = "image";
    public bool Deleted { get; } = true;
}

internal sealed record ImagesDeletion(int Count)
{
    public string Object { get; } = "list";
    public bool Deleted { get; } = true;
}
