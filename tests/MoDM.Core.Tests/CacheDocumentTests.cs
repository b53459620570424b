using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Mixture;

namespace MoDM.Core.Tests;

/// <summary>What a document says of its cache and of its gateways.</summary>
public class CacheDocumentTests
{
    private const string Plain = """
        {"apiVersion": "modm.dev/v1alpha1", "kind": "ModelMixture", "metadata": {"name": "postcards"}, "spec": {
          "large": {"model": {"path": "/models/big"}}, "gpuBudget": 2, "gateway": {},
          "small": [{"name": "little", "model": {"path": "/models/little"}}],
          "cache": {"embedder": {"path": "/models/clip"}, "hits": [{"similarity": 0.25, "skip": 0.1}], "store": {}}}}
        """;

    private const string Shared = """
        {"qdrant": {"url": "http://qdrant:6334", "collection": "pictures", "apiKeySecret": {"name": "qdrant"}},
         "s3": {"endpoint": "http://minio:9000", "region": "eu-west-1", "bucket": "postcards", "prefix": "a/", "credentialsSecret": "minio", "urls": "Presigned"}}
        """;

    private const string Story = """
        {"apiVersion": "modm.dev/v1alpha1", "kind": "ModelMixture", "metadata": {"name": "endings"}, "spec": {
          "modality": "Story", "large": {"openAI": {"model": "gpt"}}, "gpuBudget": 1, "gateway": {"replicas": 3},
          "small": [{"name": "mamba", "model": {"path": "/models/mamba"}}]}}
        """;

    [Fact]
    public void What_is_not_said_is_as_it_was_before_it_could_be_said()
    {
        var spec = Good(_ => { });

        Assert.Equal((1, null), (spec.GatewayReplicas, spec.CallerKeys));
        var cache = spec.Cache;
        Assert.Null(cache.Shared);
        Assert.Equal((CacheSharing.Tenant, CacheEviction.Fifo, TimeSpan.Zero, 2), (cache.Sharing, cache.Eviction, cache.MaxAge, cache.MaxLineage));
        Assert.Equal(Enum.GetValues<PromptGuard>(), cache.Guards);
        Assert.Equal((TimeSpan.FromMilliseconds(50), 0.95, 0.05, true), (cache.LookUpDeadline, cache.Quality.Floor, cache.Quality.Sample, cache.PngText));
    }

    [Fact]
    public void What_is_said_is_read()
    {
        var spec = Good(s =>
        {
            s["gateway"] = JsonNode.Parse("""{"replicas": 3, "keysSecret": {"name": "callers"}}""");
            foreach (var (name, value) in JsonNode.Parse("""
                {"sharing": "Mixture", "guards": ["Number", "Text"], "eviction": "Lru", "maxAge": "12h", "maxLineage": 1, "lookUpDeadline": "20ms",
                 "quality": {"floor": 0.9, "sample": 0}, "pngText": false}
                """)!.AsObject())
                s["cache"]![name] = value!.DeepClone();
            s["cache"]!["store"]!["shared"] = JsonNode.Parse(Shared);
        });

        Assert.Equal((3, ("callers", "keys")), (spec.GatewayReplicas, spec.CallerKeys));
        var cache = spec.Cache;
        Assert.Equal((CacheSharing.Mixture, CacheEviction.Lru, TimeSpan.FromHours(12), 1), (cache.Sharing, cache.Eviction, cache.MaxAge, cache.MaxLineage));
        Assert.Equal([PromptGuard.Number, PromptGuard.Text], cache.Guards);
        Assert.Equal((TimeSpan.FromMilliseconds(20), 0.9, 0.0, false), (cache.LookUpDeadline, cache.Quality.Floor, cache.Quality.Sample, cache.PngText));
        Assert.Equal(
            [
                ("qdrant.url", "http://qdrant:6334"), ("qdrant.collection", "pictures"), ("qdrant.apiKeyFile", ""), ("qdrant.apiKeySecret", "qdrant/api-key"),
                ("s3.endpoint", "http://minio:9000"), ("s3.region", "eu-west-1"), ("s3.bucket", "postcards"), ("s3.prefix", "a/"),
                ("s3.credentialsSecret", "minio"), ("s3.urls", "Presigned"),
            ],
            cache.Shared!.Settings);
    }

