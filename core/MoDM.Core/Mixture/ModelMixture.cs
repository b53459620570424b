using System.Text.Json;
using MoDM.Planning;

namespace MoDM.Mixture;

/// <summary>What a mixture makes.</summary>
public enum Modality { Image, Story }

/// <summary>The one document: which models serve under which name, and how the cache decides between them.</summary>
public sealed record ModelMixture(string Name, MixtureSpec Spec)
{
    public const string ApiVersion = "modm.dev/v1alpha1";
    public const string Kind = "ModelMixture";

    /// <summary>Empty where the document names none.</summary>
    public string Namespace { get; init; } = "";

    /// <summary>What no other mixture of the cluster is called: a namespace has no dot.</summary>
    public string FullName => Namespace.Length > 0 ? $"{Namespace}.{Name}" : Name;
}

public sealed record MixtureSpec
{
    public Modality Modality { get; init; }

    /// <summary>T, the denoising steps of a request that does not say its own; tokens of a text, in a Story mixture.</summary>
    public required int Steps { get; init; }

    /// <summary>The pool that draws misses. Of a Story mixture, whose large model is external, the first small one: it writes what falls back.</summary>
    public required WorkerPool Large { get; init; }

    /// <summary>A Story mixture's large model; null when it has none.</summary>
    public ExternalModel? External { get; init; }

    /// <summary>Address of the image mixture that illustrates a Story mixture's endings.</summary>
    public string? Illustrator { get; init; }

    /// <summary>Best quality first.</summary>
    public required IReadOnlyList<WorkerPool> Small { get; init; }

    /// <summary>What large and small replicas together never exceed; on one machine a "GPU" is one worker slot.</summary>
    public required int GpuBudget { get; init; }
    public required CacheSpec Cache { get; init; }
    public required SloSpec Slo { get; init; }

    /// <summary>Of the gateway, in a cluster.</summary>
    public PodSettings Gateway { get; init; } = PodSettings.None;

    /// <summary>Gateways in a cluster; more than one need a shared cache.</summary>
    public int GatewayReplicas { get; init; } = 1;

    /// <summary>Name and key of the Secret with the callers' hashed keys, in a cluster; null: the gateway is open.</summary>
    public (string Name, string Key)? CallerKeys { get; init; }

    /// <summary>Where the operator reads the load; null: the operator's own.</summary>
    public string? Prometheus { get; init; }

    public IEnumerable<WorkerPool> Pools => Small.Prepend(Large);

    /// <summary>Each pool, and where the document has it.</summary>
    public IEnumerable<(WorkerPool Pool, string Path)> PlacedPools => Pools.Select((pool, i) =>
        (pool, Modality == Modality.Story ? $"spec.small[{i}]" : i == 0 ? "spec.large" : $"spec.small[{i - 1}]"));
}

/// <summary>Which of OpenAI's APIs a model has.</summary>
public enum ExternalApi { Chat, Completions }

/// <summary>A model behind an OpenAI-compatible API. It has no workers here.</summary>
public sealed record ExternalModel
{
    public required string Name { get; init; }

    /// <summary>With the version, such as https://api.openai.com/v1.</summary>
    public required string BaseUrl { get; init; }

    /// <summary>As the API calls it.</summary>
    public required string Model { get; init; }
    public required ExternalApi Api { get; init; }

    /// <summary>Holds the key, and nothing else; null with <see cref="KeySecret"/> null too: the API wants none.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Name and key of a Secret, in a cluster.</summary>
    public (string Name, string Key)? KeySecret { get; init; }

    /// <summary>Of prompts and texts, each UTC day; 0: no limit.</summary>
    public required int TokensPerDay { get; init; }
}

/// <summary>The workers of one model.</summary>
public sealed record WorkerPool
{
    public required string Name { get; init; }

    /// <summary>Folder in the diffusers/optimum ONNX layout.</summary>
    public required string ModelPath { get; init; }

    /// <summary>A Kubernetes volume source that holds the folder; null: the image does.</summary>
    public JsonElement? Volume { get; init; }

    /// <summary>Classifier-free guidance for requests that do not say their own.</summary>
    public required double GuidanceScale { get; init; }
    public required int MinReplicas { get; init; }
    public required int MaxReplicas { get; init; }
    public required int GpusPerReplica { get; init; }
    public PodSettings Pod { get; init; } = PodSettings.None;
}

/// <summary>What a document says of pods; no part of it concerns a single machine.</summary>
public sealed record PodSettings
{
    public static readonly PodSettings None = new();

    /// <summary>Empty, as the other texts: the default.</summary>
    public string Image { get; init; } = "";
    public IReadOnlyList<string> Args { get; init; } = [];
    public string RuntimeClassName { get; init; } = "";
    public string PriorityClassName { get; init; } = "";
    public string SchedulerName { get; init; } = "";

    /// <summary>Parts of Kubernetes' own API, by name, as they are in the document.</summary>
    public IReadOnlyDictionary<string, JsonElement> Fields { get; init; } = new Dictionary<string, JsonElement>();
}

public enum CacheAdmit { All, Large }

/// <summary>Between whom images are reused.</summary>
public enum CacheSharing { Tenant, Mixture }

