using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace MoDM.Operator.Cluster;

/// <summary>Of a Deployment, what is looked at: hundreds of whole ones would be most of the operator's memory.</summary>
internal sealed class SeenDeployment : IKubernetesObject<V1ObjectMeta>
{
    [JsonPropertyName("apiVersion")] public string ApiVersion { get; set; } = "";
    [JsonPropertyName("kind")] public string Kind { get; set; } = "";
    [JsonPropertyName("metadata")] public V1ObjectMeta Metadata { get; set; } = new();
    [JsonPropertyName("spec")] public DeploymentSize Spec { get; set; } = new();
    [JsonPropertyName("status")] public DeploymentProgress Status { get; set; } = new();
}

internal sealed record DeploymentSize
{
    [JsonPropertyName("replicas")] public int? Replicas { get; init; }
}

internal sealed record DeploymentProgress
{
    [JsonPropertyName("observedGeneration")] public long ObservedGeneration { get; init; }
    [JsonPropertyName("replicas")] public int Replicas { get; init; }
    [JsonPropertyName("updatedReplicas")] public int UpdatedReplicas { get; init; }
    [JsonPropertyName("availableReplicas")] public int AvailableReplicas { get; init; }
}

/// <summary>Of a pod, what is looked at.</summary>
internal sealed class SeenPod : IKubernetesObject<V1ObjectMeta>
{
    [JsonPropertyName("apiVersion")] public string ApiVersion { get; set; } = "";
    [JsonPropertyName("kind")] public string Kind { get; set; } = "";
    [JsonPropertyName("metadata")] public V1ObjectMeta Metadata { get; set; } = new();
    [JsonPropertyName("status")] public PodProgress Status { get; set; } = new();
}

internal sealed record PodProgress
{
    [JsonPropertyName("phase")] public string? Phase { get; init; }
    [JsonPropertyName("conditions")] public IReadOnlyList<PodConditionSeen> Conditions { get; init; } = [];
    [JsonPropertyName("containerStatuses")] public IReadOnlyList<ContainerSeen> Containers { get; init; } = [];
}

internal sealed record PodConditionSeen
{
    [JsonPropertyName("type")] public string Type { get; init; } = "";
    [JsonPropertyName("status")] public string Status { get; init; } = "";
    [JsonPropertyName("lastTransitionTime")] public DateTime? LastTransitionTime { get; init; }
}

internal sealed record ContainerSeen
{
    [JsonPropertyName("restartCount")] public int RestartCount { get; init; }
    [JsonPropertyName("state")] public ContainerStateSeen? State { get; init; }
}

internal sealed record ContainerStateSeen
{
    [JsonPropertyName("running")] public RunningSeen? Running { get; init; }
}

internal sealed record RunningSeen
{
    [JsonPropertyName("startedAt")] public DateTime? StartedAt { get; init; }
}
