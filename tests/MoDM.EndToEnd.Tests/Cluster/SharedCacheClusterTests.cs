using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>Two gateways on a real Kubernetes over one Qdrant (ours on its wire) and one real S3, with all keys in Secrets.</summary>
[Collection(ClusterCollection.Name)]
public sealed class SharedCacheClusterTests(ClusterFixture cluster)
{
    private const string QdrantKey = "qdrant-test-in-the-cluster";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Gateways_share_their_images_know_callers_by_a_Secret_and_say_when_the_cache_does_not_answer()
    {
        cluster.Need();
        var s3 = Environment.GetEnvironmentVariable("MODM_TEST_S3");
        Assert.SkipUnless(s3 is not null, "needs an S3 server: MODM_TEST_S3 with its address, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("shared");
        await using var qdrant = await FakeQdrant.StartAsync(QdrantKey, host: IPAddress.Any);
        await using var s3Way = TcpProxy.Start(new Uri(s3!), IPAddress.Any);
        using var bucket = S3Images.Connect(s3!, "us-east-1", TimeSpan.FromSeconds(30));
        var name = $"modm-{Guid.NewGuid():N}";
        await bucket.PutBucketAsync(name, Cancel);
        var key = await SecretsAsync(ns);
        var mixture = new ClusterMixture(cluster, ns);
        var node = (string)(await cluster.ListAsync("nodes"))[0]["status"]!["addresses"]!.AsArray().First(a => (string)a!["type"]! == "InternalIP")!["address"]!;
        await mixture.ReadyAsync(mixture.Yaml()
            .Replace("gateway: {pod:", "gateway: {replicas: 2, keysSecret: {name: callers}, pod:", StringComparison.Ordinal)
            .Replace("embedder: {path: /models/postcards-clip}", $$"""
                embedder: {path: /models/postcards-clip}
                    lookUpDeadline: 10s
                    store:
                      shared:
                        qdrant: {url: "http://{{node}}:{{qdrant.Address.Port}}", apiKeySecret: {name: qdrant} }
                        s3: {endpoint: "http://{{node}}:{{s3Way.Address.Port}}", bucket: {{name}}, credentialsSecret: s3}
                """, StringComparison.Ordinal));
        await mixture.UntilAsync("CacheAvailable");

        var pods = await cluster.ListAsync("pods", "-n", ns, "-l", "modm.dev/role=gateway");
        Assert.Equal(2, pods.Count);
        using var one = await GatewayAsync(ns, pods[0], key);
        using var other = await GatewayAsync(ns, pods[1], key);
        var first = await DrawAsync(one, "url");
        var id = (string)first["images"]![0]!["id"]!;
        await cluster.WaitAsync(async () => (await other.GetAsync($"/v1/images/{id}", Cancel)).Headers.TryGetValues("x-modm-cached", out var cached)
            && cached.First() == "true", 30, "the image at the other gateway", ns);
        Assert.Equal(("hit", id), ((string)(await DrawAsync(other))["route"]!, (string)(await DrawAsync(other))["source_image"]!));
        using (var nobody = new HttpClient { BaseAddress = one.BaseAddress })
            Assert.Equal(401, (int)(await nobody.GetAsync("/v1/models", Cancel)).StatusCode);

        await qdrant.StopAsync();
        Assert.Equal("miss", (string)(await DrawAsync(one))["route"]!);
        await mixture.UntilAsync("CacheAvailable", "False", 60);
        Assert.True(await mixture.IsAsync("Ready"));
        await qdrant.RestartAsync();
        await mixture.UntilAsync("CacheAvailable", "True", 60);
        await cluster.WaitAsync(async () => (string)(await DrawAsync(one))["route"]! == "hit", 30, "a hit again", ns);

        foreach (var secret in new[] { key, QdrantKey, Environment.GetEnvironmentVariable("AWS_SECRET_ACCESS_KEY")! })
        {
            foreach (var pod in pods)
            {
                Assert.DoesNotContain(secret, await cluster.LogsAsync(ns, (string)pod["metadata"]!["name"]!), StringComparison.Ordinal);
                Assert.DoesNotContain(secret, pod.ToJsonString(), StringComparison.Ordinal);
            }
        }
    }

    /// <returns>The caller's key.</returns>
    private async Task<string> SecretsAsync(string ns)
    {
        var (file, said) = (Path.Combine(TempFolder.New(), "keys"), new StringWriter());
        Assert.Equal(0, KeysCommand.Run(["add", "mia", "--tenant", "acme", "--keys", file], said, TextWriter.Null));
        await cluster.KubectlAsync("create", "secret", "generic", "callers", "-n", ns, $"--from-file=keys={file}");
        await cluster.KubectlAsync("create", "secret", "generic", "qdrant", "-n", ns, $"--from-literal=api-key={QdrantKey}");
        var s3 = new[] { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY" }.Select(variable => $"--from-literal={variable}={Environment.GetEnvironmentVariable(variable)}");
        await cluster.KubectlAsync(["create", "secret", "generic", "s3", "-n", ns, .. s3]);
        return said.ToString().Trim();
    }

    private async Task<HttpClient> GatewayAsync(string ns, JsonNode pod, string key)
    {
        var http = new HttpClient { BaseAddress = await cluster.PodAddressAsync(ns, (string)pod["metadata"]!["name"]!, 8080) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return http;
    }

    /// <returns>What the answer says of itself.</returns>
    private static async Task<JsonNode> DrawAsync(HttpClient gateway, string format = "b64_json")
    {
        using var answer = await gateway.PostAsJsonAsync("/v1/images/generations", new { prompt = "a red lighthouse at dawn", response_format = format }, Cancel);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Cancel))!;
        Assert.True(answer.IsSuccessStatusCode, body.ToJsonString());
        return body["modm"]!;
    }
}