    [Fact]
    public void A_shared_store_needs_an_address_and_a_bucket_and_the_rest_has_defaults()
    {
        var shared = Good(s => s["cache"]!["store"] = JsonNode.Parse("""{"shared": {"qdrant": {"url": "http://q:6334"}, "s3": {"bucket": "postcards"}}}"""))
            .Cache.Shared!;

        Assert.Equal(("", null, null), (shared.Collection, shared.QdrantKeyFile, shared.QdrantKeySecret));
        Assert.Equal(("", "us-east-1", "", "", ImageUrls.Proxied), (shared.S3Endpoint, shared.Region, shared.Prefix, shared.CredentialsSecret, shared.Urls));
        Assert.Equal(
            ["spec.cache.store.shared.qdrant.url: is missing.", "spec.cache.store.shared.s3.bucket: is missing."],
            Problems(s => s["cache"]!["store"] = JsonNode.Parse("""{"shared": {"qdrant": {}, "s3": {}}}""")));
        Assert.Equal(
            ["spec.cache.store.shared.qdrant: is missing.", "spec.cache.store.shared.s3: is missing."],
            Problems(s => s["cache"]!["store"] = JsonNode.Parse("""{"shared": {}}""")));
    }

    [Fact]
    public void The_settings_of_a_shared_store_are_all_that_the_document_has_of_it()
    {
        // Whoever adds a field adds it there too: another text of it needs another gateway.
        var schema = MixtureReader.Schema()["properties"]!["cache"]!["properties"]!["store"]!["properties"]!["shared"]!;
        var fields = schema["properties"]!.AsObject().SelectMany(part => part.Value!["properties"]!.AsObject().Select(f => $"{part.Key}.{f.Key}"));

        var shared = Good(s => s["cache"]!["store"]!["shared"] = JsonNode.Parse(Shared)).Cache.Shared!;
        Assert.Equal(fields.Order(StringComparer.Ordinal), shared.Settings.Select(s => s.Field).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("gateway", "replicas", "0", "is 0; a whole number from 1 to 100 belongs here.")]
    [InlineData("gateway", "keysSecret", "\"callers\"", "is \"callers\"; a mapping of fields belongs here.")]
    [InlineData("cache", "sharing", "\"All\"", "is \"All\"; Tenant or Mixture belongs here.")]
    [InlineData("cache", "eviction", "\"lru\"", "is \"lru\"; Fifo or Lru belongs here.")]
    [InlineData("cache", "maxAge", "\"a day\"", "is \"a day\"; a duration from 0s to 315360000s such as 500ms, 30s, 2m or 1h belongs here.")]
    [InlineData("cache", "maxLineage", "0", "is 0; a whole number from 1 to 100 belongs here.")]
    [InlineData("cache", "lookUpDeadline", "\"0s\"", "is \"0s\"; a duration from 0.001s to 10s such as 500ms, 30s, 2m or 1h belongs here.")]
    [InlineData("cache", "pngText", "\"no\"", "is \"no\"; true or false belongs here.")]
    [InlineData("cache", "guards", "\"Number\"", "is \"Number\"; a list of Negation, Number, Colour, Side, Text, Name belongs here.")]
    [InlineData("cache", "quality", "0.9", "is 0.9; a mapping of fields belongs here.")]
    public void A_wrong_value_is_named_with_what_would_be_right(string part, string field, string value, string problem) =>
        Assert.Equal([$"spec.{part}.{field}: {problem}"], Problems(s => s[part]![field] = JsonNode.Parse(value)));

    [Theory]
    [InlineData("gateway.keysSecret", "{}", "name: is missing.")]
    [InlineData("gateway.keysSecret", """{"name": "My Keys", "key": "a/b"}""",
        "name: is \"My Keys\"; the name of a Secret belongs here: lower-case letters, digits, inner dashes and dots.",
        "key: is \"a/b\"; an entry of a Secret belongs here: letters, digits, dots, dashes and underscores.")]
    [InlineData("cache.quality", """{"floor": 1.5, "sample": -1}""",
        "floor: is 1.5; a number from 0 to 1 belongs here.", "sample: is -1; a number from 0 to 1 belongs here.")]
    [InlineData("cache.store.shared.qdrant", """{"url": "qdrant:6334", "collection": "a b", "apiKeySecret": {"name": ""}, "key": "x"}""",
        "apiKeySecret.name: is \"\"; the name of a Secret belongs here: lower-case letters, digits, inner dashes and dots.",
        "url: is \"qdrant:6334\"; an http or https URL belongs here.",
        "collection: is \"a b\"; letters, digits, dots, dashes and underscores belong here.",
        "key: is not a field here; there are apiKeySecret, apiKeyFile, url, collection.")]
    [InlineData("cache.store.shared.s3", """{"endpoint": "minio", "bucket": "B", "credentialsSecret": "-", "urls": "Direct"}""",
        "endpoint: is \"minio\"; an http or https URL belongs here.", "bucket: is \"B\"; the name of an S3 bucket belongs here.",
        "credentialsSecret: is \"-\"; the name of a Secret belongs here: lower-case letters, digits, inner dashes and dots.",
        "urls: is \"Direct\"; Proxied or Presigned belongs here.")]
    public void Wrong_fields_within_are_all_named_at_once(string at, string json, params string[] problems) =>
        Assert.Equal(problems.Select(p => $"spec.{at}.{p}"), Problems(s =>
        {
            if (at.Contains("shared", StringComparison.Ordinal)) s["cache"]!["store"]!["shared"] = JsonNode.Parse(Shared);
            var steps = at.Split('.');
            steps[..^1].Aggregate(s, (node, step) => node[step]!)[steps[^1]] = JsonNode.Parse(json);
        }));

    [Fact]
    public void A_guard_that_there_is_not_is_named_with_those_that_there_are() =>
        Assert.Equal(
            ["spec.cache.guards: has \"Weather\"; Negation, Number, Colour, Side, Text, Name may be there."],
            Problems(s => s["cache"]!["guards"] = JsonNode.Parse("""["Number", "Weather"]""")));

    [Fact]
    public void No_guards_at_all_can_be_chosen() =>
        Assert.Empty(Good(s => s["cache"]!["guards"] = new JsonArray()).Cache.Guards);

    [Fact]
    public void A_store_is_embedded_or_shared() =>
        Assert.Equal(
            ["spec.cache.store.shared: is given beside embedded; images are in one of them: leave the other out."],
            Problems(s => s["cache"]!["store"] = new JsonObject { ["embedded"] = new JsonObject(), ["shared"] = JsonNode.Parse(Shared) }));

    [Fact]
    public void Several_gateways_need_a_shared_cache()
    {
        Assert.Equal(
            ["spec.gateway.replicas: is 2, but an embedded cache belongs to one gateway; give cache.store.shared, or leave it at 1."],
            Problems(s => s["gateway"]!["replicas"] = 2));
        Assert.Empty(Problems(s => (s["gateway"]!["replicas"], s["cache"]!["store"]!["shared"]) = (2, JsonNode.Parse(Shared))));
    }

    [Fact]
    public void Several_gateways_cannot_keep_one_budget_of_tokens()
    {
        Assert.Empty(Problems(_ => { }, Story));
        Assert.Equal(
            ["spec.gateway.replicas: is 3, but each gateway counts large.openAI.tokensPerDay for itself; leave it at 1, or set no tokensPerDay."],
            Problems(s => s["large"]!["openAI"]!["tokensPerDay"] = 5, Story));
        Assert.Empty(Problems(s => (s["large"]!["openAI"]!["tokensPerDay"], s["gateway"]!["replicas"]) = (5, 1), Story));
    }

    private static MixtureSpec Good(Action<JsonNode> change)
    {
        var (mixture, problems) = Read(change, Plain);
        Assert.Empty(problems);
        return mixture!.Spec;
    }

    private static IEnumerable<string> Problems(Action<JsonNode> change, string document = Plain) => Read(change, document).Problems.Select(p => p.ToString());

    private static (ModelMixture? Mixture, IReadOnlyList<MixtureProblem> Problems) Read(Action<JsonNode> change, string text)
    {
        var document = JsonNode.Parse(text)!;
        change(document["spec"]!);
        return MixtureReader.Read(JsonSerializer.SerializeToElement(document));
    }
}
