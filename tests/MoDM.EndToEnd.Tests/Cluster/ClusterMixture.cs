using System.Globalization;
using System.Text.Json.Nodes;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>A mixture in a namespace of the real cluster. Models draw on one thread each and ask for little CPU.</summary>
internal sealed class ClusterMixture(ClusterFixture cluster, string ns, string name = "postcards")
{
    public string Namespace => ns;

    /// <summary>The document; all that differs from test to test is a parameter.</summary>
    public string Yaml(
        int steps = 10, string latency = "2m", string objective = "Cost", double percentile = 99, int budget = 4,
        (int Min, int Max)? large = null, (int Min, int Max)? small = null, string largeModel = "postcards-large", string smallModel = "postcards-small",
        string degrade = "None", double skip = 0.5)
    {
        var ((minLarge, maxLarge), (minSmall, maxSmall)) = (large ?? (1, 1), small ?? (1, 1));
        return string.Create(CultureInfo.InvariantCulture, $$"""
            apiVersion: modm.dev/v1alpha1
            kind: ModelMixture
            metadata: {name: {{name}}, namespace: {{ns}} }
            spec:
              steps: {{steps}}
              large:
                name: postcards-large
                model: {path: /models/{{largeModel}} }
                guidanceScale: 3
                replicas: {min: {{minLarge}}, max: {{maxLarge}} }
                pod: {args: [--threads, "1"], resources: {requests: {cpu: 10m, memory: 64Mi} } }
              small:
                - name: postcards-small
                  model: {path: /models/{{smallModel}} }
                  guidanceScale: 3
                  replicas: {min: {{minSmall}}, max: {{maxSmall}} }
                  pod: {args: [--threads, "1"], resources: {requests: {cpu: 10m, memory: 64Mi} } }
              gpuBudget: {{budget}}
              gateway: {pod: {resources: {requests: {cpu: 10m, memory: 64Mi} } } }
              cache:
                embedder: {path: /models/postcards-clip}
                hits: [{similarity: 0.519, skip: {{skip}} }]
              slo: {latency: {{latency}}, percentile: {{percentile}}, objective: {{objective}}, degrade: {{degrade}} }
            """);
    }

    public Task ApplyAsync(string yaml) => cluster.ApplyAsync(yaml);

    public Task<Uri> AddressAsync() => cluster.ServiceAddressAsync(ns, name);

    public Task<JsonNode> GetAsync() => cluster.GetJsonAsync("mm", name, "-n", ns);

    public async Task<JsonNode?> ConditionAsync(string type) =>
        (await GetAsync())["status"]?["conditions"]?.AsArray().FirstOrDefault(c => (string)c!["type"]! == type);

    public async Task<bool> IsAsync(string type, string status = "True") => (string?)(await ConditionAsync(type))?["status"] == status;

    public Task UntilAsync(string type, string status = "True", int seconds = 180) =>
        cluster.WaitAsync(() => IsAsync(type, status), seconds, $"{type}={status} of {name}", ns);

    public async Task ReadyAsync(string yaml, int seconds = 240)
    {
        await ApplyAsync(yaml);
        await cluster.WaitAsync(async () => await IsAsync("Ready") && await IsAsync("WorkersReady"), seconds, $"{name} ready", ns);
    }

    public Task<IReadOnlyList<JsonNode>> PodsAsync(string? pool = null) => cluster.ListAsync(
        "pods", "-n", ns, "-l", pool is null ? $"modm.dev/mixture={name},modm.dev/role=worker" : $"modm.dev/mixture={name},modm.dev/pool={pool}");

    public async Task<string> GatewayPodAsync() => (string)(await cluster.ListAsync("pods", "-n", ns, "-l", $"modm.dev/mixture={name},modm.dev/role=gateway"))
        .First(p => p["metadata"]!["deletionTimestamp"] is null)["metadata"]!["name"]!;

    public async Task<int> ReplicasAsync(string pool) => (int)(await cluster.GetJsonAsync("deployment", $"{name}-{pool}", "-n", ns))["spec"]!["replicas"]!;

    /// <summary>What would change if anybody wrote: versions of the mixture and its Deployments' specs, and the pods.</summary>
    public async Task<string> FingerprintAsync()
    {
        var deployments = await cluster.ListAsync("deployments", "-n", ns);
        var others = await cluster.ListAsync("services,serviceaccounts,roles,rolebindings,networkpolicies", "-n", ns, "-l", $"modm.dev/mixture={name}");
        return string.Join(' ',
        [
            (string)(await GetAsync())["metadata"]!["resourceVersion"]!,
            .. deployments.Select(d => $"{d["metadata"]!["name"]}:{d["metadata"]!["generation"]}"),
            .. others.Select(o => $"{o["kind"]}/{o["metadata"]!["name"]}:{o["metadata"]!["resourceVersion"]}"),
            .. (await PodsAsync()).Select(p => (string)p["metadata"]!["uid"]!),
        ]);
    }
}
