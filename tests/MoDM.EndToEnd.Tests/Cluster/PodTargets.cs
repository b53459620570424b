using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>
/// Keeps a file of Prometheus' targets: every pod labelled app.kubernetes.io/name=modm with a container port named http. Debian's
/// Prometheus is built without the discovery of Kubernetes.
/// </summary>
internal sealed class PodTargets : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpClient _api;
    private readonly string _file;
    private Task _running = Task.CompletedTask;

    private PodTargets(HttpClient api, string file) => (_api, _file) = (api, file);

    public static async Task<PodTargets> StartAsync(ClusterFixture cluster, string file)
    {
        var config = JsonNode.Parse(await cluster.KubectlAsync("config", "view", "--raw", "--minify", "-o", "json"))!;
        var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator };
        var api = new HttpClient(handler)
        {
            BaseAddress = new Uri((string)config["clusters"]![0]!["cluster"]!["server"]!),
            DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", (string)config["users"]![0]!["user"]!["token"]!) },
            Timeout = TimeSpan.FromSeconds(10),
        };
        var targets = new PodTargets(api, file);
        targets._running = targets.RunAsync();
        return targets;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _api.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var written = "";
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var pods = JsonNode.Parse(await _api.GetStringAsync("/api/v1/pods?labelSelector=app.kubernetes.io%2Fname%3Dmodm", _stop.Token))!;
                var text = new JsonArray([.. pods["items"]!.AsArray().SelectMany(p => TargetsOf(p!))]).ToJsonString();
                if (text != written)
                {
                    // Prometheus never sees half a file.
                    await File.WriteAllTextAsync(_file + ".new", text);
                    File.Move(_file + ".new", _file, overwrite: true);
                    written = text;
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // The API server is away; the targets stay as they are.
            }
            await Task.Delay(1000, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static IEnumerable<JsonNode> TargetsOf(JsonNode pod)
    {
        if ((string?)pod["status"]?["podIP"] is not { } address || (string?)pod["status"]!["phase"] is "Succeeded" or "Failed") yield break;
        foreach (var container in pod["spec"]!["containers"]!.AsArray())
        {
            foreach (var port in container!["ports"]?.AsArray() ?? [])
            {
                if ((string?)port!["name"] != "http") continue;
                yield return new JsonObject
                {
                    ["targets"] = new JsonArray($"{address}:{(int)port["containerPort"]!}"),
                    ["labels"] = new JsonObject
                    {
                        ["namespace"] = (string)pod["metadata"]!["namespace"]!,
                        ["pod"] = (string)pod["metadata"]!["name"]!,
                    },
                };
            }
        }
    }
}
