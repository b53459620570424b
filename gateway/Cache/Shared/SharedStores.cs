using MoDM.Mixture;
using Qdrant.Client;

namespace MoDM.Gateway.Cache;

/// <summary>Puts together the cache that a document's <c>cache.store.shared</c> describes.</summary>
internal static class SharedStores
{
    /// <summary>For what is no look-up: a request waits for none of it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <param name="keyFile">Holds Qdrant's API key, instead of the document's file; null: that one, if there is one.</param>
    /// <exception cref="StoreMismatchException">The key cannot be read.</exception>
    public static SharedCache Open(
        string mixture, SharedStore store, string? keyFile, int dimension, Func<CacheSpec> spec, TimeProvider time, ILogger log)
    {
        var (indexHealth, imagesHealth) = (new StoreHealth("Qdrant", () => spec().LookUpDeadline), new StoreHealth("S3", () => spec().LookUpDeadline));
        var key = (keyFile ?? store.QdrantKeyFile) is { } file ? ReadKey(file) : null;
        var index = new QdrantIndex(
            new QdrantClient(new Uri(store.QdrantUrl), key, Patience), store.Collection.Length > 0 ? store.Collection : $"modm-{mixture}", dimension, indexHealth);
        var images = new S3Images(
            S3Images.Connect(store.S3Endpoint, store.Region, Patience), store.Bucket, store.Prefix.Length > 0 ? store.Prefix : $"{mixture}/", imagesHealth);
        return new SharedCache(index, indexHealth, images, imagesHealth, spec, time, log);
    }

    private static string ReadKey(string file)
    {
        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreMismatchException($"Qdrant's API key cannot be read: {e.Message}");
        }
    }
}
