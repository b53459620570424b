using System.Globalization;
using System.Text.Json.Nodes;

namespace MoDM.Fakes;

/// <summary>
/// What controllers, kubelet and gateway make of a fake API server's Deployments: pods that come, get ready, are drained when
/// marked, and go, those that are not ready first.
/// </summary>
public sealed class FakeNode : IAsyncDisposable
{
    private readonly FakeApiServer _api;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private int _names;

    public FakeNode(FakeApiServer api)
    {
        _api = api;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>The most GPUs that worker pods of a mixture ever held together.</summary>
    public int MostPods { get; private set; }

    /// <summary>How long pods that are told to end take to go; of those that are made from now on.</summary>
    public TimeSpan Grace { get; set; }

    /// <summary>Pods do not get ready while this is so.</summary>
    public bool Stuck { get; set; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            foreach (var deployment in _api.List("/apis/apps/v1/deployments"))
            {
                try
                {
                    Sync(deployment);
                }
                catch (FakeStatusException e) when (e.Code == 404)
                {
                    // Somebody removed it, or a pod, since it was listed. Of one that is gone nothing stays.
                    var (ns, name) = ((string)deployment["metadata"]!["namespace"]!, (string)deployment["metadata"]!["name"]!);
                    if (_api.Get($"/apis/apps/v1/namespaces/{ns}/deployments/{name}") is null)
                        PodsOf(deployment, ns).ForEach(pod => _api.Remove(PathOf(pod)));
                }
            }
            foreach (var pod in _api.List("/api/v1/pods", "modm.dev/role=worker").Where(IsOver))
                _api.Patch(PathOf(pod), """{"metadata": {"finalizers": null}}""");
            MostPods = Math.Max(MostPods, _api.List("/api/v1/pods", "modm.dev/role=worker").Count(p => !HasEnded(p)));
            await Task.Delay(50, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Sync(JsonObject deployment)
    {
        var (ns, name) = ((string)deployment["metadata"]!["namespace"]!, (string)deployment["metadata"]!["name"]!);
        var wanted = (int)deployment["spec"]!["replicas"]!;
        var labels = deployment["spec"]!["template"]!["metadata"]!["labels"]!;
        var pods = PodsOf(deployment, ns).OrderBy(IsReady).ToList();
        foreach (var pod in pods.Take(Math.Max(0, pods.Count - wanted)))
            _api.Remove(PathOf(pod)); // With a finalizer it only begins to end.
        for (var i = pods.Count; i < wanted; i++)
            Create(deployment, ns, $"{name}-{_names++}", labels);
        foreach (var pod in pods.Skip(Math.Max(0, pods.Count - wanted)))
        {
            var ready = !Stuck && pod["metadata"]!["annotations"]?["modm.dev/drain"] is null;
            if (ready != IsReady(pod)) _api.Patch($"{PathOf(pod)}/status", Status(ready));
        }
        var available = pods.Count(IsReady);
        if ((int?)deployment["status"]?["availableReplicas"] != available)
        {
            _api.Patch($"/apis/apps/v1/namespaces/{ns}/deployments/{name}/status",
                new JsonObject
                {
                    ["status"] = new JsonObject
                    {
                        ["replicas"] = wanted,
                        ["updatedReplicas"] = wanted,
                        ["availableReplicas"] = available,
                        ["observedGeneration"] = deployment["metadata"]!["generation"]!.DeepClone(),
                    },
                }.ToJsonString());
        }
    }

    private List<JsonObject> PodsOf(JsonObject deployment, string ns) => [.. _api.List(
        $"/api/v1/namespaces/{ns}/pods",
        string.Join(',', deployment["spec"]!["selector"]!["matchLabels"]!.AsObject().Select(l => $"{l.Key}={l.Value}")))
        .Where(pod => !HasEnded(pod) && pod["metadata"]!["deletionTimestamp"] is null)];

    private void Create(JsonObject deployment, string ns, string name, JsonNode labels) => _api.Put($"/api/v1/namespaces/{ns}/pods/{name}", new JsonObject
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Pod",
        ["metadata"] = new JsonObject
        {
            ["name"] = name,
            ["namespace"] = ns,
            ["labels"] = labels.DeepClone(),
            ["annotations"] = deployment["spec"]!["template"]!["metadata"]!["annotations"]?.DeepClone(),
            // They hold the record of a pod as long as its process would take to end.
            ["finalizers"] = Grace > TimeSpan.Zero ? new JsonArray("modm.dev/grace") : null,
            ["ownerReferences"] = new JsonArray(new JsonObject
            {
                ["apiVersion"] = "apps/v1",
                ["kind"] = "Deployment",
                ["name"] = (string)deployment["metadata"]!["name"]!,
                ["uid"] = (string)deployment["metadata"]!["uid"]!,
                ["controller"] = true,
            }),
        },
        ["status"] = new JsonObject { ["phase"] = "Running", ["podIP"] = "10.0.0.1" },
    }.ToJsonString());

    private static string PathOf(JsonObject pod) => $"/api/v1/namespaces/{pod["metadata"]!["namespace"]}/pods/{pod["metadata"]!["name"]}";

    private bool IsOver(JsonObject pod) => (string?)pod["metadata"]!["deletionTimestamp"] is { } since && pod["metadata"]!["finalizers"] is not null
        && TimeProvider.System.GetUtcNow() - DateTimeOffset.Parse(since, CultureInfo.InvariantCulture) > Grace;

    private static bool HasEnded(JsonObject pod) => (string?)pod["status"]?["phase"] == "Failed";

    private static bool IsReady(JsonObject pod) =>
        pod["status"]?["conditions"]?.AsArray().Any(c => (string)c!["type"]! == "Ready" && (string)c["status"]! == "True") == true;

    private static string Status(bool ready)
    {
        var now = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        return $$$"""
            {"status": {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "{{{now}}}"},
              {"type": "Ready", "status": "{{{ready}}}", "lastTransitionTime": "{{{now}}}"}],
             "containerStatuses": [{"name": "worker", "image": "w", "imageID": "w", "ready": {{{(ready ? "true" : "false")}}}, "restartCount": 0, "state": {"running": {"startedAt": "{{{now}}}"} } }] } }
            """;
    }
}
