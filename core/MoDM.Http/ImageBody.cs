using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Http;

/// <summary>Reads the bodies of the two image endpoints, within bounds, and names what is wrong with them.</summary>
public static class ImageBody
{
    public const int MaxForm = 32 << 20;

    /// <param name="refused">Fields that this endpoint does not have.</param>
    public static async Task<(ImageRequest? Request, ApiError? Error)> ReadJsonAsync(HttpContext context, IReadOnlySet<string> refused)
    {
        var (body, error) = await JsonBody.ReadAsync(context, JsonBody.Max);
        return error is null ? ImageRequestReader.ReadJson(body.Span, refused) : (null, error);
    }

    /// <summary>A form with one file, <c>image</c>, which is decoded here: what is no picture goes no further.</summary>
    public static async Task<(ImageRequest? Request, RgbImage? Picture, ApiError? Error)> ReadFormAsync(
        HttpContext context, IReadOnlySet<string> refused)
    {
        if (JsonBody.Exceeds(context, MaxForm) is { } tooLarge)
            return (null, null, tooLarge);
        if (context.Request.ContentType?.StartsWith("multipart/form-data", StringComparison.OrdinalIgnoreCase) != true)
            return (null, null, ApiErrors.WrongContentType(context.Request));
        IFormCollection form;
        try
        {
            // All of it stays in memory: the bound is small, and a container may have no writable disk.
            form = await new FormFeature(context.Request, new FormOptions
            {
                MemoryBufferThreshold = MaxForm,
                MultipartBodyLengthLimit = MaxForm,
                ValueLengthLimit = 4 * ImageRequestReader.MaxPromptLength,
            }).ReadFormAsync(context.RequestAborted);
        }
        catch (InvalidDataException e)
        {
            return (null, null, ApiError.BadRequest("body", $"is not readable as multipart/form-data: {e.Message}"));
        }
        catch (IOException e) when (e is not BadHttpRequestException && !context.RequestAborted.IsCancellationRequested)
        {
            return (null, null, ApiError.BadRequest("body", $"ends before the form does: {e.Message}"));
        }

        var (request, error) = ImageRequestReader.ReadForm(
            form.SelectMany(f => f.Value.Select(v => KeyValuePair.Create(f.Key, v ?? ""))), refused);
        if (error is not null)
            return (null, null, error);
        if (form.Files.FirstOrDefault(f => f.Name is not ("image" or "image[]")) is { } other)
        {
            return (null, null, ApiError.BadRequest(
                other.Name, "is a file that cannot be honoured here; send one file, image, and no mask."));
        }
        if (form.Files.Count != 1)
            return (null, null, ApiError.BadRequest("image", $"is needed once, as a file; there are {form.Files.Count}."));
        try
        {
            using var bytes = new MemoryStream();
            await form.Files[0].CopyToAsync(bytes, context.RequestAborted);
            return (request, RgbImage.Decode(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)), null);
        }
        catch (ImageFormatException e)
        {
            return (null, null, ApiError.BadRequest("image", e.Message));
        }
    }
}
