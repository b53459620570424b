using System.Net;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace MoDM.Gateway.Cache;

/// <summary>The images of all gateways, as objects named by <see cref="ImageId"/>. An object appears whole or not at all.</summary>
internal sealed class S3Images(IAmazonS3 client, string bucket, string prefix, StoreHealth health) : IDisposable
{
    private const string Extension = ".png";

    /// <param name="endpoint">Empty: AWS' own.</param>
    public static AmazonS3Client Connect(string endpoint, string region, TimeSpan timeout)
    {
        var config = new AmazonS3Config
        {
            AuthenticationRegion = region,
            Timeout = timeout,
            MaxErrorRetry = 1,
            // Servers other than AWS refuse the checksums that the SDK sends of itself.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (endpoint.Length > 0) (config.ServiceURL, config.ForcePathStyle) = (endpoint, true);
        else config.RegionEndpoint = Amazon.RegionEndpoint.GetBySystemName(region);
        return new AmazonS3Client(config);
    }

    /// <exception cref="StoreMismatchException">The bucket is not there.</exception>
    public async Task CheckAsync(CancellationToken cancel)
    {
        try
        {
            await client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = bucket, Prefix = prefix, MaxKeys = 1 }, cancel);
        }
        catch (AmazonS3Exception e) when (e.ErrorCode == "NoSuchBucket")
        {
            throw new StoreMismatchException($"There is no S3 bucket {bucket}. Make it, or name another with cache.store.shared.s3.bucket.");
        }
    }

    /// <summary>What is there already is written once more: its name says that it is the same, and for the sweep it is new.</summary>
    /// <param name="mayBeLate">That it takes longer than somebody waits says nothing of the store.</param>
    public Task WriteAsync(string id, byte[] bytes, CancellationToken cancel, bool mayBeLate = false) => health.AskAsync(async () =>
    {
        using var content = new MemoryStream(bytes, writable: false);
        await client.PutObjectAsync(
            new PutObjectRequest { BucketName = bucket, Key = KeyOf(id), InputStream = content, ContentType = "image/png" }, cancel);
        return true;
    }, cancel, mayBeLate);

    /// <returns>Null when there is no such object, or not one of these bytes.</returns>
    public Task<byte[]?> ReadAsync(string id, CancellationToken cancel) => health.AskAsync<byte[]?>(async () =>
    {
        try
        {
            using var answer = await client.GetObjectAsync(bucket, KeyOf(id), cancel);
            using var bytes = new MemoryStream((int)Math.Max(answer.ContentLength, 0));
            await answer.ResponseStream.CopyToAsync(bytes, cancel);
            var image = bytes.ToArray();
            return ImageId.Names(id, image) ? image : null;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }, cancel);

    public async Task<bool> ExistsAsync(string id, CancellationToken cancel) => await health.AskAsync(async () =>
    {
        try
        {
            await client.GetObjectMetadataAsync(bucket, KeyOf(id), cancel);
            return true;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return false;
        }
    }, cancel);

    public Task DeleteAsync(IEnumerable<string> ids, CancellationToken cancel) => Parallel.ForEachAsync(ids, cancel,
        async (id, stop) => await health.AskAsync(() => client.DeleteObjectAsync(bucket, KeyOf(id), stop), stop));

    /// <summary>All ids, with the time of writing.</summary>
    public async Task<Dictionary<string, DateTimeOffset>> AllAsync(CancellationToken cancel)
    {
        var all = new Dictionary<string, DateTimeOffset>();
        var request = new ListObjectsV2Request { BucketName = bucket, Prefix = prefix };
        ListObjectsV2Response page;
        do
        {
            page = await health.AskAsync(() => client.ListObjectsV2Async(request, cancel), cancel);
            foreach (var item in page.S3Objects ?? [])
            {
                var id = item.Key[prefix.Length..];
                if (id.EndsWith(Extension, StringComparison.Ordinal) && ImageId.IsId(id[..^Extension.Length]))
                    all[id[..^Extension.Length]] = item.LastModified ?? DateTimeOffset.MaxValue;
            }
            request.ContinuationToken = page.NextContinuationToken;
        }
        while (page.IsTruncated == true);
        return all;
    }

    /// <summary>An address that works without credentials for a while.</summary>
    public string SignedUrl(string id, DateTime until) => client.GetPreSignedURL(new GetPreSignedUrlRequest
    {
        BucketName = bucket,
        Key = KeyOf(id),
        Expires = until,
        Protocol = client.Config.ServiceURL?.StartsWith("http://", StringComparison.Ordinal) == true ? Protocol.HTTP : Protocol.HTTPS,
    });

    public void Dispose() => client.Dispose();

    private string KeyOf(string id) => prefix + id + Extension;
}