/// <summary>Which image leaves a full cache: the oldest, or the one that was not a source for the longest time.</summary>
public enum CacheEviction { Fifo, Lru }

public sealed record CacheSpec
{
    /// <summary>Of a mixture that makes no images.</summary>
    public static readonly CacheSpec None = new() { Capacity = 1, Admit = CacheAdmit.All, EmbedderPath = "", Hits = [] };

    /// <summary>Images, not bytes.</summary>
    public required int Capacity { get; init; }
    public required CacheAdmit Admit { get; init; }
    public required string EmbedderPath { get; init; }
    public JsonElement? EmbedderVolume { get; init; }

    /// <summary>A Kubernetes volume source for the images; null: they are gone with the gateway's pod.</summary>
    public JsonElement? Volume { get; init; }

    /// <summary>Null: the images are kept in the gateway itself.</summary>
    public SharedStore? Shared { get; init; }
    public CacheSharing Sharing { get; init; }
    public CacheEviction Eviction { get; init; }

    /// <summary>Zero: no limit.</summary>
    public TimeSpan MaxAge { get; init; }

    /// <summary>Images in a chain of refinements at most, the one from noise included, that are sources for others.</summary>
    public int MaxLineage { get; init; } = 2;
    public IReadOnlyList<PromptGuard> Guards { get; init; } = Enum.GetValues<PromptGuard>();

    /// <summary>What a request waits for a shared store at most.</summary>
    public TimeSpan LookUpDeadline { get; init; } = TimeSpan.FromMilliseconds(50);
    public QualitySpec Quality { get; init; } = new();

    /// <summary>PNGs say in a text chunk how they came about.</summary>
    public bool PngText { get; init; } = true;

    /// <summary>Ascending in both; a similarity below the first is a miss.</summary>
    public required IReadOnlyList<HitThreshold> Hits { get; init; }
}

/// <summary>The quality that hits must keep, beside what the large model would have drawn.</summary>
public sealed record QualitySpec
{
    /// <summary>Mean ratio of the CLIP scores, served to large; below it the hit thresholds move up.</summary>
    public double Floor { get; init; } = 0.95;

    /// <summary>Share of the hits that an idle large worker draws once more; 0: none.</summary>
    public double Sample { get; init; } = 0.05;
}

/// <summary>How a client gets an image that it asked for by URL.</summary>
public enum ImageUrls { Proxied, Presigned }

/// <summary>An index in Qdrant and images in S3, for any number of gateways.</summary>
public sealed record SharedStore
{
    /// <summary>Of its gRPC API.</summary>
    public required string QdrantUrl { get; init; }
    public required string Collection { get; init; }

    /// <summary>Holds the key, and nothing else; null with <see cref="QdrantKeySecret"/> null too: the server wants none.</summary>
    public string? QdrantKeyFile { get; init; }
    public (string Name, string Key)? QdrantKeySecret { get; init; }

    /// <summary>Empty: AWS' own, by the region.</summary>
    public required string S3Endpoint { get; init; }
    public required string Region { get; init; }
    public required string Bucket { get; init; }

    /// <summary>Before the names of objects.</summary>
    public required string Prefix { get; init; }

    /// <summary>Name of the Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in a cluster; empty: the environment's.</summary>
    public required string CredentialsSecret { get; init; }
    public required ImageUrls Urls { get; init; }

    /// <summary>All of it as texts, by the document's names. A gateway keeps to what it has opened: another text needs another gateway.</summary>
    public IEnumerable<(string Field, string Text)> Settings =>
    [
        ("qdrant.url", QdrantUrl), ("qdrant.collection", Collection), ("qdrant.apiKeyFile", QdrantKeyFile ?? ""),
        ("qdrant.apiKeySecret", QdrantKeySecret is var (name, key) ? $"{name}/{key}" : ""),
        ("s3.endpoint", S3Endpoint), ("s3.region", Region), ("s3.bucket", Bucket), ("s3.prefix", Prefix),
        ("s3.credentialsSecret", CredentialsSecret), ("s3.urls", Urls.ToString()),
    ];
}

/// <summary>From this cosine on, this share of the schedule is skipped (k / T), arXiv 2503.11972, section 4.</summary>
public readonly record struct HitThreshold(double Similarity, double Skip);

public sealed record SloSpec
{
    /// <summary>From a request's arrival to its image.</summary>
    public required TimeSpan Latency { get; init; }

    /// <summary>Of the requests, the share in percent that is to stay within <see cref="Latency"/>.</summary>
    public double Percentile { get; init; } = 99;
    public SloObjective Objective { get; init; } = SloObjective.Quality;

    /// <summary>How far the planner may go down the ladder before it refuses requests.</summary>
    public DegradeStep Degrade { get; init; } = DegradeStep.SmallForMisses;
}

/// <summary>What the planner makes of the GPUs beyond what the SLO needs.</summary>
public enum SloObjective
{
    /// <summary>As many large workers as the load allows, the rest of the budget small: most images by the large model.</summary>
    Quality,

    /// <summary>The split of the budget that draws the most images.</summary>
    Throughput,

    /// <summary>As few GPUs as keep the SLO.</summary>
    Cost,
}
