using System.Text.Json.Serialization;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Quality;
using MoDM.Gateway.Scheduling;
using MoDM.Gateway.Stories;
using MoDM.Mixture;
using Prometheus;

namespace MoDM.Gateway;

/// <summary>Health, metrics, and the state that the page shows.</summary>
internal static class StatusApi
{
    public static void MapStatus(this WebApplication app)
    {
        app.MapGet("/livez", () => Results.Text("alive")).WithTags("Health").WithSummary("200 from process start");
        app.MapGet("/readyz", (Readiness readiness) => readiness.WhyNot() is { } reason
                ? Results.Text(reason, statusCode: 503) : Results.Text("ready"))
            .WithTags("Health").WithSummary("200 once misses can be drawn; in a cluster, once requests can wait for their workers");
        app.MapGet("/v1/status", Read).WithTags("Health").WithSummary("Queue, workers, hit rate, quality, savings and cache").Produces<GatewayStatus>();
        app.MapMetrics();

        var (mixture, queue) = (app.Services.GetRequiredService<CurrentMixture>(), app.Services.GetRequiredService<RequestQueue>());
        var (meter, workers) = (app.Services.GetRequiredService<LoadMeter>(), app.Services.GetRequiredService<WorkerRegistry>());
        // Not yet: it is opened where what is wrong with it can be told.
        var cache = new Lazy<IImageCache?>(() => app.Services.GetService<IImageCache>());
        Metrics.DefaultRegistry.AddBeforeCollectCallback(() => GatewayMetrics.Observe(mixture.Now, queue, meter, workers));
        Metrics.DefaultRegistry.AddBeforeCollectCallback(() =>
        {
            if (cache.Value is { } opened) GatewayMetrics.Observe(mixture.Now, opened.State);
        });
        if (app.Services.GetService<QualityFloor>() is { } quality)
            Metrics.DefaultRegistry.AddBeforeCollectCallback(() => GatewayMetrics.Observe(quality.Status()));
    }

    private static IResult Read(CurrentMixture current, RequestQueue queue, WorkerRegistry workers, LivePlan plan, HttpContext context)
    {
        var mixture = current.Now;
        var now = queue.Snapshot();
        var (cache, external) = (context.RequestServices.GetService<IImageCache>()?.State, context.RequestServices.GetService<ExternalGate>()?.Look());
        var (hits, misses) = (Answered(mixture.Name, "hit"), Answered(mixture.Name, "miss"));
        var texts = mixture.Spec.Modality == Modality.Story ? Answered(mixture.Name, "large") + Answered(mixture.Name, "small") + Answered(mixture.Name, "fallback") : 0;
        return Results.Json(new GatewayStatus(
            mixture.Name, mixture.Spec.Steps, new QueueStatus(now.Misses, now.Hits, now.Limit),
            [.. workers.Members.Select(m => new MemberStatus(m.Model, m.IsLarge && mixture.Spec.Modality == Modality.Image ? "large" : "small", m.State, m.InFlight, m.Capacity))],
            plan.Now is { } inForce ? StatusOf(inForce, mixture.Spec.Slo) : null,
            new RequestStatus(hits + misses + texts, hits, misses, hits + misses == 0 ? null : hits / (double)(hits + misses)),
            cache is null ? null : new CacheStatus(cache.Store, cache.Entries, cache.Bytes, cache.Capacity, cache.Trouble),
            external is { } model && StoryPolicy.Decide(StoryMember.Mixture, model) is var next
                ? new ExternalStatus(model.Name, next.Route.ToString().ToLowerInvariant(), next.Reason, model.SpentToday) : null,
            mixture.Spec.Modality == Modality.Story || context.RequestServices.GetService<StoriesBehind>() is not null, [.. workers.Sizes.Take(1).Select(s => s.Default())],
            context.RequestServices.GetService<QualityFloor>()?.Status(),
            context.RequestServices.GetService<Ledger>()?.Of(Caller.Of(context)) is { } saved
                ? new LedgerStatus(saved.Hits, saved.Steps, saved.GpuSeconds is { } s ? Math.Round(s, 3) : null) : null),
            StatusJson.Default.GatewayStatus);
    }

    private static PlanStatus StatusOf(PlanInForce plan, SloSpec slo) => new(
        plan.Allocation.Pools.ToDictionary(p => p.Pool.Name, p => p.Replicas), plan.Allocation.Reason, LivePlan.NameOf(plan.Degrade),
        LivePlan.NameOf(plan.Allocation.Degrade), plan.Allocation.PredictedLatency?.TotalMilliseconds, slo.Percentile,
        plan.Allocation.Capacity, plan.Since);

    private static long Answered(string mixture, string route) =>
        GatewayMetrics.RequestSeconds.WithLabels(mixture, route).Count;
}

internal sealed record GatewayStatus(
    string Mixture, int Steps, QueueStatus Queue, IReadOnlyList<MemberStatus> Workers, PlanStatus? Plan,
    RequestStatus Requests, CacheStatus? Cache, ExternalStatus? External, bool Stories, IReadOnlyList<string> Sizes,
    QualityStatus? Quality, LedgerStatus? Ledger);

/// <summary>What hits have saved the caller's tenant, or all of them for an admin, since the gateway started.</summary>
/// <param name="GpuSecondsSaved">Beside full drawings by the large model; null while none of those was timed.</param>
internal sealed record LedgerStatus(long Hits, long StepsSaved, double? GpuSecondsSaved);

/// <param name="Route">Of the next text, and why.</param>
/// <param name="TokensToday">That this gateway has used of it.</param>
internal sealed record ExternalStatus(string Model, string Route, string Reason, long TokensToday);

internal sealed record QueueStatus(int Miss, int Hit, int Limit);

internal sealed record MemberStatus(string Model, string Pool, string State, int InFlight, int Capacity);

/// <param name="Workers">Planned, by pool.</param>
/// <param name="Degraded">The step of the ladder that is in force.</param>
/// <param name="Needed">The step that the load asks for, which may be further than the document allows.</param>
/// <param name="LatencyMs">Expected at the percentile; null when it is not known, or the queue grows.</param>
/// <param name="ImagesPerSecond">Capacity of the plan; 0 when it is not known.</param>
/// <param name="Since">When workers or steps last changed.</param>
internal sealed record PlanStatus(
    IReadOnlyDictionary<string, int> Workers, string Reason, string Degraded, string Needed, double? LatencyMs, double Percentile,
    double ImagesPerSecond, DateTimeOffset Since);

internal sealed record RequestStatus(long Total, long Hits, long Misses, double? HitRate);

/// <param name="Bytes">Null when the store does not say.</param>
/// <param name="Trouble">Why the store is not asked at present; null when all is well.</param>
internal sealed record CacheStatus(string Store, long Entries, long? Bytes, int Capacity, string? Trouble);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(GatewayStatus))]
internal sealed partial class StatusJson : JsonSerializerContext;
