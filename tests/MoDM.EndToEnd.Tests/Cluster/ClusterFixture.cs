using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>Tests on the one real cluster: one after the other, and not beside any other tests.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ClusterCollection : ICollectionFixture<ClusterFixture>
{
    public const string Name = "cluster";
}

#pragma warning disable CA1822 // Nobody should ask the cluster for anything who has not got the fixture.

/// <summary>The Kubernetes that .ci/cluster.sh starts, and a Prometheus beside it.</summary>
public sealed class ClusterFixture : IAsyncLifetime
{
    /// <summary>Where <see cref="InstallOperatorAsync"/> puts the release "modm"; the CRD belongs to it, so there is but one.</summary>
    public const string OperatorNamespace = "modm-system";

    private const string TestLabel = "modm.dev/test=true";

    private static readonly bool IsThere = Environment.GetEnvironmentVariable("MODM_TEST_CLUSTER") == "1";

    private int _namespaces;
    private bool _installed;
    private PrometheusProcess? _prometheus;

    /// <summary>The tag of the images that are loaded; TAG-b is another image of the operator.</summary>
    public static string ImageTag => Environment.GetEnvironmentVariable("MODM_TEST_IMAGE_TAG") ?? "test";

    public PrometheusProcess Prometheus => _prometheus ?? throw new InvalidOperationException("No cluster; call Need first.");

    /// <summary>Skips the test where there is no cluster.</summary>
    public void Need([CallerMemberName] string test = "") =>
        Assert.SkipUnless(IsThere, $"{test}: there is no cluster; start one with: eval \"$(.ci/cluster.sh up)\"");

