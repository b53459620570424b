using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Gateway.Fleet;

namespace MoDM.EndToEnd.Tests;

/// <summary>The real thing: the gateway with the demo mixture, its worker processes, and a cache of its own.</summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    public RunningGateway Gateway { get; private set; } = null!;
    public Uri Address => Gateway.Address;

    public async ValueTask InitializeAsync() => Gateway = await RunningGateway.StartAsync(TempFolder.New());

    public ValueTask DisposeAsync() => Gateway.DisposeAsync();
}

/// <summary>A gateway process whose workers are all ready.</summary>
public sealed class RunningGateway : IAsyncDisposable
{
    private readonly ChildServer _server;

    private RunningGateway(ChildServer server, Uri address) =>
        (_server, Address, Http) = (server, address, new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(60) });

    public Uri Address { get; }
    public HttpClient Http { get; }
    public int ProcessId => _server.Id;
    public Task<int> Exited => _server.Exited;

    /// <summary>The demo mixture with patience: a test machine is slow at times, and neither refuses nor degrades for that.</summary>
    public static async Task<RunningGateway> StartAsync(string cache) =>
        await StartAsync(cache, "--mixture", await DemoMixtureAsync(text => text.Replace("latency: 30s", "latency: 10m", StringComparison.Ordinal)));

    /// <returns>The file of a copy of the demo mixture, changed, and without the degrade ladder.</returns>
    public static async Task<string> DemoMixtureAsync(Func<string, string> change)
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Repo.Root, "gateway", "postcards.yaml"), TestContext.Current.CancellationToken);
        var file = Path.Combine(TempFolder.New(), "mixture.yaml");
        await File.WriteAllTextAsync(file, change(text)
            .Replace("degrade: HigherSkip", "degrade: None", StringComparison.Ordinal)
            .Replace("../models", Path.Combine(Repo.Root, "models"), StringComparison.Ordinal), TestContext.Current.CancellationToken);
        return file;
    }

    public static Task<RunningGateway> StartAsync(string cache, params string[] arguments) => StartAsync(cache, null, arguments);

    /// <param name="key">For the API, where the arguments name a file of keys.</param>
    public static async Task<RunningGateway> StartAsync(string cache, string? key, string[] arguments)
    {
        var assembly = Path.Combine(AppContext.BaseDirectory.Replace("MoDM.EndToEnd.Tests", "MoDM.Gateway", StringComparison.Ordinal), "MoDM.Gateway.dll");
        var server = new ChildServer(assembly, ["--urls", "http://127.0.0.1:0", "--cache", cache, .. arguments]);
        var gateway = new RunningGateway(server, await server.AddressAsync(TestContext.Current.CancellationToken));
        if (key is not null) gateway.Http.DefaultRequestHeaders.Authorization = new("Bearer", key);
        await gateway.StatusAsync(s => s["workers"]!.AsArray() is { Count: > 0 } workers && workers.All(w => (string)w!["state"]! == "ready"));
        return gateway;
    }

    /// <summary>Waits until the gateway's status says so.</summary>
    public Task StatusAsync(Func<JsonNode, bool> says) => EventuallyAsync(async () => says(await StatusAsync()));

    public async Task<JsonNode> StatusAsync() =>
        JsonNode.Parse(await Http.GetStringAsync("/v1/status", TestContext.Current.CancellationToken))!;

    /// <summary>As kill -9 does: no warning, no clean-up; its workers notice and end.</summary>
    public void Kill()
    {
        using var process = System.Diagnostics.Process.GetProcessById(ProcessId);
        process.Kill();
        process.WaitForExit();
    }

    /// <summary>The worker processes that it started, by model.</summary>
    public IReadOnlyList<(int ProcessId, string Model)> Workers() =>
    [
        .. Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(n => int.TryParse(n, out _)).Select(n => int.Parse(n!, null))
            .Where(id => ParentOf(id) == ProcessId).Select(id => (id, ModelOf(id))),
    ];

    public static async Task EventuallyAsync(Func<Task<bool>> isSo, int seconds = 60)
    {
        for (var i = 0; i < 10 * seconds; i++)
        {
            if (await isSo()) return;
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
        Assert.Fail($"It did not become so within {seconds} seconds.");
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _server.StopAsync(TimeSpan.FromSeconds(10));
        _server.Dispose();
    }

    private static int ParentOf(int id)
    {
        try
        {
            var line = File.ReadLines($"/proc/{id}/status").First(l => l.StartsWith("PPid:", StringComparison.Ordinal));
            return int.Parse(line["PPid:".Length..], null);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static string ModelOf(int id)
    {
        var arguments = File.ReadAllText($"/proc/{id}/cmdline").Split('\0');
        return arguments[Array.IndexOf(arguments, "--name") + 1];
    }
}
