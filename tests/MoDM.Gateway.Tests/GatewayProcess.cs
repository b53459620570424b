using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Gateway.Fleet;

namespace MoDM.Gateway.Tests;

/// <summary>A gateway process with a cache of its own and fake workers for its pools.</summary>
public sealed class GatewayProcess : IAsyncDisposable
{
    private readonly ChildServer _server;

    private GatewayProcess(string[] arguments)
    {
        var assembly = Path.Combine(AppContext.BaseDirectory.Replace("MoDM.Gateway.Tests", "MoDM.Gateway", StringComparison.Ordinal), "MoDM.Gateway.dll");
        _server = new ChildServer(assembly, ["--urls", "http://127.0.0.1:0", .. CacheOf(arguments), .. arguments]);
    }

    public string Cache { get; } = TempFolder.New();
    public Task<int> Exited => _server.Exited;
    public HttpClient Http { get; private set; } = null!;
    public string Log => _server.ErrorTail;

    public static async Task<GatewayProcess> StartAsync(IEnumerable<FakeWorker> workers, params string[] arguments)
    {
        var gateway = new GatewayProcess([.. workers.SelectMany(w => new[] { "--worker", $"{w.Model}={w.Address}" }), .. arguments]);
        var cancel = TestContext.Current.CancellationToken;
        gateway.Http = new HttpClient { BaseAddress = await gateway._server.AddressAsync(cancel), Timeout = TimeSpan.FromSeconds(60) };
        await Eventually(async () => (await gateway.Http.GetAsync("/readyz", cancel)).IsSuccessStatusCode);
        return gateway;
    }

    private string[] CacheOf(string[] arguments) => arguments.Contains("--cache") ? [] : ["--cache", Cache];

    public Task<HttpResponseMessage> GenerateAsync(object body) =>
        Http.PostAsJsonAsync("/v1/images/generations", body, TestContext.Current.CancellationToken);

    public static async Task<JsonNode> JsonAsync(HttpResponseMessage response) =>
        JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;

    /// <summary>Waits until the gateway's status says so.</summary>
    public Task StatusAsync(Func<JsonNode, bool> says) => Eventually(async () =>
        says(JsonNode.Parse(await Http.GetStringAsync("/v1/status", TestContext.Current.CancellationToken))!));

    public static async Task Eventually(Func<Task<bool>> isSo)
    {
        for (var i = 0; i < 300; i++)
        {
            if (await isSo()) return;
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
        Assert.Fail("It did not become so within 30 seconds.");
    }

    /// <summary>For tests that have seen enough: in a cluster it takes its time to end.</summary>
    public void Kill() => _server.Kill();

    public Task TerminateAsync() => SignalAsync("TERM");

    /// <summary>It stands still, and its sockets take what comes.</summary>
    public Task PauseAsync() => SignalAsync("STOP");

    private async Task SignalAsync(string signal)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{signal}", $"{_server.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        await _server.StopAsync(TimeSpan.FromSeconds(5));
        _server.Dispose();
    }
}
