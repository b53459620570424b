using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Operator.Specs;

namespace MoDM.Operator.Tests.Reconciling;

/// <summary>A Story mixture: the same planner sizes its Mambas, and its external model has no pods.</summary>
public class StoryOperatorTests
{
    private static readonly OperatorOptions Options = Documents.Options("--gateway-image", "g:1", "--worker-image", "w:1");

    [Fact]
    public void Its_gateway_gets_the_key_as_a_file_and_needs_no_models()
    {
        var pod = Deployments.Gateway(Documents.InCluster(Documents.Story), Options).Spec.Template.Spec;
        Assert.Equal(["--openai-key-file", "/var/run/secrets/modm.dev/openai/api-key"], pod.Containers[0].Args.TakeLast(2));
        var secret = pod.Volumes.Single(v => v.Name == "openai").Secret;
        Assert.Equal(("openai", true), (secret.SecretName, secret.Optional));
        Assert.DoesNotContain(pod.Volumes, v => v.Name == "models");
        Assert.DoesNotContain("api-key", string.Join(' ', pod.Containers[0].Env?.Select(e => e.Name) ?? []), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_Secret_needs_another_gateway_and_another_model_behind_the_API_does_not()
    {
        string Hash(Action<JsonNode>? change = null) => Deployments.GatewayHash(Documents.InCluster(s => { Documents.Story(s); change?.Invoke(s["large"]!["openAI"]!); }));
        Assert.NotEqual(Hash(), Hash(o => o["apiKeySecret"]!["name"] = "other"));
        Assert.Equal(Hash(), Hash(o => o["model"] = "gpt-4o"));
    }

    [Fact]
    public void A_relative_key_file_is_a_mistake_in_a_cluster()
    {
        var mixture = Documents.Mixture(s => { Documents.Story(s); s["large"]!["openAI"]!["apiKeyFile"] = "openai.key"; });
        Assert.Equal(["spec.large.openAI.apiKeyFile"], ClusterRules.Check(mixture).Select(p => p.Path));
    }

    [Fact]
    public async Task Its_pool_follows_the_load_and_the_status_tells_of_both_models()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad());
        cluster.Apply(Documents.Story);
        await cluster.UntilAsync(() => cluster.Is("Ready", "True") && cluster.Is("MetricsAvailable", "True"), "Ready");
        await cluster.UntilAsync(() => cluster.Replicas("big") == 1, "as few as there may be", 120);

        cluster.Prometheus.SetLoad("art", "postcards", new FakeLoad(Misses: 2.4));
        await cluster.UntilAsync(() => cluster.Replicas("big") == 3 && (int?)cluster.Status()!["small"]![0]!["ready"] == 3, "a larger pool");
        var status = cluster.Status()!;
        Assert.Null(status["large"]);
        Assert.Equal(("gpt-3.5-turbo", "3/3"), ((string)status["columns"]!["large"]!, (string)status["columns"]!["small"]!));
        Assert.Equal("texts are written", (string)cluster.Condition("Ready")!["message"]!);
    }

    [Fact]
    public async Task What_belongs_to_an_image_mixture_is_named()
    {
        await using var cluster = await FakeCluster.StartAsync();
        await cluster.OperatorAsync();
        cluster.Apply(s =>
        {
            Documents.Story(s);
            s["cache"] = new JsonObject { ["embedder"] = new JsonObject { ["path"] = "/models/clip" } };
        });
        await cluster.UntilAsync(() => cluster.Is("Accepted", "False"), "Accepted=False");
        Assert.Contains("spec.cache: is for images", (string)cluster.Condition("Accepted")!["message"]!, StringComparison.Ordinal);
    }
}
