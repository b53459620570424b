using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using MoDM.Api;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Images;
using MoDM.Mixture;
using MoDM.Onnx;

namespace MoDM.Gateway.Importing;

/// <summary>A picture that is ready to be written; without an entry one that is there already, or that is unfit.</summary>
internal sealed record Prepared(string Place)
{
    public CacheEntry? Entry { get; init; }
    public byte[] Bytes { get; init; } = [];
    public string Size { get; init; } = "";
    public Unfit? Unfit { get; init; }
}

/// <summary>Makes entries of pictures. Safe for concurrent use.</summary>
internal sealed class Preparation(IImageCache cache, ClipEmbedder embedder, ImportOptions options, TimeProvider time)
{
    private const long MaxBytes = 64 << 20;

    private static ReadOnlySpan<byte> PngStart => [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>The chunk IEND, with its length and checksum.</summary>
    private static ReadOnlySpan<byte> PngEnd => [0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82];

    private readonly ConcurrentDictionary<string, bool> _begun = new();
    private readonly MixtureSpec _spec = options.Mixture.Spec;
    private readonly string _owner = Caller.HashOf(options.Tenant);

    /// <summary>Several at once, for the embedder's sake.</summary>
    /// <returns>One for each, in their order.</returns>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    public async Task<Prepared[]> PrepareAsync(IReadOnlyList<Listed> listed, CancellationToken cancel)
    {
        // Side by side where a store has to be asked for each.
        var read = await Task.WhenAll(listed.Select(l => ReadAsync(l, cancel)));
        var fresh = read.Where(r => r.Pixels is not null).Select(r => r.Pixels!).ToList();
        if (fresh.Count == 0) return [.. read.Select(r => r.Prepared)];
        var vectors = new Queue<float[]>(embedder.EmbedImages(fresh));
        return [.. read.Select(r => r.Pixels is null ? r.Prepared : r.Prepared with { Entry = r.Prepared.Entry! with { Vector = vectors.Dequeue() } })];
    }

    /// <returns>With what the embedder reads of it, one that is still to be embedded: large pictures are not held until the others are read.</returns>
    private async Task<(Prepared Prepared, float[]? Pixels)> ReadAsync(Listed listed, CancellationToken cancel)
    {
        try
        {
            return listed.Picture is { } picture
                ? await ReadAsync(listed.Place, picture, cancel) : (new Prepared(listed.Place) { Unfit = listed.Unfit }, null);
        }
        catch (ImageFormatException e)
        {
            return Unfit(listed.Place, "not a picture", $"{listed.Path} {e.Message}");
        }
        catch (Exception e) when (e is IOException and not StoreUnavailableException or UnauthorizedAccessException)
        {
            return Unfit(listed.Place, "not readable", e.Message);
        }
    }

    private async Task<(Prepared, float[]?)> ReadAsync(string place, Picture picture, CancellationToken cancel)
    {
        // 1. The bytes as they are kept, and so the name.
        if (new FileInfo(picture.Path) is var file && !file.Exists) return Unfit(place, "no such picture", $"{picture.Path} is not there.");
        if (file.Length > MaxBytes) return Unfit(place, "not a picture", $"{picture.Path} has {file.Length} bytes; at most {MaxBytes} are taken.");
        var png = File.ReadAllBytes(picture.Path);
        RgbImage? decoded = null;
        if (!IsPng(png)) (decoded, png) = Encode(png);
        var id = ImageId.Of(_owner, png);
        if (await cache.EntryAsync(id, cancel) is { IsSource: true }) return (new Prepared(place), null);

        // 2. What is said of it.
        var prompt = picture.Prompt ?? Beside(picture.Path);
        if (string.IsNullOrWhiteSpace(prompt))
            return Unfit(place, "no prompt", "has no prompt: neither a line of a metadata.jsonl nor a .txt file beside it says what it shows.");
        if (prompt.Length > ImageRequestReader.MaxPromptLength)
            return Unfit(place, "prompt too long", $"has a prompt of {prompt.Length} characters; at most {ImageRequestReader.MaxPromptLength} are taken.");
        var (model, steps) = (picture.Model ?? options.Model, picture.Steps ?? _spec.Steps);
        // Somebody chose these pictures; where small models' are kept out, only those that say to be theirs are.
        var isSmall = _spec.Small.Any(p => p.Name == model);
        var admission = CacheAdmission.Decide(
            new(CacheMode.Auto, !isSmall, steps, _spec.Steps, embedder.Truncates(prompt), IsEdit: false, Depth: 0), _spec.Cache.Admit, _spec.Cache.MaxLineage);
        if (!admission.Admit) return Unfit(place, "not admitted", $"is kept out: {admission.Reason}.");
        if (!_begun.TryAdd(id, true)) return (new Prepared(place), null);

        // 3. Its entry; only the embedding is left.
        decoded ??= RgbImage.Decode(png);
        var size = $"{decoded.Width}x{decoded.Height}";
        return (new Prepared(place)
        {
            Bytes = png,
            Size = size,
            Entry = new CacheEntry
            {
                Id = id,
                Bucket = ImagePlan.BucketOf(
                    _spec.Cache.Sharing == CacheSharing.Tenant ? _owner : "", embedder.Revision, size, picture.NegativePrompt, guidance: null),
                Prompt = prompt,
                PromptHash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(prompt))),
                Mixture = options.Mixture.Name,
                Model = model,
                Seed = picture.Seed ?? 0,
                Steps = steps,
                SkippedSteps = 0,
                User = Caller.HashOf(picture.User ?? ""),
                Created = time.GetUtcNow().ToUnixTimeMilliseconds(), // Not the file's: what is the oldest leaves first.
                Bytes = png.Length,
            },
        }, embedder.Preprocess(decoded));
    }

    private static (Prepared, float[]?) Unfit(string place, string kind, string detail) =>
        (new Prepared(place) { Unfit = new Unfit(kind, detail) }, null);

    /// <summary>A whole one, with nothing behind its end.</summary>
    private static bool IsPng(ReadOnlySpan<byte> bytes) => bytes.StartsWith(PngStart) && bytes.EndsWith(PngEnd);

    private static (RgbImage, byte[]) Encode(byte[] bytes)
    {
        var decoded = RgbImage.Decode(bytes);
        return (decoded, decoded.Encode(ImageEncoding.Png));
    }

    /// <returns>Null when there is no such file.</returns>
    private static string? Beside(string picture) =>
        Path.ChangeExtension(picture, ".txt") is var file && File.Exists(file) ? File.ReadAllText(file).Trim() : null;
}
