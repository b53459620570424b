using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Core.Tests;

public class MixtureReaderTests
{
    private const string Good = """
        {"apiVersion": "modm.dev/v1alpha1", "kind": "ModelMixture", "metadata": {"name": "postcards"},
         "spec": {"modality": "Image", "steps": 50,
           "large": {"model": {"path": "/models/big"}, "guidanceScale": 3, "replicas": {"min": 1, "max": 4}},
           "small": [{"name": "little", "model": {"path": "/models/little"}, "replicas": {"min": 0, "max": 8}}],
           "gpuBudget": 4,
           "cache": {"capacity": 1000, "admit": "Large", "embedder": {"path": "/models/clip"},
                     "hits": [{"similarity": 0.25, "skip": 0.1}, {"similarity": 0.3, "skip": 0.6}], "store": {"embedded": {}}},
           "slo": {"latency": "30s"}}}
        """;

    [Fact]
    public void A_whole_document_is_read_with_its_values()
    {
        var (mixture, problems) = Read(_ => { });

        Assert.Empty(problems);
        Assert.Equal("postcards", mixture!.Name);
        Assert.Equal("big", mixture.Spec.Large.Name);
        Assert.Equal((1, 4, 3.0), (mixture.Spec.Large.MinReplicas, mixture.Spec.Large.MaxReplicas, mixture.Spec.Large.GuidanceScale));
        Assert.Equal("little", Assert.Single(mixture.Spec.Small).Name);
        Assert.Equal(CacheAdmit.Large, mixture.Spec.Cache.Admit);
        Assert.Equal([new HitThreshold(0.25, 0.1), new HitThreshold(0.3, 0.6)], mixture.Spec.Cache.Hits);
        Assert.Equal(TimeSpan.FromSeconds(30), mixture.Spec.Slo.Latency);
    }

    [Theory]
    [InlineData(null, "postcards")]
    [InlineData("team-a", "team-a.postcards")]
    public void Mixtures_of_one_name_in_two_namespaces_have_two_full_names(string? ns, string name)
    {
        var (mixture, problems) = Read(d =>
        {
            if (ns is not null) d["metadata"]!["namespace"] = ns;
        });

        Assert.Empty(problems);
        Assert.Equal(name, mixture!.FullName);
    }

