using System.Text.Json;
using MoDM.Planning;

namespace MoDM.Mixture;

/// <summary>What a mixture makes.</summary>
public enum Modality { Image }

/// <summary>The one document: which models serve under which name, and how the cache decides between them.</summary>
public sealed record ModelMixture(string Name, MixtureSpec Spec)
{
    public const string ApiVersion = "modm.dev/v1alpha1";
    public const string Kind = "ModelMixture";
}

public sealed record MixtureSpec
{
    public Modality Modality { get; init; }

    /// <summary>T, the denoising steps of a request that does not say its own.</summary>
    public required int Steps { get; init; }
    public required WorkerPool Large { get; init; }

    /// <summary>Best quality first.</summary>
    public required IReadOnlyList<WorkerPool> Small { get; init; }

    /// <summary>What large and small replicas together never exceed; on one machine a "GPU" is one worker slot.</summary>
    public required int GpuBudget { get; init; }
    public required CacheSpec Cache { get; init; }
    public required SloSpec Slo { get; init; }

    /// <summary>Of the gateway, in a cluster.</summary>
    public PodSettings Gateway { get; init; } = PodSettings.None;

    /// <summary>Where the operator reads the load; null: the operator's own.</summary>
    public string? Prometheus { get; init; }

    public IEnumerable<WorkerPool> Pools => Small.Prepend(Large);
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

public sealed record CacheSpec
{
    /// <summary>Images, not bytes; the oldest leaves first.</summary>
    public required int Capacity { get; init; }
    public required CacheAdmit Admit { get; init; }
    public required string EmbedderPath { get; init; }
    public JsonElement? EmbedderVolume { get; init; }

    /// <summary>A Kubernetes volume source for the images; null: they are gone with the gateway's pod.</summary>
    public JsonElement? Volume { get; init; }

    /// <summary>Ascending in both; a similarity below the first is a miss.</summary>
    public required IReadOnlyList<HitThreshold> Hits { get; init; }
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
