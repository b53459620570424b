using System.Text.Json.Serialization;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using Prometheus;

namespace MoDM.Gateway;

/// <summary>Health, metrics, and the state that the page shows.</summary>
internal static class StatusApi
{
    public static void MapStatus(this WebApplication app)
    {
        app.MapGet("/livez", () => Results.Text("alive")).WithTags("Health").WithSummary("200 from process start");
        app.MapGet("/readyz", (WorkerRegistry workers) => workers.AnyReady(large: true)
                ? Results.Text("ready") : Results.Text("no large worker is ready", statusCode: 503))
            .WithTags("Health").WithSummary("200 once misses can be drawn");
        app.MapGet("/v1/status", Read).WithTags("Health").WithSummary("Queue, workers, hit rate and cache").Produces<GatewayStatus>();
        app.MapMetrics();

        var queue = app.Services.GetRequiredService<RequestQueue>();
        Metrics.DefaultRegistry.AddBeforeCollectCallback(() => Observe(queue.Snapshot()));
    }

    private static IResult Read(ModelMixture mixture, RequestQueue queue, WorkerRegistry workers, ImageCache cache)
    {
        var now = queue.Snapshot();
        var loads = now.Workers.ToDictionary(w => w.Id);
        var (hits, misses) = (Answered(mixture.Name, "hit"), Answered(mixture.Name, "miss"));
        return Results.Json(new GatewayStatus(
            mixture.Name, mixture.Spec.Steps, new QueueStatus(now.Misses, now.Hits, now.Limit),
            [.. workers.Members.Select(m => new MemberStatus(m.Model, m.IsLarge ? "large" : "small", m.State,
                loads.TryGetValue(m.Id, out var load) ? load.InFlight : 0, load.Capacity))],
            new RequestStatus(hits + misses, hits, misses, hits + misses == 0 ? null : hits / (double)(hits + misses)),
            new CacheStatus(cache.Count, cache.Bytes, cache.Capacity), [.. workers.Sizes.Take(1).Select(s => s.Default())]),
            StatusJson.Default.GatewayStatus);
    }

    private static void Observe(QueueSnapshot now)
    {
        GatewayMetrics.QueueLength.WithLabels("miss").Set(now.Misses);
        GatewayMetrics.QueueLength.WithLabels("hit").Set(now.Hits);
        GatewayMetrics.InFlight.WithLabels("large").Set(now.Workers.Where(w => w.IsLarge).Sum(w => w.InFlight));
        GatewayMetrics.InFlight.WithLabels("small").Set(now.Workers.Where(w => !w.IsLarge).Sum(w => w.InFlight));
    }

    private static long Answered(string mixture, string route) =>
        GatewayMetrics.RequestSeconds.WithLabels(mixture, route).Count;
}

internal sealed record GatewayStatus(
    string Mixture, int Steps, QueueStatus Queue, IReadOnlyList<MemberStatus> Workers, RequestStatus Requests,
    CacheStatus Cache, IReadOnlyList<string> Sizes);

internal sealed record QueueStatus(int Miss, int Hit, int Limit);

internal sealed record MemberStatus(string Model, string Pool, string State, int InFlight, int Capacity);

internal sealed record RequestStatus(long Total, long Hits, long Misses, double? HitRate);

internal sealed record CacheStatus(int Entries, long Bytes, int Capacity);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(GatewayStatus))]
internal sealed partial class StatusJson : JsonSerializerContext;
