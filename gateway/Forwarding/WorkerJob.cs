using System.Net.Http.Headers;
using System.Text.Json;
using MoDM.Api;

namespace MoDM.Gateway.Forwarding;

/// <summary>One image for a worker: what to draw, and the picture to start from when there is one.</summary>
/// <param name="Request">With prompt, seed, steps, guidance and size set; n is 1.</param>
/// <param name="Source">Encoded picture; null draws from noise.</param>
internal sealed record WorkerJob(ImageRequest Request, byte[]? Source)
{
    /// <summary>Nobody waits for it, so that it makes way for any other.</summary>
    public bool InBackground { get; init; }

    public string Path => Source is null ? "/v1/images/generations" : "/v1/images/edits";

    /// <summary>The HTTP body: JSON, or a form when there is a picture, as the OpenAI Images API has it.</summary>
    public (byte[] Body, string ContentType) ToBody()
    {
        if (Source is null)
            return (JsonSerializer.SerializeToUtf8Bytes(Request, ApiJson.Default.ImageRequest), "application/json");

        using var form = new MultipartFormDataContent();
        foreach (var field in JsonSerializer.SerializeToElement(Request, ApiJson.Default.ImageRequest).EnumerateObject())
            form.Add(new StringContent(field.Value.ToString().ToJsonFlag(field.Value.ValueKind)), field.Name);
        var picture = new ByteArrayContent(Source);
        picture.Headers.ContentType = new MediaTypeHeaderValue("image/png");
        form.Add(picture, "image", "source.png");
        using var stream = new MemoryStream();
        form.CopyTo(stream, null, CancellationToken.None);
        return (stream.ToArray(), form.Headers.ContentType!.ToString());
    }
}

file static class FormText
{
    /// <summary>JsonElement.ToString says "True"; the form says "true".</summary>
    public static string ToJsonFlag(this string text, JsonValueKind kind) =>
        kind is JsonValueKind.True or JsonValueKind.False ? text.ToLowerInvariant() : text;
}

/// <summary>How an attempt on a worker ended.</summary>
internal enum WorkerOutcome
{
    Completed,

    /// <summary>It draws for somebody else; the image keeps its place in the queue.</summary>
    Busy,

    /// <summary>It could not be reached, or does not serve: nothing was begun.</summary>
    Absent,

    /// <summary>The connection was lost while it drew: another worker can try.</summary>
    Lost,

    /// <summary>Nothing came from it for longer than the mixture allows.</summary>
    Silent,

    /// <summary>It answered with an error of its own.</summary>
    Refused,
}

internal sealed record WorkerAnswer(WorkerOutcome Outcome)
{
    /// <summary>PNG bytes of a completed image.</summary>
    public byte[] Image { get; init; } = [];
    public ImagePart? Part { get; init; }
    public ApiError? Error { get; init; }
}
