using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>The ground that the other tests of the cluster stand on: images, network, Prometheus, crashes, the chart.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ClusterGroundTests(ClusterFixture cluster)
{
    [Fact]
    public async Task A_worker_gets_ready_draws_is_measured_and_comes_back_when_killed()
    {
        cluster.Need();
        await using var ns = await cluster.NamespaceAsync("ground");
        await cluster.ApplyAsync(Worker, ns);
        await cluster.WaitForPodsAsync(ns, "app=worker", 1);
        var pod = (string)(await cluster.ListAsync("pods", "-n", ns, "-l", "app=worker"))[0]["metadata"]!["name"]!;

        // By the pod's address and by the Service's.
        foreach (var address in new[] { await cluster.PodAddressAsync(ns, pod, 8000), await cluster.ServiceAddressAsync(ns, "worker") })
        {
            await using var load = LoadGenerator.Closed(address, clients: 1);
            await cluster.WaitAsync(() => load.Result.Succeeded > 0, 60, $"an image of {address}: {load.Result}", ns);
            Assert.Equal(0, (await load.StopAsync()).Failed);
        }

        var up = $$"""up{namespace="{{ns}}",pod="{{pod}}"}""";
        await cluster.WaitAsync(async () => await cluster.Prometheus.ValueAsync(up) == 1, 60, "up == 1 in Prometheus", ns);
        await cluster.WaitAsync(
            async () => await cluster.Prometheus.ValueAsync($$"""modm_model_load_seconds{phase="load",namespace="{{ns}}"}""") > 0, 60, "the worker's metrics", ns);

        await cluster.KillAsync(ns, pod);
        await cluster.WaitAsync(
            async () => await cluster.GetJsonAsync("pod", pod, "-n", ns) is var now && ClusterFixture.IsReady(now)
                && (int)now["status"]!["containerStatuses"]![0]!["restartCount"]! == 1,
            120, "the killed container ready again", ns);
        Assert.NotEmpty(await cluster.LogsAsync(ns, pod, previous: true));
    }

    [Fact]
    public async Task Prometheus_keeps_data_and_address_over_a_stop()
    {
        cluster.Need();
        await cluster.WaitAsync(async () => await cluster.Prometheus.ValueAsync("vector(1)") == 1, 30, "an answer");
        var address = cluster.Prometheus.Address;
        await using var ns = await cluster.NamespaceAsync("prometheus");
        await cluster.ApplyAsync(Worker, ns);
        var seen = $$"""last_over_time(up{namespace="{{ns}}"}[10m])""";
        await cluster.WaitAsync(async () => await cluster.Prometheus.ValueAsync(seen) is not null, 120, "a scrape", ns);

        await cluster.Prometheus.StopAsync();
        await Assert.ThrowsAsync<HttpRequestException>(() => cluster.Prometheus.ValueAsync("vector(1)"));
        await cluster.KubectlAsync("delete", "deployment", "worker", "-n", ns);
        await cluster.Prometheus.StartAsync();

        Assert.Equal(address, cluster.Prometheus.Address);
        Assert.NotNull(await cluster.Prometheus.ValueAsync(seen));
    }

    [Fact]
    public async Task A_load_at_a_rate_counts_what_fails()
    {
        cluster.Need();
        await using var ns = await cluster.NamespaceAsync("load");
        await cluster.ApplyAsync(Worker, ns);
        await cluster.WaitForPodsAsync(ns, "app=worker", 1);
        var address = await cluster.ServiceAddressAsync(ns, "worker");

        // Few steps. A worker that is still at the last one, on a machine with other work, says that it is busy: the only failure allowed.
        await using var good = LoadGenerator.Open(address, perSecond: 0.5, n => With(LoadGenerator.Postcard(n), "num_inference_steps", 2));
        await using var bad = LoadGenerator.Open(address, perSecond: 2, _ => new() { ["prompt"] = "" });
        await cluster.WaitAsync(() => good.Result.Succeeded >= 2 && bad.Result.Failed >= 4, 90, $"answers: {good.Result}, {bad.Result}", ns);

        Assert.All((await good.StopAsync()).Failures.Keys, failure => Assert.Matches("^503: .*draws as many images as it can", failure));
        var result = await bad.StopAsync();
        Assert.StartsWith("400: ", Assert.Single(result.Failures).Key, StringComparison.Ordinal);
        Assert.Equal(0, result.Succeeded);
    }

    [Fact]
    public async Task The_chart_runs_an_operator_that_makes_the_demo_mixture()
    {
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("demo");

        await cluster.ApplyAsync(await File.ReadAllTextAsync(Repo.File("examples", "postcards.yaml"), TestContext.Current.CancellationToken), ns);

        await cluster.WaitAsync(
            async () => (await cluster.ListAsync("pods", "-n", ns, "-l", "modm.dev/mixture=postcards,modm.dev/role=gateway")).Count > 0, 60, "a gateway's pod", ns);
        await cluster.WaitAsync(
            async () =>
            {
                var pods = await cluster.ListAsync("pods", "-n", ns, "-l", "modm.dev/mixture=postcards,modm.dev/role=worker");
                return pods.All(ClusterFixture.IsReady)
                    && pods.Select(p => (string)p["metadata"]!["labels"]!["modm.dev/pool"]!).Distinct().Count() == 2;
            },
            240, "ready workers of both pools", ns);
        await cluster.ServiceAddressAsync(ns, "postcards");
    }

    /// <summary>A worker as the operator writes it, and a Service.</summary>
    private static string Worker => $$$"""
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: worker}
        spec:
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker, app.kubernetes.io/name: modm}}
            spec:
              automountServiceAccountToken: false
              enableServiceLinks: false
              securityContext:
                runAsNonRoot: true
                runAsUser: 1654
                runAsGroup: 1654
                fsGroup: 1654
                seccompProfile: {type: RuntimeDefault}
              containers:
                - name: worker
                  image: localhost/modm/worker:{{{ClusterFixture.ImageTag}}}
                  imagePullPolicy: IfNotPresent
                  args: [--model, /models/postcards-small, --name, postcards-small, --urls, "http://0.0.0.0:8000", --threads, "1"]
                  ports: [{name: http, containerPort: 8000}]
                  resources: {requests: {cpu: 10m, memory: 128Mi}, limits: {nvidia.com/gpu: 1}}
                  startupProbe: {httpGet: {path: /livez, port: http}, periodSeconds: 1, failureThreshold: 120, timeoutSeconds: 5}
                  readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1, timeoutSeconds: 5}
                  securityContext:
                    allowPrivilegeEscalation: false
                    readOnlyRootFilesystem: true
                    capabilities: {drop: [ALL]}
                  volumeMounts: [{name: tmp, mountPath: /tmp}]
              volumes: [{name: tmp, emptyDir: {}}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: worker}
        spec:
          selector: {app: worker}
          ports: [{port: 80, targetPort: http}]
        """;

    private static JsonObject With(JsonObject request, string field, int value)
    {
        request[field] = value;
        return request;
    }
}