    public async ValueTask InitializeAsync()
    {
        if (!IsThere) return;
        // What a run left that was cut off.
        await KubectlAsync("delete", "namespace", "-l", TestLabel, "--wait=false");
        _prometheus = await PrometheusProcess.CreateAsync(this);
        await _prometheus.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_prometheus is not null) await _prometheus.DisposeAsync();
        if (_installed) await UninstallOperatorAsync();
    }

    /// <returns>What kubectl wrote to stdout. Fails with what it wrote to stderr.</returns>
    public Task<string> KubectlAsync(params string[] arguments) => RunAsync("kubectl", arguments);

    public Task<string> HelmAsync(params string[] arguments) => RunAsync("helm", arguments);

    public Task<string> ApplyAsync(string yaml, string? ns = null) =>
        RunAsync("kubectl", ["apply", .. ns is null ? Array.Empty<string>() : ["-n", ns], "-f", "-"], yaml);

    /// <param name="arguments">As for kubectl get: "pods", "-n", ns.</param>
    public async Task<JsonNode> GetJsonAsync(params string[] arguments) =>
        JsonNode.Parse(await KubectlAsync(["get", .. arguments, "-o", "json"]))!;

    /// <summary>Like <see cref="GetJsonAsync"/> of a list.</summary>
    public async Task<IReadOnlyList<JsonNode>> ListAsync(params string[] arguments) =>
        [.. (await GetJsonAsync(arguments))["items"]!.AsArray().Select(i => i!)];

    /// <summary>Until it is so. Fails with what, with the condition's last error, and with what there is in the namespace.</summary>
    public async Task WaitAsync(Func<Task<bool>> isSo, int seconds, string what, string? ns = null)
    {
        var start = Stopwatch.GetTimestamp();
        var error = "";
        do
        {
            try
            {
                if (await isSo()) return;
                error = "";
            }
            catch (Exception e) when (e is ClusterToolException or HttpRequestException or InvalidOperationException)
            {
                error = e.Message;
            }
            await Task.Delay(500, TestContext.Current.CancellationToken);
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
        Assert.Fail($"Not within {seconds} s: {what}. {error}\n{(ns is null ? "" : await DumpAsync(ns))}");
    }

    public Task WaitAsync(Func<bool> isSo, int seconds, string what, string? ns = null) => WaitAsync(() => Task.FromResult(isSo()), seconds, what, ns);

    /// <summary>Until this many pods that the selector takes are ready, and no others are there.</summary>
    public Task WaitForPodsAsync(string ns, string selector, int ready, int seconds = 180) => WaitAsync(
        async () => await ListAsync("pods", "-n", ns, "-l", selector) is var pods && pods.Count == ready && pods.All(IsReady),
        seconds, $"{ready} ready pods of {selector}", ns);

    public static bool IsReady(JsonNode pod) =>
        pod["status"]?["conditions"]?.AsArray().Any(c => (string?)c!["type"] == "Ready" && (string?)c["status"] == "True") == true;

    /// <returns>A new namespace; disposing it deletes it with all that is in it.</returns>
    public async Task<ClusterNamespace> NamespaceAsync(string prefix = "test")
    {
        var name = $"{prefix}-{Environment.ProcessId}-{Interlocked.Increment(ref _namespaces)}";
        await KubectlAsync("create", "namespace", name);
        await KubectlAsync("label", "namespace", name, TestLabel);
        return new ClusterNamespace(this, name);
    }

    /// <summary>The chart with these images, CPU workers, and this Prometheus; upgrades the release that is there.</summary>
    /// <param name="more">More arguments of helm, such as "--set", "replicas=2".</param>
    public async Task InstallOperatorAsync(params string[] more)
    {
        _installed = true;
        await HelmAsync(
            [
                "upgrade", "--install", "modm", Charts.ChartTests.Chart, "--namespace", OperatorNamespace, "--create-namespace",
                "--set", "image.registry=localhost,worker.cuda=false,resources.requests.cpu=10m",
                "--set", $"image.operator.tag={ImageTag},image.gateway.tag={ImageTag},image.worker.tag={ImageTag}",
                "--set", $"prometheus.url={Prometheus.Address.ToString().TrimEnd('/')}", .. more,
            ]);
        await WaitAsync(
            async () => (await KubectlAsync("rollout", "status", "deployment/modm-operator", "-n", OperatorNamespace, "--timeout=5s")).Contains("successfully", StringComparison.Ordinal),
            180, "a ready operator", OperatorNamespace);
    }

    /// <summary>The release, its CRD and with it all mixtures.</summary>
    public async Task UninstallOperatorAsync()
    {
        await HelmAsync("uninstall", "modm", "--namespace", OperatorNamespace, "--ignore-not-found");
        await KubectlAsync("delete", "crd", "modelmixtures.modm.dev", "--ignore-not-found", "--timeout=60s");
        await DeleteNamespaceAsync(OperatorNamespace);
        _installed = false;
    }

    /// <summary>
    /// A Service's address that this process reaches: kube-proxy's rules hold for the node's own programs too. It makes them a
    /// little after a pod is ready, so this waits until somebody listens there.
    /// </summary>
    public async Task<Uri> ServiceAddressAsync(string ns, string name)
    {
        var spec = (await GetJsonAsync("service", name, "-n", ns))["spec"]!;
        var (host, port) = ((string)spec["clusterIP"]!, (int)spec["ports"]![0]!["port"]!);
        await WaitAsync(() => ListensAsync(host, port), 60, $"somebody listens behind the Service {name}", ns);
        return new Uri($"http://{host}:{port}");
    }

    private static async Task<bool> ListensAsync(string host, int port)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(host, port, TestContext.Current.CancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public async Task<Uri> PodAddressAsync(string ns, string pod, int port) =>
        new($"http://{(string)(await GetJsonAsync("pod", pod, "-n", ns))["status"]!["podIP"]!}:{port}");

    /// <summary>As a crash does: kill -9 of the pod's container.</summary>
    public Task KillAsync(string ns, string pod) => SignalAsync(ns, pod, "SIGKILL");

    /// <summary>A signal for the pod's container, without Kubernetes knowing.</summary>
    public async Task SignalAsync(string ns, string pod, string signal)
    {
        var id = (string)(await GetJsonAsync("pod", pod, "-n", ns))["status"]!["containerStatuses"]![0]!["containerID"]!;
        var socket = Environment.GetEnvironmentVariable("MODM_TEST_CONTAINERD") ?? throw new InvalidOperationException("MODM_TEST_CONTAINERD is not set.");
        await RunAsync("ctr", ["-a", socket, "-n", "k8s.io", "tasks", "kill", "-s", signal, id.Replace("containerd://", "", StringComparison.Ordinal)]);
    }

    /// <summary>Containers whose processes run, by what the container runtime says: the kubelet's word on ended pods comes late.</summary>
    public async Task<string> RunningContainersAsync()
    {
        var socket = Environment.GetEnvironmentVariable("MODM_TEST_CONTAINERD") ?? throw new InvalidOperationException("MODM_TEST_CONTAINERD is not set.");
        var tasks = await RunAsync("ctr", ["-a", socket, "-n", "k8s.io", "tasks", "ls"]);
        return string.Join('\n', tasks.Split('\n').Where(l => l.Contains("RUNNING", StringComparison.Ordinal)));
    }

    /// <param name="previous">Of the container that ended before this one.</param>
    public Task<string> LogsAsync(string ns, string pod, bool previous = false) =>
        KubectlAsync(["logs", pod, "-n", ns, .. previous ? ["--previous"] : Array.Empty<string>()]);

    /// <returns>What there is in the namespace, for the message of a failure.</returns>
    public async Task<string> DumpAsync(string ns)
    {
        var text = "";
        foreach (var what in new[] { "all", "mm", "events" })
            text += await TriedAsync("get", what, "-n", ns, what == "events" ? "--sort-by=.lastTimestamp" : "-owide") + "\n";
        foreach (var pod in (await TriedAsync("get", "pods", "-n", ns, "-o", "name")).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            text += $"{pod}:\n{await TriedAsync("logs", pod, "-n", ns, "--tail=20")}\n";
        return text;
    }

    internal async Task DeleteNamespaceAsync(string name)
    {
        // The pods go first, and at once: the namespace's deletion would take as long as a worker is patient. Nobody makes them
        // again when the mixture is gone.
        await TriedAsync("delete", "mm", "--all", "-n", name, "--timeout=30s");
        await TriedAsync("delete", "deployments", "--all", "-n", name, "--timeout=30s");
        await TriedAsync("delete", "pods", "--all", "-n", name, "--grace-period=1", "--timeout=5s");
        // The kubelet of 1.20 at times keeps a pod that has ended for more than a minute.
        await TriedAsync("delete", "pods", "--all", "-n", name, "--grace-period=0", "--force", "--timeout=30s");
        await KubectlAsync("delete", "namespace", name, "--ignore-not-found", "--timeout=180s");
    }

    private async Task<string> TriedAsync(params string[] arguments)
    {
        try
        {
            return await KubectlAsync(arguments);
        }
        catch (ClusterToolException e)
        {
            return e.Message;
        }
    }

    private static async Task<string> RunAsync(string program, string[] arguments, string? input = null)
    {
        var tools = Environment.GetEnvironmentVariable("MODM_TOOLS");
        var path = tools is not null && File.Exists(Path.Combine(tools, program)) ? Path.Combine(tools, program) : program;
        var start = new ProcessStartInfo(path, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Repo.Root,
        };
        try
        {
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEndAsync();
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? await output
                : throw new ClusterToolException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await error}{await output}");
        }
        catch (Win32Exception e)
        {
            throw new ClusterToolException($"{program}: {e.Message}");
        }
    }
}

/// <summary>A namespace of one test; a string wherever one is wanted.</summary>
public sealed class ClusterNamespace(ClusterFixture cluster, string name) : IAsyncDisposable
{
    public static implicit operator string(ClusterNamespace ns) => ns.ToString();

    public override string ToString() => name;

    public async ValueTask DisposeAsync() => await cluster.DeleteNamespaceAsync(name);
}

/// <summary>kubectl, helm or ctr failed.</summary>
public sealed class ClusterToolException(string message) : Exception(message);
