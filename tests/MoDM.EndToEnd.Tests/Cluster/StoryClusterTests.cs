using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>A Story mixture on a real Kubernetes: an external model behind the node, the key in a Secret, a Mamba in a pod.</summary>
[Collection(ClusterCollection.Name)]
public sealed class StoryClusterTests(ClusterFixture cluster)
{
    private const string Key = "sk-test-in-the-cluster";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Texts_come_from_the_external_model_with_the_Secrets_key_and_from_the_Mamba_when_that_one_fails()
    {
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("stories");
        await using var upstream = await FakeUpstream.StartAsync("0.0.0.0");
        var node = (string)(await cluster.ListAsync("nodes"))[0]["status"]!["addresses"]!.AsArray().First(a => (string)a!["type"]! == "InternalIP")!["address"]!;
        await cluster.KubectlAsync("create", "secret", "generic", "openai", "-n", ns, $"--from-literal=api-key={Key}");
        var mixture = new ClusterMixture(cluster, ns, "endings");
        await mixture.ApplyAsync($$"""
            apiVersion: modm.dev/v1alpha1
            kind: ModelMixture
            metadata: {name: endings, namespace: {{ns}} }
            spec:
              modality: Story
              steps: 24
              large: {name: gpt, openAI: {model: gpt-x, baseUrl: "{{upstream.BaseUrl.Replace("0.0.0.0", node, StringComparison.Ordinal)}}", apiKeySecret: {name: openai} } }
              small: [{name: mamba, model: {path: /models/postcards-mamba}, pod: {args: [--threads, "1"], resources: {requests: {cpu: 10m, memory: 64Mi} } } }]
              gpuBudget: 1
              gateway: {pod: {resources: {requests: {cpu: 10m, memory: 64Mi} } } }
              slo: {latency: 20s}
            """);
        await mixture.UntilAsync("Ready");

        using var http = new HttpClient { BaseAddress = await mixture.AddressAsync() };
        var (ending, route) = await EndAsync(http, "endings");
        Assert.Equal(("They danced until morning.", "large"), (ending, route));
        Assert.Equal($"Bearer {Key}", Assert.Single(upstream.Requests).Authorization);

        upstream.Answer = new UpstreamAnswer(Status: 500, Error: "oops");
        (ending, route) = await EndAsync(http, "endings");
        Assert.Equal("fallback", route);
        Assert.Matches("[.!?…\"”]$", ending);

        // An external model has no pods.
        Assert.Equal(["endings-gateway", "endings-mamba"], (await cluster.ListAsync("deployments", "-n", ns)).Select(d => (string)d["metadata"]!["name"]!).Order());
        Assert.Matches(@"endings\s+True\s+gpt\s+1/1", await cluster.KubectlAsync("get", "mm", "-n", ns));
        Assert.DoesNotContain(Key, await cluster.LogsAsync(ns, await mixture.GatewayPodAsync()), StringComparison.Ordinal);
    }

    private static async Task<(string Ending, string Route)> EndAsync(HttpClient http, string model)
    {
        var response = await http.PostAsJsonAsync("/v1/stories/endings", new { model, prompt = "Mia had a red kite.", sentences = 1 }, Cancel);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancel))!;
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
        return ((string)body["ending"]!, response.Headers.GetValues("x-modm-route").First());
    }
}