    [Fact]
    public void All_mistakes_are_named_at_once_with_path_value_and_remedy()
    {
        var (mixture, problems) = Read(d =>
        {
            d["kind"] = "Mixture";
            d["spec"]!["steps"] = 0;
            d["spec"]!["stepz"] = 50;
            d["spec"]!["large"]!["replicas"]!["max"] = "four";
            d["spec"]!["small"]![0]!["name"] = "Not A Name";
            d["spec"]!["cache"]!["hits"]![1]!["skip"] = 0.05;
            d["spec"]!["slo"]!["latency"] = "30";
            d["spec"]!.AsObject().Remove("gpuBudget");
        });

        Assert.Null(mixture);
        var texts = problems.Select(p => p.ToString()).ToList();
        Assert.Contains(texts, t => t.StartsWith("kind: is \"Mixture\"; ModelMixture", StringComparison.Ordinal));
        Assert.Contains("spec.steps: is 0; a whole number from 1 to 1000 belongs here.", texts);
        Assert.Contains(texts, t => t.StartsWith("spec.stepz: is not a field here; there are modality, steps", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("spec.large.replicas.max: is \"four\"", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("spec.small[0].name: is \"Not A Name\"", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("spec.cache.hits[1]: (similarity 0.3, skip 0.05) must lie above", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("spec.slo.latency: is \"30\"; a duration", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("spec.gpuBudget: is missing", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{}", "apiVersion")]
    [InlineData("[]", "document")]
    [InlineData("""{"spec": 3}""", "spec")]
    [InlineData("""{"spec": {"small": [7]}}""", "spec.small[0]")]
    public void A_document_of_the_wrong_shape_is_refused_where_it_is_wrong(string json, string path)
    {
        var (mixture, problems) = MixtureReader.Read(JsonDocument.Parse(json).RootElement);

        Assert.Null(mixture);
        Assert.Contains(problems, p => p.Path == path);
    }

    [Fact]
    public void What_this_version_cannot_honour_is_refused_rather_than_ignored()
    {
        // Complaint 18.
        var (_, problems) = Read(d =>
        {
            d["spec"]!["modality"] = "Video";
            d["spec"]!["cache"]!["store"] = new JsonObject { ["redis"] = new JsonObject() };
        });

        Assert.Contains(problems, p => p.Path == "spec.modality");
        Assert.Contains(problems, p => p.Path == "spec.cache.store.redis");
    }

    [Fact]
    public void What_the_SLO_is_and_what_may_be_given_up_for_it_are_read()
    {
        var (mixture, problems) = Read(d => d["spec"]!["slo"] = new JsonObject
        {
            ["latency"] = "2m",
            ["percentile"] = 95,
            ["objective"] = "Cost",
            ["degrade"] = "HigherSkip",
        });

        Assert.Empty(problems);
        Assert.Equal(new SloSpec
        {
            Latency = TimeSpan.FromMinutes(2),
            Percentile = 95,
            Objective = SloObjective.Cost,
            Degrade = DegradeStep.HigherSkip,
        }, mixture!.Spec.Slo);
    }

    [Fact]
    public void Refusing_is_no_choice_since_it_is_always_the_last_step()
    {
        var (_, problems) = Read(d => d["spec"]!["slo"]!["degrade"] = "Refuse");

        Assert.Equal(
            "spec.slo.degrade: is \"Refuse\"; None or SmallerModel or HigherSkip or SmallForMisses belongs here: "
            + "the step to stop at before requests are refused, which is always the last one.", Assert.Single(problems).ToString());
    }

    [Fact]
    public void Replicas_that_the_budget_cannot_hold_are_refused()
    {
        var (_, problems) = Read(d =>
        {
            d["spec"]!["gpuBudget"] = 2;
            d["spec"]!["small"]![0]!["replicas"]!["min"] = 2;
            d["spec"]!["small"]![0]!["replicas"]!["max"] = 1;
        });

        Assert.Contains(problems, p => p.Path == "spec.gpuBudget" && p.Message.Contains("need 3", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Path == "spec.small[0].replicas.max");
    }

    [Fact]
    public void What_Kubernetes_is_to_know_is_read_and_handed_on_as_it_is()
    {
        var (mixture, problems) = Read(d =>
        {
            d["spec"]!["large"]!["model"]!["volume"] = JsonNode.Parse("""{"persistentVolumeClaim": {"claimName": "models"}}""");
            d["spec"]!["large"]!["pod"] = JsonNode.Parse("""{"image": "mine:1", "args": ["--threads", "2"], "nodeSelector": {"gpu": "a40"}, "runtimeClassName": "nvidia"}""");
            d["spec"]!["metrics"] = JsonNode.Parse("""{"prometheus": "http://prometheus:9090"}""");
        });

        Assert.Empty(problems);
        var large = mixture!.Spec.Large;
        Assert.Equal("models", large.Volume!.Value.GetProperty("persistentVolumeClaim").GetProperty("claimName").GetString());
        Assert.Equal(("mine:1", "nvidia", "--threads 2"), (large.Pod.Image, large.Pod.RuntimeClassName, string.Join(' ', large.Pod.Args)));
        Assert.Equal("a40", large.Pod.Fields["nodeSelector"].GetProperty("gpu").GetString());
        Assert.Equal("http://prometheus:9090", mixture.Spec.Prometheus);
    }

    [Fact]
    public void A_pod_takes_the_fields_that_there_are_and_no_others()
    {
        var (_, problems) = Read(d => d["spec"]!["large"]!["pod"] = JsonNode.Parse("""{"hostNetwork": true, "tolerations": {}, "args": [1]}"""));

        Assert.Equal(["spec.large.pod.tolerations", "spec.large.pod.args", "spec.large.pod.hostNetwork"], problems.Select(p => p.Path));
    }

    [Fact]
    public void The_schema_has_each_field_with_its_bounds_default_and_description()
    {
        var schema = MixtureReader.Schema();
        var large = schema["properties"]!["large"]!["properties"]!;

        // Large and cache are an Image mixture's, which the schema cannot say.
        Assert.Equal(["gpuBudget"], schema["required"]!.AsArray().Select(n => (string)n!));
        Assert.Equal((1L, 1000L, 50L), ((long)schema["properties"]!["steps"]!["minimum"]!, (long)schema["properties"]!["steps"]!["maximum"]!, (long)schema["properties"]!["steps"]!["default"]!));
        Assert.Equal(["min", "max"], large["replicas"]!["properties"]!.AsObject().Select(p => p.Key));
        Assert.Null(large["replicas"]!["properties"]!["max"]!["default"]);
        Assert.True((bool)large["pod"]!["properties"]!["resources"]!["x-kubernetes-preserve-unknown-fields"]!);
        Assert.Equal(["All", "Large"], schema["properties"]!["cache"]!["properties"]!["admit"]!["enum"]!.AsArray().Select(n => (string)n!));
        Assert.All(Leaves(schema), leaf => Assert.True(leaf["description"] is not null, leaf.ToJsonString()));
    }

    private static IEnumerable<JsonNode> Leaves(JsonNode schema) => (schema["properties"] ?? schema["items"]?["properties"]) is JsonObject inner
        ? inner.SelectMany(p => Leaves(p.Value!)) : [schema];

    private static (ModelMixture?, IReadOnlyList<MixtureProblem>) Read(Action<JsonNode> change)
    {
        var document = JsonNode.Parse(Good)!;
        change(document);
        return MixtureReader.Read(JsonSerializer.SerializeToElement(document));
    }
}
