using System.Buffers.Binary;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using MoDM.Gateway.Cache;

namespace MoDM.Gateway.Images;

/// <summary>Where an image comes from: what <c>GET /v1/images/{id}</c> says as JSON, and a PNG in a text chunk.</summary>
internal sealed record Provenance
{
    public required string Id { get; init; }

    /// <summary>Hexadecimal; the prompt itself is not told.</summary>
    public required string PromptSha256 { get; init; }
    public required string Mixture { get; init; }
    public required string Model { get; init; }
    public string? ModelRevision { get; init; }
    public required long Seed { get; init; }
    public string? Sampler { get; init; }
    public required int Steps { get; init; }
    public required int SkippedSteps { get; init; }
    public double? GuidanceScale { get; init; }

    /// <summary>Cosine of the prompt to the source's embedding; absent for an image from noise.</summary>
    public double? Similarity { get; init; }
    public string? SourceImage { get; init; }

    /// <summary>The images that it goes back to, the nearest first, the one from noise last.</summary>
    public required IReadOnlyList<string> Lineage { get; init; }

    /// <summary>A start for other images.</summary>
    public required bool IsSource { get; init; }

    /// <summary>Unix seconds; not in a PNG, which is the same for the same picture.</summary>
    public long? Created { get; init; }

    /// <summary>The keyword of the chunk.</summary>
    public const string PngKeyword = "modm";

    public static Provenance Of(CacheEntry entry) => new()
    {
        Id = entry.Id,
        PromptSha256 = entry.PromptHash,
        Mixture = entry.Mixture,
        Model = entry.Model,
        ModelRevision = entry.Revision,
        Seed = entry.Seed,
        Sampler = entry.Sampler,
        Steps = entry.Steps,
        SkippedSteps = entry.SkippedSteps,
        GuidanceScale = entry.Guidance,
        Similarity = entry.Similarity,
        SourceImage = entry.Lineage.Count > 0 ? entry.Lineage[0] : null,
        Lineage = entry.Lineage,
        IsSource = entry.IsSource,
        Created = entry.Created / 1000,
    };

    /// <summary>As it goes with a picture to whoever gets to see it: an id is enough to fetch an image, so of others it has hashes.</summary>
    public Provenance InPublic() => this with
    {
        Created = null,
        SourceImage = SourceImage is null ? null : HashOf(SourceImage),
        Lineage = [.. Lineage.Select(HashOf)],
    };

    /// <summary>Whoever knows an id can check that it is this one.</summary>
    public static string HashOf(string id) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(id)));

    /// <summary>
    /// The PNG with <see cref="InPublic"/> in a tEXt chunk before its end (PNG, third edition, section 11.3.3.2); the JSON is plain
    /// ASCII.
    /// </summary>
    public byte[] WriteInto(ReadOnlySpan<byte> png)
    {
        const int Frame = 12; // Length, type and checksum of a chunk; IEND is nothing else.
        var json = JsonSerializer.SerializeToUtf8Bytes(InPublic(), ProvenanceJson.Default.Provenance);
        byte[] typed = [.. "tEXt"u8, .. Encoding.ASCII.GetBytes(PngKeyword), 0, .. json];
        var result = new byte[png.Length + typed.Length + Frame - 4];
        png[..^Frame].CopyTo(result);
        var chunk = result.AsSpan(png.Length - Frame);
        BinaryPrimitives.WriteInt32BigEndian(chunk, typed.Length - 4);
        typed.CopyTo(chunk[4..]);
        BinaryPrimitives.WriteUInt32BigEndian(chunk[(4 + typed.Length)..], Crc32.HashToUInt32(typed));
        png[^Frame..].CopyTo(result.AsSpan(result.Length - Frame));
        return result;
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Provenance))]
[JsonSerializable(typeof(ImageDeletion))]
[JsonSerializable(typeof(ImagesDeletion))]
internal sealed partial class ProvenanceJson : JsonSerializerContext;
