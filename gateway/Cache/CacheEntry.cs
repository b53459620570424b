using System.Text.Json.Serialization;

namespace MoDM.Gateway.Cache;

/// <summary>What the cache knows of one final image; its pixels are in <see cref="ImageFiles"/> under the same id.</summary>
internal sealed record CacheEntry
{
    /// <summary>From the image's bytes: <see cref="ImageFiles.IdOf"/>.</summary>
    public required string Id { get; init; }

    /// <summary>Only entries of an equal bucket are ever compared: embedder revision, size, negative prompt.</summary>
    public required string Bucket { get; init; }
    public required string Prompt { get; init; }
    public required string Model { get; init; }
    public required long Seed { get; init; }
    public required int Steps { get; init; }
    public required int SkippedSteps { get; init; }
    public string? SourceId { get; init; }

    /// <summary>0 for an image from noise, 1 for one refined from it, and so on.</summary>
    public required int Depth { get; init; }

    /// <summary>Milliseconds since 1970.</summary>
    public required long Created { get; init; }

    /// <summary>Size of the encoded image.</summary>
    public required int Bytes { get; init; }

    /// <summary>The image's embedding, of unit length.</summary>
    [JsonIgnore]
    public float[] Vector { get; init; } = [];
}

internal readonly record struct CacheMatch(CacheEntry Entry, double Similarity);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CacheEntry))]
internal sealed partial class CacheJson : JsonSerializerContext;
