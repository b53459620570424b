using System.Text.Json.Nodes;
using MoDM.Operator.Specs;

namespace MoDM.Operator.Tests.Specs;

/// <summary>The hashes that decide whether pods are replaced, as operators in use have written them.</summary>
public class HashTests
{
    // Written by the operator as it was before it knew shared caches and callers' keys.
    [Theory]
    [InlineData("demo", "1b17da141c19b547")]
    [InlineData("volume", "b75d46272182817f")]
    [InlineData("pod", "44f5ce48992124b4")]
    [InlineData("story", "2172a6fa0768f616")]
    public void A_newer_operator_replaces_no_gateway_of_a_document_that_uses_nothing_new(string document, string hash) =>
        Assert.Equal(hash, HashOf(Change(document)));

    [Fact]
    public void Another_shared_store_needs_another_gateway_whatever_differs()
    {
        string[] changes =
        [
            """{"qdrant": {"url": "http://other:6334"}}""", """{"qdrant": {"collection": "other"}}""", """{"qdrant": {"apiKeyFile": "/other"}}""",
            """{"qdrant": {"apiKeySecret": {"name": "other"}}}""", """{"qdrant": {"apiKeySecret": {"name": "qdrant", "key": "other"}}}""",
            """{"s3": {"endpoint": "http://other:9000"}}""", """{"s3": {"region": "other"}}""", """{"s3": {"bucket": "other"}}""",
            """{"s3": {"prefix": "other"}}""", """{"s3": {"credentialsSecret": "other"}}""", """{"s3": {"urls": "Presigned"}}""",
        ];

        var hashes = changes.Select(change => HashOf(spec =>
        {
            Documents.Shared()(spec);
            foreach (var (part, fields) in JsonNode.Parse(change)!.AsObject())
            {
                foreach (var (field, value) in fields!.AsObject()) spec["cache"]!["store"]!["shared"]![part]![field] = value!.DeepClone();
            }
        })).Append(HashOf(Documents.Shared())).Append(HashOf(_ => { })).ToList();

        Assert.Equal(changes.Length + 2, hashes.Distinct().Count());
    }

    [Fact]
    public void Callers_keys_need_another_gateway_and_another_number_of_gateways_does_not()
    {
        string Keys(string? secret) => HashOf(s => s["gateway"] = secret is null ? null : new JsonObject { ["keysSecret"] = JsonNode.Parse(secret) });
        Assert.Equal(4, new[]
        {
            Keys(null), Keys("""{"name": "a"}"""), Keys("""{"name": "b"}"""), Keys("""{"name": "a", "key": "b"}"""),
        }.Distinct().Count());

        Assert.Equal(HashOf(Documents.Shared(1)), HashOf(Documents.Shared(5)));
        Assert.Equal(HashOf(Documents.Story), HashOf(s => { Documents.Story(s); s["gateway"] = JsonNode.Parse("""{"replicas": 4}"""); }));
        // The gateway takes these over while it runs.
        Assert.Equal(HashOf(Documents.Shared()), HashOf(s => { Documents.Shared()(s); s["cache"]!["lookUpDeadline"] = "20ms"; }));
    }

    private static string HashOf(Action<JsonNode> change) => Deployments.GatewayHash(Documents.InCluster(change));

    private static Action<JsonNode> Change(string document) => document switch
    {
        "demo" => Demo,
        "volume" => OnVolumes,
        "pod" => InAPodOfItsOwn,
        _ => Documents.Story,
    };

    /// <summary>As examples/postcards.yaml has it.</summary>
    private static void Demo(JsonNode spec)
    {
        (spec["large"]!["name"], spec["small"]![0]!["name"]) = ("postcards-large", "postcards-small");
        spec["cache"]!["embedder"]!["path"] = "/models/postcards-clip";
        spec["slo"]!["percentile"] = 95;
    }

    private static void OnVolumes(JsonNode spec)
    {
        Demo(spec);
        spec["cache"]!["store"] = JsonNode.Parse("""{"embedded": {"volume": {"persistentVolumeClaim": {"claimName": "cache"}}}}""");
        spec["cache"]!["embedder"]!["volume"] = JsonNode.Parse("""{"persistentVolumeClaim": {"claimName": "models"}}""");
    }

    private static void InAPodOfItsOwn(JsonNode spec)
    {
        Demo(spec);
        spec["gateway"] = JsonNode.Parse("""
            {"pod": {"image": "mine:2", "args": ["--queue-limit", "9"], "env": [{"name": "A", "value": "1"}], "envFrom": [{"secretRef": {"name": "s"}}],
             "nodeSelector": {"disk": "fast"}}}
            """);
    }
}
