using System.Text.Json.Serialization;

namespace MoDM.Gateway.Cache;

/// <summary>What is known of one final image; its pixels are kept apart, under the same id.</summary>
internal sealed record CacheEntry
{
    /// <summary><see cref="ImageId.Of"/>.</summary>
    public required string Id { get; init; }

    /// <summary>Only entries of an equal bucket are ever compared: partition, embedder revision, size, negative prompt, guidance class.</summary>
    public required string Bucket { get; init; }

    /// <summary>A start for other images; one that is not is kept for whoever has its URL.</summary>
    public bool IsSource { get; init; } = true;

    /// <summary>As it was sent, for the guards; empty for an image that is no source.</summary>
    public required string Prompt { get; init; }

    /// <summary>SHA-256 in hexadecimal.</summary>
    public string PromptHash { get; init; } = "";
    public string Mixture { get; init; } = "";
    public required string Model { get; init; }
    public string? Revision { get; init; }
    public string? Sampler { get; init; }
    public double? Guidance { get; init; }
    public required long Seed { get; init; }
    public required int Steps { get; init; }
    public required int SkippedSteps { get; init; }

    /// <summary>Of the prompt to the source's embedding; null for an image from noise.</summary>
    public double? Similarity { get; init; }

    /// <summary>The images that this one goes back to, the nearest first, the one from noise last. Its length is the depth.</summary>
    public IReadOnlyList<string> Lineage { get; init; } = [];

    /// <summary>Hash of the request's <c>user</c>; empty when it named none.</summary>
    public string User { get; init; } = "";

    /// <summary>Milliseconds since 1970.</summary>
    public required long Created { get; init; }

    /// <summary>Size of the encoded image.</summary>
    public required int Bytes { get; init; }

    /// <summary>The image's embedding, of unit length; none for an image that is no source.</summary>
    [JsonIgnore]
    public float[] Vector { get; init; } = [];

    [JsonIgnore]
    public string Owner => ImageId.OwnerOf(Id);
}

internal readonly record struct CacheMatch(CacheEntry Entry, double Similarity);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CacheEntry))]
internal sealed partial class CacheJson : JsonSerializerContext;
