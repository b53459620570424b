using System.Diagnostics;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Operator.Resources;

namespace MoDM.Operator.Tests;

/// <summary>A fake cluster with the CRD installed, and operator processes in it.</summary>
public sealed class FakeCluster : IAsyncDisposable
{
    private readonly List<OperatorProcess> _operators = [];

    public FakeApiServer Api { get; private init; } = null!;
    public FakePrometheus Prometheus { get; private init; } = null!;
    public FakeNode Node { get; private init; } = null!;

    /// <param name="scrape">Seconds between two scrapes.</param>
    public static async Task<FakeCluster> StartAsync(double scrape = 1)
    {
        var api = await FakeApiServer.StartAsync();
        api.Put($"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CrdManifest.Name}", CrdManifest.Build(cel: true).ToJsonString());
        return new FakeCluster
        {
            Api = api,
            Prometheus = await FakePrometheus.StartAsync(TimeSpan.FromSeconds(scrape), "big", "little"),
            Node = new FakeNode(api),
        };
    }

    public async Task<OperatorProcess> OperatorAsync(params string[] args)
    {
        var started = await OperatorProcess.StartAsync(
            ["--kubeconfig", Api.Kubeconfig(user: $"operator-{_operators.Count}"), "--urls", "http://127.0.0.1:0", "--prometheus", Prometheus.Address.ToString(), "--identity", $"operator-{_operators.Count}", .. args]);
        _operators.Add(started);
        return started;
    }

    public const string Path = "/apis/modm.dev/v1alpha1/namespaces/art/modelmixtures/postcards";

    public void Apply(Action<JsonNode>? change = null, string name = "postcards") => Api.Put(PathOf(name), new JsonObject
    {
        ["apiVersion"] = "modm.dev/v1alpha1",
        ["kind"] = "ModelMixture",
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "art" },
        ["spec"] = Documents.With(change),
    }.ToJsonString());

    public static string PathOf(string name) => $"/apis/modm.dev/v1alpha1/namespaces/art/modelmixtures/{name}";

    public JsonNode? Status(string name = "postcards") => Api.Get(PathOf(name))?["status"];

    public JsonNode? Condition(string type, string name = "postcards") =>
        Status(name)?["conditions"]?.AsArray().FirstOrDefault(c => (string)c!["type"]! == type);

    public bool Is(string type, string status, string name = "postcards") => (string?)Condition(type, name)?["status"] == status;

    public int Replicas(string pool, string mixture = "postcards") =>
        (int?)Api.Get($"/apis/apps/v1/namespaces/art/deployments/{mixture}-{pool}")?["spec"]?["replicas"] ?? -1;

    public async Task UntilAsync(Func<bool> isSo, string what, int seconds = 60)
    {
        for (var i = 0; i < 20 * seconds; i++)
        {
            if (isSo()) return;
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
        Assert.Fail($"{what}: not within {seconds} s. Status: {Status()?.ToJsonString()}\n{string.Join("; ", Api.Writes.TakeLast(12).Select(w => $"{w.At:ss.fff} {w.Verb} {w.Path} {w.Status}"))}\n{string.Join('\n', _operators.Select(o => o.Log))}");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _operators)
            one.Dispose();
        await Node.DisposeAsync();
        await Prometheus.DisposeAsync();
        await Api.DisposeAsync();
    }
}

/// <summary>The operator as its users run it.</summary>
public sealed class OperatorProcess : IDisposable
{
    private readonly Process _process;
    private readonly Queue<string> _log = new();
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private OperatorProcess(string[] args)
    {
        var assembly = System.IO.Path.Combine(AppContext.BaseDirectory.Replace("MoDM.Operator.Tests", "MoDM.Operator", StringComparison.Ordinal), "MoDM.Operator.dll");
        var start = new ProcessStartInfo("dotnet", [assembly, .. args]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // As the chart has it.
        start.Environment["DOTNET_GCgen0size"] = "200000";
        start.Environment["MALLOC_ARENA_MAX"] = "2";
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, e) =>
        {
            if (e.Data?.Split(" listening on ") is [_, var address]) _address.TrySetResult(new Uri(address));
        };
        _process.ErrorDataReceived += (_, e) =>
        {
            lock (_log)
            {
                if (e.Data is not null) _log.Enqueue(e.Data);
                if (_log.Count > 200) _log.Dequeue();
            }
        };
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Log
    {
        get { lock (_log) return string.Join('\n', _log); }
    }

    public Process Process => _process;
    public Uri Address => _address.Task.Result;

    public static async Task<OperatorProcess> StartAsync(string[] args)
    {
        var started = new OperatorProcess(args);
        await Task.WhenAny(started._address.Task, started._process.WaitForExitAsync(TestContext.Current.CancellationToken));
        Assert.True(started._address.Task.IsCompleted, started.Log);
        return started;
    }

    /// <summary>What it says when it does not start, and its exit code.</summary>
    public static async Task<(int Code, string Log)> RefusedAsync(params string[] args)
    {
        using var refused = new OperatorProcess(args);
        await refused._process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (refused._process.ExitCode, refused.Log);
    }

    /// <summary>As Kubernetes ends a pod; returns when it has ended.</summary>
    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
    }
}
