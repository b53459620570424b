using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Gateway.Tests;

/// <summary>An API server with the demo's mixture in it, and pods whose workers are fakes on this machine.</summary>
public sealed class TestCluster : IAsyncDisposable
{
    public const string Mixture = "/apis/modm.dev/v1alpha1/namespaces/art/modelmixtures/postcards";

    private TestCluster(FakeApiServer api) => Api = api;

    public FakeApiServer Api { get; }

    public static async Task<TestCluster> StartAsync(Action<JsonNode>? change = null)
    {
        var cluster = new TestCluster(await FakeApiServer.StartAsync());
        cluster.PutMixture(change);
        return cluster;
    }

    public static JsonNode Spec(Action<JsonNode>? change = null)
    {
        var spec = JsonNode.Parse("""
            {"steps": 50, "gpuBudget": 4,
             "large": {"name": "postcards-large", "model": {"path": "/models/large"}, "guidanceScale": 3, "replicas": {"min": 1, "max": 4}},
             "small": [{"name": "postcards-small", "model": {"path": "/models/small"}, "guidanceScale": 3}],
             "cache": {"embedder": {"path": ""}, "hits": [{"similarity": 0.7, "skip": 0.2}, {"similarity": 0.9, "skip": 0.6}]},
             "slo": {"latency": "30s"}}
            """)!;
        spec["cache"]!["embedder"]!["path"] = Repo.Model("postcards-clip");
        change?.Invoke(spec);
        return spec;
    }

    public void PutMixture(Action<JsonNode>? change = null) => PutMixture(Spec(change), null);

    public void PutMixture(JsonNode spec, JsonNode? accepted)
    {
        var item = new JsonObject { ["apiVersion"] = "modm.dev/v1alpha1", ["kind"] = "ModelMixture", ["metadata"] = new JsonObject(), ["spec"] = spec };
        item["status"] = accepted is null ? new JsonObject() : new JsonObject { ["accepted"] = new JsonObject { ["spec"] = accepted } };
        Api.Put(Mixture, item.ToJsonString());
    }

    public Task<GatewayProcess> GatewayAsync(params string[] arguments) =>
        GatewayProcess.StartAsync([], ["--resource", "postcards", "--kubeconfig", Api.Kubeconfig("art"), .. arguments]);

    public static string Pod(string name) => $"/api/v1/namespaces/art/pods/{name}";

    /// <summary>A running pod of a worker's pool.</summary>
    public void PutPod(string name, FakeWorker worker, string phase = "Running") => PutPod(name, worker.Model, worker.Address.Port, phase);

    public void PutPod(string name, string pool, int port, string phase = "Running")
    {
        var item = JsonNode.Parse("""
            {"apiVersion": "v1", "kind": "Pod",
             "metadata": {"labels": {"modm.dev/mixture": "postcards", "modm.dev/role": "worker"}},
             "spec": {"containers": [{"name": "side", "ports": [{"containerPort": 1}]}, {"name": "worker", "ports": [{"name": "http"}]}]},
             "status": {"podIP": "127.0.0.1"}}
            """)!;
        item["metadata"]!["labels"]!["modm.dev/pool"] = pool;
        item["spec"]!["containers"]![1]!["ports"]![0]!["containerPort"] = port;
        item["status"]!["phase"] = phase;
        Api.Put(Pod(name), item.ToJsonString());
    }

    public void Mark(string pod, bool drain = true)
    {
        var annotations = new JsonObject { ["modm.dev/drain"] = drain ? "2026-01-02T03:04:05Z" : null };
        Api.Patch(Pod(pod), new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = annotations } }.ToJsonString());
    }

    /// <summary>The pod is being deleted, and stays until <see cref="FakeApiServer.Remove"/>.</summary>
    public void Terminate(string pod)
    {
        var item = Api.Get(Pod(pod))!;
        item["metadata"]!["deletionTimestamp"] = "2026-01-02T03:04:05Z";
        Api.Put(Pod(pod), item.ToJsonString());
    }

    public ValueTask DisposeAsync() => Api.DisposeAsync();
}
