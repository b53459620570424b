using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Cluster;
using MoDM.Mixture;
using MoDM.Operator.Specs;

namespace MoDM.Operator.Tests;

/// <summary>A document to change, and what is made of it.</summary>
internal static class Documents
{
    public const string Spec = """
        {"steps": 50, "gpuBudget": 4,
         "large": {"name": "big", "model": {"path": "/models/big"}, "guidanceScale": 3, "replicas": {"min": 1, "max": 4}},
         "small": [{"name": "little", "model": {"path": "/models/little"}, "replicas": {"min": 0, "max": 8}}],
         "cache": {"embedder": {"path": "/models/clip"}, "hits": [{"similarity": 0.25, "skip": 0.1}, {"similarity": 0.3, "skip": 0.6}]},
         "slo": {"latency": "15s", "objective": "Cost"}}
        """;

    public static JsonNode With(Action<JsonNode>? change = null)
    {
        var spec = JsonNode.Parse(Spec)!;
        change?.Invoke(spec);
        return spec;
    }

    /// <summary>Its cache is shared, by as many gateways, and it knows its callers.</summary>
    public static Action<JsonNode> Shared(int gateways = 3) => spec =>
    {
        spec["gateway"] = new JsonObject { ["replicas"] = gateways, ["keysSecret"] = JsonNode.Parse("""{"name": "callers", "key": "keys.txt"}""") };
        spec["cache"]!["store"] = JsonNode.Parse("""
            {"shared": {"qdrant": {"url": "http://qdrant:6334", "apiKeySecret": {"name": "qdrant"}},
                        "s3": {"endpoint": "http://minio:9000", "bucket": "postcards", "credentialsSecret": "minio"}}}
            """);
    };

    /// <summary>A Story mixture instead; its pool has the name that the fake Prometheus measures.</summary>
    public static void Story(JsonNode spec)
    {
        foreach (var name in (string[])["cache", "large", "small"]) spec.AsObject().Remove(name);
        spec["modality"] = "Story";
        spec["large"] = JsonNode.Parse("""{"openAI": {"model": "gpt-3.5-turbo", "apiKeySecret": {"name": "openai"}}, "guidanceScale": 7.5, "gpusPerReplica": 1}""");
        spec["small"] = JsonNode.Parse("""[{"name": "big", "model": {"path": "/models/mamba"}, "replicas": {"max": 3}}]""");
    }

    public static MixtureObject Resource(Action<JsonNode>? change = null, string name = "postcards", long generation = 1) => new()
    {
        Metadata = new() { Name = name, NamespaceProperty = "art", Uid = $"uid-{name}", Generation = generation },
        Spec = JsonSerializer.SerializeToElement(With(change)),
    };

    public static ModelMixture Mixture(Action<JsonNode>? change = null)
    {
        var resource = Resource(change);
        var (mixture, problems) = MixtureReader.Read(resource.Document(resource.Spec));
        return mixture ?? throw new InvalidOperationException(string.Join('\n', problems));
    }

    public static MixtureInCluster InCluster(Action<JsonNode>? change = null, string roll = "") => new(Mixture(change), "art", "uid-postcards", roll);

    public static OperatorOptions Options(params string[] args) => OperatorOptions.Read(args).Options!;
}
