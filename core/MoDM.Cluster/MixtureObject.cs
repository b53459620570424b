using System.Text.Json;
using System.Text.Json.Serialization;
using k8s;
using k8s.Models;
using MoDM.Mixture;

namespace MoDM.Cluster;

/// <summary>A ModelMixture as the API server has it; its spec is read by <see cref="MixtureReader"/>.</summary>
public sealed class MixtureObject : IKubernetesObject<V1ObjectMeta>
{
    [JsonPropertyName("apiVersion")] public string ApiVersion { get; set; } = ModelMixture.ApiVersion;
    [JsonPropertyName("kind")] public string Kind { get; set; } = ModelMixture.Kind;
    [JsonPropertyName("metadata")] public V1ObjectMeta Metadata { get; set; } = new();
    [JsonPropertyName("spec")] public JsonElement Spec { get; set; }
    [JsonPropertyName("status")] public JsonElement? Status { get; set; }

    /// <summary>The document as it was last accepted; as it is when none has been.</summary>
    public JsonElement AcceptedDocument() =>
        Document(Status is { ValueKind: JsonValueKind.Object } status && status.TryGetProperty("accepted", out var accepted)
            && accepted.TryGetProperty("spec", out var spec) ? spec : Spec);

    /// <summary>What <see cref="MixtureReader"/> reads, with a spec of this or an earlier generation.</summary>
    public JsonElement Document(JsonElement spec) => JsonSerializer.SerializeToElement(new
    {
        apiVersion = ModelMixture.ApiVersion,
        kind = ModelMixture.Kind,
        metadata = new { name = Metadata.Name, @namespace = Metadata.NamespaceProperty },
        spec,
    });
}
