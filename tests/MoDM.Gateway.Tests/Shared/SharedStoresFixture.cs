using Amazon.S3;
using Microsoft.Extensions.Logging.Abstractions;
using MoDM.Fakes;
using MoDM.Gateway.Cache;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>
/// A Qdrant (the fake: its faults are needed) and a bucket of a real S3 server, behind a proxy that can be cut. One of its own
/// for each test.
/// </summary>
public sealed class SharedStoresFixture : IAsyncDisposable
{
    private readonly List<SharedCache> _caches = [];
    private readonly AmazonS3Client _s3;

    private SharedStoresFixture(FakeQdrant qdrant, TcpProxy s3Way, AmazonS3Client s3, string bucket) =>
        (Qdrant, S3Way, _s3, Bucket) = (qdrant, s3Way, s3, bucket);

    public FakeQdrant Qdrant { get; }
    public TcpProxy S3Way { get; }
    public string Bucket { get; }
    internal CacheSpec Spec { get; set; } = CacheSpec.None with { Capacity = 1000, LookUpDeadline = TimeSpan.FromSeconds(10) };

    public static string? S3 => Environment.GetEnvironmentVariable("MODM_TEST_S3");

    public static async Task<SharedStoresFixture> StartAsync()
    {
        Assert.SkipUnless(S3 is not null, "needs an S3 server: MODM_TEST_S3 with its address, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        var bucket = $"modm-{Guid.NewGuid():N}";
        var s3 = S3Images.Connect(S3!, "us-east-1", TimeSpan.FromSeconds(30));
        await s3.PutBucketAsync(bucket, TestContext.Current.CancellationToken);
        return new SharedStoresFixture(await FakeQdrant.StartAsync(), TcpProxy.Start(new Uri(S3!)), s3, bucket);
    }

    /// <summary>The cache as one more gateway has it.</summary>
    internal async Task<SharedCache> OpenAsync(TimeProvider? time = null, int dimension = CachedImages.Dimension)
    {
        var cache = SharedStores.Open("postcards", Store, null, dimension, () => Spec, time ?? TimeProvider.System, NullLogger.Instance);
        _caches.Add(cache);
        await cache.StartAsync(TimeSpan.FromSeconds(5));
        return cache;
    }

    internal SharedStore Store => new()
    {
        QdrantUrl = Qdrant.Address.AbsoluteUri,
        Collection = "",
        S3Endpoint = S3Way.Address.AbsoluteUri.TrimEnd('/'),
        Region = "us-east-1",
        Bucket = Bucket,
        Prefix = "",
        CredentialsSecret = "",
        Urls = ImageUrls.Proxied,
    };

    /// <summary>What is in the bucket.</summary>
    public async Task<List<string>> ObjectsAsync()
    {
        var all = new List<string>();
        var request = new Amazon.S3.Model.ListObjectsV2Request { BucketName = Bucket };
        do
        {
            var page = await _s3.ListObjectsV2Async(request, CancellationToken.None);
            all.AddRange((page.S3Objects ?? []).Select(o => o.Key));
            request.ContinuationToken = page.NextContinuationToken;
        }
        while (request.ContinuationToken is not null);
        return all;
    }

    public async Task PutAsync(string key, byte[] bytes)
    {
        using var content = new MemoryStream(bytes);
        await _s3.PutObjectAsync(new() { BucketName = Bucket, Key = key, InputStream = content }, TestContext.Current.CancellationToken);
    }

    public Task DeleteAsync(string key) => _s3.DeleteObjectAsync(Bucket, key, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (var cache in _caches) cache.Dispose();
        await S3Way.DisposeAsync();
        await Qdrant.DisposeAsync();
        foreach (var key in await ObjectsAsync())
            await _s3.DeleteObjectAsync(Bucket, key);
        await _s3.DeleteBucketAsync(Bucket);
        _s3.Dispose();
    }
}
