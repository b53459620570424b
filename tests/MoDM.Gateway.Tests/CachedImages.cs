using Microsoft.Extensions.Logging.Abstractions;
using MoDM.Gateway.Cache;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests;

/// <summary>Images for tests of caches: the i-th has a prompt, bytes and an embedding of its own.</summary>
internal static class CachedImages
{
    public const int Dimension = 128;

    public sealed record Settings
    {
        public int Capacity { get; init; } = 100;
        public CacheEviction Eviction { get; init; }
        public TimeSpan MaxAge { get; init; }
    }

    public static ImageCache Open(string folder, TimeProvider time, Settings? settings = null) =>
        ImageCache.Open(folder, () => Spec(settings ?? new()), time, NullLogger.Instance);

    public static CacheSpec Spec(Settings settings) => CacheSpec.None with
    {
        Capacity = settings.Capacity,
        Eviction = settings.Eviction,
        MaxAge = settings.MaxAge,
    };

    public static byte[] Bytes(int i) => [.. Enumerable.Range(0, 100).Select(n => (byte)(n * i)), (byte)i, (byte)(i >> 8)];

    public static string IdOf(int i, string owner = "") => ImageId.Of(owner, Bytes(i));

    public static float[] Vector(int i)
    {
        var random = new Random(i);
        var v = Enumerable.Range(0, Dimension).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
        var length = MathF.Sqrt(v.Sum(x => x * x));
        return [.. v.Select(x => x / length)];
    }

    public static (CacheEntry Entry, byte[] Bytes) Image(int i, string bucket = "bucket", string owner = "") => (new CacheEntry
    {
        Id = IdOf(i, owner),
        Bucket = bucket,
        Prompt = $"prompt {i}",
        Model = "m",
        Seed = i,
        Steps = 50,
        SkippedSteps = 0,
        Created = i,
        Bytes = 102,
        Vector = Vector(i),
    }, Bytes(i));

    /// <summary>The i-th image, refined from others: the nearest first.</summary>
    public static (CacheEntry Entry, byte[] Bytes) Refined(int i, params int[] from)
    {
        var (entry, bytes) = Image(i);
        return (entry with { Lineage = [.. from.Select(f => IdOf(f))], SkippedSteps = 10 }, bytes);
    }
}
