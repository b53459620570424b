using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>A real Prometheus on the node's address: MoDM's pods are scraped every 5 s.</summary>
public sealed class PrometheusProcess : IAsyncDisposable
{
    private readonly HttpClient _http;
    private readonly string _folder;
    private readonly int _port;
    private readonly PodTargets _pods;
    private readonly List<string> _log = [];
    private Process? _process;

    private PrometheusProcess(Uri address, string folder, PodTargets pods) =>
        (Address, _port, _folder, _pods, _http) = (address, address.Port, folder, pods, new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(30) });

    /// <summary>For pods and for this process; the same after a stop and a start.</summary>
    public Uri Address { get; }

    internal static async Task<PrometheusProcess> CreateAsync(ClusterFixture cluster)
    {
        var node = (await cluster.ListAsync("nodes"))[0]["status"]!["addresses"]!.AsArray().First(a => (string?)a!["type"] == "InternalIP");
        var folder = TempFolder.New();
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), """
            global: {scrape_interval: 5s, scrape_timeout: 4s}
            scrape_configs:
              - job_name: modm
                file_sd_configs:
                  - {files: [targets.json], refresh_interval: 5s}
            """);
        var pods = await PodTargets.StartAsync(cluster, Path.Combine(folder, "targets.json"));
        return new PrometheusProcess(new Uri($"http://{(string)node!["address"]!}:{FreePort()}"), folder, pods);
    }

    public async Task StartAsync()
    {
        var start = new ProcessStartInfo("prometheus",
        [
            $"--config.file={_folder}/prometheus.yml", $"--storage.tsdb.path={_folder}/data", $"--web.listen-address=0.0.0.0:{_port}",
            "--log.level=warn",
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, e) => Keep(e.Data);
        _process.ErrorDataReceived += (_, e) => Keep(e.Data);
        _process.Start();
        AppDomain.CurrentDomain.ProcessExit += Kill;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        for (var i = 0; i < 300; i++)
        {
            if (_process.HasExited) break;
            if (await IsReadyAsync()) return;
            await Task.Delay(200);
        }
        throw new InvalidOperationException($"Prometheus did not start:\n{Log}");
    }

    /// <summary>Its data stays, and so does its address.</summary>
    public async Task StopAsync()
    {
        if (_process is not { } process) return;
        _process = null;
        AppDomain.CurrentDomain.ProcessExit -= Kill;
        using (process)
        {
            if (process.HasExited) return;
            using var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            try
            {
                await process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill();
                await process.WaitForExitAsync();
            }
        }
    }

    /// <returns>The labels and the value of every series.</returns>
    public async Task<IReadOnlyList<(JsonObject Labels, double Value)>> QueryAsync(string query)
    {
        var answer = JsonNode.Parse(await _http.GetStringAsync($"/api/v1/query?query={Uri.EscapeDataString(query)}"))!;
        return
        [
            .. answer["data"]!["result"]!.AsArray().Select(r =>
                (r!["metric"]!.AsObject(), double.Parse((string)r["value"]![1]!, CultureInfo.InvariantCulture))),
        ];
    }

    /// <returns>The value of a query with one series; null when there is none.</returns>
    public async Task<double?> ValueAsync(string query) => await QueryAsync(query) is [var one, ..] ? one.Value : null;

    public string Log
    {
        get
        {
            lock (_log) return string.Join('\n', _log);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _pods.DisposeAsync();
        _http.Dispose();
    }

    private void Kill(object? sender, EventArgs e)
    {
        if (_process is { HasExited: false } process) process.Kill();
    }

    private void Keep(string? line)
    {
        if (line is null) return;
        lock (_log)
        {
            _log.Add(line);
            if (_log.Count > 100) _log.RemoveAt(0);
        }
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await _http.GetAsync("/-/ready");
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
