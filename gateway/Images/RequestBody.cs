using Microsoft.AspNetCore.Http.Features;
using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Gateway.Images;

/// <summary>Reads the bodies of the two image endpoints, within bounds, and names what is wrong with them.</summary>
internal static class RequestBody
{
    public const int MaxJson = 1 << 20;
    public const int MaxForm = 32 << 20;
    private const int MaxPixels = 4096 * 4096;

    private static readonly HashSet<string> NotForGenerations = ["skip_steps", "strength"];
    private static readonly HashSet<string> NotForEdits = ["skip_steps", "cache"];

    public static async Task<(ImageRequest? Request, ApiError? Error)> ReadGenerationAsync(HttpRequest request, CancellationToken cancel)
    {
        if (!request.HasJsonContentType())
            return (null, Errors.WrongContentType(request));
        if (request.ContentLength > MaxJson) return (null, TooLarge(MaxJson));
        using var body = new MemoryStream();
        var buffer = new byte[16 << 10];
        for (int read; (read = await request.Body.ReadAsync(buffer, cancel)) > 0;)
        {
            body.Write(buffer, 0, read);
            if (body.Length > MaxJson) return (null, TooLarge(MaxJson));
        }
        return ImageRequestReader.ReadJson(body.GetBuffer().AsSpan(0, (int)body.Length), NotForGenerations);
    }

    /// <returns>The request, and the picture as PNG in its own size.</returns>
    public static async Task<(ImageRequest? Request, byte[]? Picture, ApiError? Error)> ReadEditAsync(HttpRequest request, CancellationToken cancel)
    {
        if (!request.HasFormContentType)
            return (null, null, Errors.WrongContentType(request));
        if (request.ContentLength > MaxForm) return (null, null, TooLarge(MaxForm));
        IFormCollection form;
        try
        {
            form = await request.ReadFormAsync(new FormOptions { MultipartBodyLengthLimit = MaxForm, ValueLengthLimit = MaxJson, ValueCountLimit = 64 }, cancel);
        }
        catch (InvalidDataException e)
        {
            return (null, null, ApiError.BadRequest("body", $"is not a valid form: {e.Message}"));
        }

        var fields = form.SelectMany(f => f.Value.Select(v => KeyValuePair.Create(f.Key, v ?? "")));
        var (parsed, error) = ImageRequestReader.ReadForm(fields, NotForEdits);
        if (error is not null) return (null, null, error);
        if (form.Files.FirstOrDefault(f => f.Name is not ("image" or "image[]")) is { } other)
            return (null, null, ApiError.BadRequest(other.Name, "is a file that this endpoint cannot use; it takes one image, without a mask."));
        if (form.Files is not [var file])
            return (null, null, ApiError.BadRequest("image", form.Files.Count == 0 ? "is missing; send one file." : "is given more than once; one file is taken."));
        using var bytes = new MemoryStream();
        await file.CopyToAsync(bytes, cancel);
        try
        {
            // Decoded here, so that what is not a picture never takes a worker's time.
            return (parsed, RgbImage.Decode(bytes.ToArray(), MaxPixels).Encode(ImageEncoding.Png), null);
        }
        catch (ImageFormatException e)
        {
            return (null, null, ApiError.BadRequest("image", e.Message));
        }
    }

    private static ApiError TooLarge(int limit) => ApiError.TooLarge($"The body is larger than {limit >> 10} KiB.");
}
