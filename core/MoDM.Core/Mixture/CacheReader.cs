using System.Text.Json;

namespace MoDM.Mixture;

/// <summary>Reads <c>spec.cache</c>.</summary>
internal static class CacheReader
{
    private static readonly TimeSpan LongestAge = TimeSpan.FromDays(3650);

    private static readonly TextRule BucketRule = new("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "the name of an S3 bucket belongs here.", MaxLength: 63);
    private static readonly TextRule CollectionRule = new("^[A-Za-z0-9._-]*$", "letters, digits, dots, dashes and underscores belong here.", MaxLength: 200);

    public static CacheSpec Read(DocumentCursor cache)
    {
        var (path, volume) = MixtureReader.ReadFolder(cache.Object("embedder", about: "The CLIP model that compares prompts with images."),
            "Folder with text_model.onnx, vision_model.onnx, tokenizer/ and preprocessor_config.json.");
        var store = cache.Object("store", required: false, about: "Where the images are kept.");
        var embedded = store.Object("embedded", required: false, about: "In the gateway itself; the default.");
        var cacheVolume = embedded.Raw("volume", JsonValueKind.Object,
            "Any Kubernetes volume source, such as a persistentVolumeClaim; without one the cache is gone with the gateway's pod.");
        embedded.Close();
        var shared = ReadShared(store.Object("shared", required: false, about: "Outside, for any number of gateways: the index in Qdrant, the images in S3."));
        if (embedded.Value is not null && shared is not null && !store.IsSchema) store.Report("shared", "is given beside embedded; images are in one of them: leave the other out.");
        store.Close();
        var result = new CacheSpec
        {
            Capacity = cache.Whole("capacity", 1, 10_000_000, "Images, not bytes.", 100_000),
            Admit = cache.OneOf("admit", CacheAdmit.All, "Which images become sources for others: all, or only the large model's."),
            EmbedderPath = path,
            EmbedderVolume = volume,
            Volume = cacheVolume,
            Shared = shared,
            Sharing = cache.OneOf("sharing", CacheSharing.Tenant, "Between whom images are reused: the callers of a tenant, or all."),
            Guards = cache.SomeOf<PromptGuard>("guards", "What a cached image's prompt may not differ in: of these, the ones listed."),
            Eviction = cache.OneOf("eviction", CacheEviction.Fifo, "Which image leaves a full cache: the oldest, or the least recently used as a source."),
            MaxAge = cache.Duration("maxAge", TimeSpan.Zero, LongestAge, "0s", "How long an image is kept; 0s is no limit."),
            MaxLineage = cache.Whole("maxLineage", 1, 100,
                "Images in a chain of refinements, the one from noise included, that are sources for others.", 2),
            LookUpDeadline = cache.Duration("lookUpDeadline", TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(10), "50ms",
                "What a request waits for a shared store at most; after that it is a miss."),
            Quality = ReadQuality(cache.Object("quality", required: false, about: "What hits are measured by.")),
            PngText = cache.Flag("pngText", true, "PNGs say in a text chunk how they came about."),
            Hits = [.. cache.List("hits", 32, "Ascending in both: from this similarity on, this share of the steps is skipped.").Select(ReadThreshold)],
        };
        cache.Close();
        return result;
    }

    private static SharedStore? ReadShared(DocumentCursor shared)
    {
        var present = shared.Value is not null || shared.IsSchema;
        var qdrant = shared.Object("qdrant", about: "The index.");
        var (keyFile, keySecret) = MixtureReader.ReadKey(qdrant);
        var s3 = shared.Object("s3", about: "The images.");
        var result = new SharedStore
        {
            QdrantUrl = qdrant.Text("url", "Of its gRPC API, such as http://qdrant:6334.", rule: MixtureReader.HttpRule),
            Collection = qdrant.Text("collection", "Made when it is not there; by default modm-, the namespace, a dot and the mixture's name. No two mixtures may share one.", "", CollectionRule),
            QdrantKeyFile = keyFile,
            QdrantKeySecret = keySecret,
            S3Endpoint = s3.Text("endpoint", "Of a server other than AWS, such as http://minio:9000.", "", MixtureReader.HttpRule),
            Region = s3.Text("region", "That requests are signed for.", "us-east-1"),
            Bucket = s3.Text("bucket", "It has to be there.", rule: BucketRule),
            Prefix = s3.Text("prefix", "Before the names of objects; by default the namespace, a dot, the mixture's name and a slash. No two mixtures may share one.", ""),
            CredentialsSecret = s3.Text("credentialsSecret",
                "The Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in a cluster; without one the AWS SDK finds them (environment, role).", "", MixtureReader.SecretRule),
            Urls = s3.OneOf("urls", ImageUrls.Proxied, "How a client gets an image by URL: through the gateways, or from S3 by a signed URL."),
        };
        qdrant.Close();
        s3.Close();
        shared.Close();
        return present ? result : null;
    }

    private static QualitySpec ReadQuality(DocumentCursor quality)
    {
        var result = new QualitySpec
        {
            Floor = quality.Number("floor", 0, 1,
                "Mean ratio of CLIP scores, hits to what the large model draws instead; below it the similarity thresholds move up.", 0.95),
            Sample = quality.Number("sample", 0, 1, "Share of the hits that a large worker with nothing to do draws once more, to compare.", 0.05),
        };
        quality.Close();
        return result;
    }

    private static HitThreshold ReadThreshold(DocumentCursor hit)
    {
        var result = new HitThreshold(
            hit.Number("similarity", -1, 1, "Cosine between the prompt's and the cached image's embedding."),
            hit.Number("skip", 0.001, 0.999, "k / T, the share of the schedule that the cached image stands in for."));
        hit.Close();
        return result;
    }
}
