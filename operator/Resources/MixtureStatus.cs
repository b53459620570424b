using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MoDM.Operator.Resources;

/// <summary>What the operator says of a mixture. The CRD's schema of <c>status</c> is made from these types.</summary>
internal sealed record MixtureStatus
{
    [Description("The generation of the document that this status is about.")]
    public long? ObservedGeneration { get; init; }

    [Description("Accepted, MetricsAvailable, GatewayReady, CacheAvailable of a shared cache, WorkersReady, and Ready: hits and misses are served.")]
    public IReadOnlyList<MixtureCondition> Conditions { get; init; } = [];

    [Description("Workers of the large model.")]
    public PoolStatus? Large { get; init; }

    [Description("Workers of each small model.")]
    public IReadOnlyList<PoolStatus> Small { get; init; } = [];

    [Description("GPUs that the planned workers hold.")]
    public int Gpus { get; init; }

    [Description("Selects the worker pods, for the scale subresource.")]
    public string? Selector { get; init; }

    [Description("The load as last measured, rounded so that noise is not written down.")]
    public LoadStatus? Load { get; init; }

    [Description("The sizes in force and why.")]
    public PlanStatus? Plan { get; init; }

    [Description("How long the newest worker of each pool took to serve, phase by phase.")]
    public IReadOnlyList<ColdStartStatus> ColdStart { get; init; } = [];

    [Description("The document that is in force: the last one without mistakes.")]
    public AcceptedDocument? Accepted { get; init; }

    [Description("What kubectl get shows; what is not known is left out.")]
    public ShownColumns? Columns { get; init; }
}

internal sealed record MixtureCondition
{
    [Description("Name of the condition.")]
    public required string Type { get; init; }

    [Description("True, False or Unknown.")]
    public required string Status { get; init; }

    [Description("Why, in one word.")]
    public required string Reason { get; init; }

    [Description("Why, in a sentence.")]
    public required string Message { get; init; }

    [Description("The generation of the document that it is about.")]
    public long? ObservedGeneration { get; init; }

    [Description("When the status changed last.")]
    public required DateTimeOffset LastTransitionTime { get; init; }
}

internal sealed record PoolStatus
{
    [Description("Name of the pool.")]
    public required string Name { get; init; }

    [Description("Workers by plan.")]
    public required int Desired { get; init; }

    [Description("Workers that serve.")]
    public required int Ready { get; init; }
}

internal sealed record LoadStatus
{
    [Description("Images that arrive in a minute.")]
    public double? RequestsPerMinute { get; init; }

    [Description("Share of hits.")]
    public double? HitRate { get; init; }

    [Description("Mean share of the schedule that hits have left to draw.")]
    public double? MeanRemainingWork { get; init; }

    [Description("Images that wait.")]
    public int? Queued { get; init; }

    [Description("Images that are drawn.")]
    public int? InFlight { get; init; }
}

internal sealed record PlanStatus
{
    [Description("The sizes and why they are these.")]
    public required string Reason { get; init; }

    [Description("The step of the degrade ladder that the load asks for.")]
    public required string Degrade { get; init; }

    [Description("Latency that is expected at the SLO's percentile, in seconds; none when it is not known, or the queue grows.")]
    public double? PredictedLatencySeconds { get; init; }
}

internal sealed record ColdStartStatus
{
    [Description("Name of the pool.")]
    public required string Pool { get; init; }

    [Description("The pod.")]
    public required string Pod { get; init; }

    [Description("From its creation until it had a node.")]
    public double? ScheduleSeconds { get; init; }

    [Description("From then until its container ran, the pull of the image included.")]
    public double? PullSeconds { get; init; }

    [Description("To load the model.")]
    public double? LoadSeconds { get; init; }

    [Description("To run it for the first time.")]
    public double? WarmUpSeconds { get; init; }

    [Description("From the container's start until the pod was ready, start of the program, loading and warm-up included.")]
    public double? StartSeconds { get; init; }
}

internal sealed record AcceptedDocument
{
    [Description("Its generation.")]
    public required long Generation { get; init; }

    [Description("Its spec.")]
    public required JsonElement Spec { get; init; }
}

internal sealed record ShownColumns
{
    [Description("Ready and planned workers of the large model.")]
    public string? Large { get; init; }

    [Description("Ready and planned workers of the small models.")]
    public string? Small { get; init; }

    [Description("Images that arrive in a minute.")]
    public string? RequestsPerMinute { get; init; }

    [Description("Share of hits.")]
    public string? HitRate { get; init; }

    [Description("Met, Missed or Unknown.")]
    public string? Slo { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MixtureStatus))]
internal sealed partial class StatusJson : JsonSerializerContext;
