using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MoDM.Fakes;

/// <summary>What a mixture's gateway is doing.</summary>
/// <param name="Misses">Images a second.</param>
/// <param name="Cache">Its gauge of the cache; null: it has none.</param>
public sealed record FakeLoad(
    double Misses = 0, double Hits = 0, double LargeSeconds = 1, double SmallSeconds = 0.2, int Waiting = 0, double? Cache = null);

/// <summary>
/// Prometheus' query API on the wire, which "scrapes" gateways that draw what the test says: counters that grow by the load
/// since the last scrape. It answers the range and instant selectors that the operator sends, and nothing else.
/// </summary>
public sealed partial class FakePrometheus : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Namespace, string Mixture), Gateway> _gateways = [];
    private readonly TimeSpan _interval;
    private readonly string[] _models;
    private readonly ITimer _scrapes;

    private FakePrometheus(TimeSpan interval, string[] models)
    {
        (_interval, _models) = (interval, models);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.MapPost("/api/v1/query", AnswerAsync);
        _scrapes = TimeProvider.System.CreateTimer(_ => Scrape(), null, interval, interval);
    }

    public Uri Address { get; private set; } = null!;

    /// <summary>Instead of an answer.</summary>
    public int? Status { get; set; }

    /// <summary>Takes requests and never answers.</summary>
    public bool Silent { get; set; }

    /// <summary>Answers without series.</summary>
    public bool Empty { get; set; }

    /// <summary>All values are NaN.</summary>
    public bool NaN { get; set; }

    public int Queries { get; private set; }

    /// <param name="models">Of all mixtures, the large one first.</param>
    public static async Task<FakePrometheus> StartAsync(TimeSpan interval, params string[] models)
    {
        var server = new FakePrometheus(interval, models);
        await server._app.StartAsync();
        server.Address = new Uri(server._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
    }

    public void SetLoad(string ns, string mixture, FakeLoad load)
    {
        lock (_lock)
        {
            if (_gateways.TryGetValue((ns, mixture), out var gateway)) gateway.Load = load;
            else _gateways[(ns, mixture)] = new Gateway { Load = load };
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _scrapes.DisposeAsync();
        await _app.DisposeAsync();
    }

    private static double Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;

    private void Scrape()
    {
        lock (_lock)
        {
            foreach (var gateway in _gateways.Values)
            {
                gateway.Misses += gateway.Load.Misses * _interval.TotalSeconds;
                gateway.Hits += gateway.Load.Hits * _interval.TotalSeconds;
                gateway.Scrapes.Add((Now, gateway.Misses, gateway.Hits));
                gateway.Scrapes.RemoveAll(s => Now - s.At > 200);
            }
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        if (Silent)
        {
            lock (_lock) Queries++;
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        var query = (string)(await context.Request.ReadFormAsync())["query"]!;
        var result = new JsonArray();
        lock (_lock)
        {
            Queries++;
            context.Response.StatusCode = Status ?? 200;
            var (ns, mixture) = (Namespace().Match(query).Groups[1].Value, Mixture().Match(query).Groups[1].Value);
            if (!Empty && _gateways.TryGetValue((ns, mixture), out var gateway) && gateway.Scrapes.Count > 0)
            {
                foreach (var (name, labels, value) in SeriesOf(gateway))
                    result.Add(Series(name, [.. labels, ("namespace", ns), ("mixture", mixture)], gateway, value));
            }
        }
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(new JsonObject
        {
            ["status"] = "success",
            ["data"] = new JsonObject { ["resultType"] = "matrix", ["result"] = result },
        }.ToJsonString());
    }

    private IEnumerable<(string Name, (string, string)[] Labels, Func<(double At, double Misses, double Hits), double> Value)> SeriesOf(Gateway gateway)
    {
        var load = gateway.Load;
        yield return (MetricNames.ArrivedImages, [("route", "miss")], s => s.Misses);
        yield return (MetricNames.ArrivedImages, [("route", "hit")], s => s.Hits);
        yield return (MetricNames.ArrivedWork, [("route", "miss")], s => s.Misses);
        yield return (MetricNames.ArrivedWork, [("route", "hit")], s => s.Hits / 2);
        yield return (MetricNames.ArrivedWork, [("route", "hit_raised")], s => s.Hits / 3);
        yield return (MetricNames.QueueWork, [("queue", "miss")], _ => load.Waiting);
        yield return (MetricNames.QueueWork, [("queue", "hit")], _ => 0);
        yield return (MetricNames.QueueLength, [("queue", "miss")], _ => load.Waiting);
        if (load.Cache is { } available) yield return (MetricNames.CacheAvailable, [], _ => available);
        yield return (MetricNames.DrawSeconds, [("model", _models[0])], _ => load.LargeSeconds);
        foreach (var small in _models.Skip(1))
            yield return (MetricNames.DrawSeconds, [("model", small)], _ => load.SmallSeconds);
    }

    private JsonObject Series(
        string name, IEnumerable<(string Name, string Value)> labels, Gateway gateway, Func<(double At, double Misses, double Hits), double> value) => new()
        {
            ["metric"] = new JsonObject(labels.Append(("__name__", name)).Select(l => KeyValuePair.Create(l.Item1, (JsonNode?)l.Item2))),
            ["values"] = new JsonArray([.. gateway.Scrapes.Where(s => Now - s.At < 150).Select(s =>
                new JsonArray(s.At, NaN ? "NaN" : value(s).ToString("R", CultureInfo.InvariantCulture)))]),
        };

    [GeneratedRegex("namespace=\"([^\"]+)\"")]
    private static partial Regex Namespace();

    [GeneratedRegex("mixture=\"([^\"]+)\"")]
    private static partial Regex Mixture();

    private sealed class Gateway
    {
        public FakeLoad Load { get; set; } = new();
        public double Misses { get; set; }
        public double Hits { get; set; }
        public List<(double At, double Misses, double Hits)> Scrapes { get; } = [];
    }
}
