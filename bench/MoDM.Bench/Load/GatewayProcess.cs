using System.Text.Json;
using MoDM.Gateway.Fleet;

namespace MoDM.Bench.Load;

/// <summary>A gateway with its workers, started for one measurement and gone with its cache afterwards.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    private readonly ChildServer _server;
    private readonly string _cache;

    private GatewayProcess(ChildServer server, string cache) => (_server, _cache) = (server, cache);

    public HttpClient Http { get; private set; } = new();

    /// <param name="mixture">The document's file.</param>
    /// <param name="threads">Of each worker.</param>
    /// <exception cref="InvalidOperationException">It ended, or was not ready in time; with what it said last.</exception>
    public static async Task<GatewayProcess> StartAsync(
        string mixture, int threads, TimeSpan patience, TimeProvider time, CancellationToken cancel, params string[] more)
    {
        var cache = Directory.CreateTempSubdirectory("modm-bench-").FullName;
        var gateway = Path.Combine(AppContext.BaseDirectory, "MoDM.Gateway.dll");
        var server = new ChildServer(gateway, ["--mixture", mixture, "--urls", "http://127.0.0.1:0", "--cache", cache,
            "--worker-threads", threads.ToString(), .. more]);
        var process = new GatewayProcess(server, cache);
        try
        {
            using var limit = new CancellationTokenSource(patience, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
            await process.WaitUntilReadyAsync(both.Token);
            return process;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            await process.DisposeAsync();
            throw new InvalidOperationException($"The gateway was not ready after {patience.TotalSeconds:0} s: {server.ErrorTail}");
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Its workers by model, in words: <c>1 large, 3 small</c>.</summary>
    public async Task<string> SplitAsync(CancellationToken cancel)
    {
        using var status = JsonDocument.Parse(await Http.GetByteArrayAsync("/v1/status", cancel));
        var models = status.RootElement.GetProperty("workers").EnumerateArray()
            .Where(w => w.GetProperty("state").GetString() != "starting").Select(w => w.GetProperty("model").GetString());
        return string.Join(", ", models.GroupBy(m => m).Select(g => $"{g.Count()} {g.Key}"));
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _server.StopAsync(TimeSpan.FromSeconds(10));
        _server.Dispose();
        Directory.Delete(_cache, recursive: true);
    }

    private async Task WaitUntilReadyAsync(CancellationToken cancel)
    {
        var connections = new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, UseProxy = false };
        Http = new HttpClient(connections) { BaseAddress = await _server.AddressAsync(cancel), Timeout = TimeSpan.FromMinutes(10) };
        while (!await IsReadyAsync(cancel))
            await Task.Delay(100, cancel);
    }

    private async Task<bool> IsReadyAsync(CancellationToken cancel)
    {
        if (_server.Exited.IsCompleted)
            throw new InvalidOperationException($"The gateway ended with exit code {await _server.Exited}: {_server.ErrorTail}");
        try
        {
            using var response = await Http.GetAsync("/readyz", cancel);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
