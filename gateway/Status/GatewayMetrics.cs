using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using Prometheus;

namespace MoDM.Gateway;

/// <summary>The gateway's metrics; names are in <see cref="MetricNames"/>.</summary>
internal static class GatewayMetrics
{
    private static readonly double[] Seconds = [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 25, 50, 100, 200];

    public static readonly Counter Requests = Metrics.CreateCounter(MetricNames.Requests,
        "Image requests answered.", "mixture", "route", "model", "code");
    public static readonly Histogram RequestSeconds = Metrics.CreateHistogram(MetricNames.RequestSeconds,
        "From a request's arrival to its answer.", ["mixture", "route"], new HistogramConfiguration { Buckets = Seconds });
    public static readonly Histogram QueueSeconds = Metrics.CreateHistogram(MetricNames.QueueSeconds,
        "From an image's admission to the start of its drawing.", ["route"], new HistogramConfiguration { Buckets = Seconds });
    public static readonly Gauge QueueLength = Metrics.CreateGauge(MetricNames.QueueLength, "Images that wait.", "mixture", "queue");
    public static readonly Gauge InFlight = Metrics.CreateGauge(MetricNames.InFlight, "Images that are drawn.", "mixture", "pool", "model");
    public static readonly Counter ArrivedImages = Metrics.CreateCounter(MetricNames.ArrivedImages,
        "Images that arrived, refused ones too.", "mixture", "route");
    public static readonly Counter ArrivedWork = Metrics.CreateCounter(MetricNames.ArrivedWork,
        "The same in full drawings: hits by what they leave to draw, as they are and with raised skips.", "mixture", "route");
    public static readonly Gauge QueueWork = Metrics.CreateGauge(MetricNames.QueueWork,
        "What waits: misses in full drawings, hits in images.", "mixture", "queue");
    public static readonly Gauge DrawSeconds = Metrics.CreateGauge(MetricNames.DrawSeconds,
        "Measured seconds of a full drawing, for each image of a worker; NaN before the first.", "mixture", "model");
    public static readonly Histogram SkippedSteps = Metrics.CreateHistogram(MetricNames.SkippedSteps,
        "Steps skipped by hits.", new HistogramConfiguration { Buckets = [1, 2, 5, 10, 15, 20, 25, 30, 40, 50] });
    public static readonly Histogram Similarity = Metrics.CreateHistogram(MetricNames.Similarity,
        "Cosine between a prompt and the closest cached image.",
        new HistogramConfiguration { Buckets = Histogram.LinearBuckets(0, 0.05, 20) });
    public static readonly Gauge CacheEntries = Metrics.CreateGauge(MetricNames.CacheEntries, "Images in the cache.");
    public static readonly Gauge CacheBytes = Metrics.CreateGauge(MetricNames.CacheBytes, "Bytes of the images in the cache.");
    public static readonly Counter CacheEvictions = Metrics.CreateCounter(MetricNames.CacheEvictions,
        "Images that left the cache or did not enter it.", "reason");
    public static readonly Counter SloMisses = Metrics.CreateCounter(MetricNames.SloMisses,
        "Requests answered later than the mixture's SLO.", "mixture");
    public static readonly Gauge DegradeStep = Metrics.CreateGauge(MetricNames.DegradeStep,
        "What is given up: 0 nothing, 1 hits go to a smaller model, 2 hits skip more, 3 small models draw misses.");
    public static readonly Gauge PlannedWorkers = Metrics.CreateGauge(MetricNames.PlannedWorkers, "Workers by plan.", "pool");
    public static readonly Gauge PredictedLatency = Metrics.CreateGauge(MetricNames.PredictedLatency,
        "Latency that the plan expects at the SLO's percentile; NaN when it is not known, or the queue grows.");

    public static void Arrived(string mixture, Arrival arrival)
    {
        var route = arrival.Route == CacheRoute.Hit ? "hit" : "miss";
        ArrivedImages.WithLabels(mixture, route).Inc(arrival.Images);
        ArrivedWork.WithLabels(mixture, route).Inc(arrival.Images * (route == "hit" ? arrival.UsualWork : arrival.Work));
        if (route == "hit") ArrivedWork.WithLabels(mixture, "hit_raised").Inc(arrival.Images * arrival.RaisedWork);
    }

    /// <summary>From the start: a series that is not there yet cannot be told from one that is not scraped.</summary>
    public static void Begin(ModelMixture mixture)
    {
        foreach (var route in new[] { "miss", "hit" })
        {
            ArrivedImages.WithLabels(mixture.Name, route);
            ArrivedWork.WithLabels(mixture.Name, route);
            RequestSeconds.WithLabels(mixture.Name, route);
        }
        ArrivedWork.WithLabels(mixture.Name, "hit_raised");
        SloMisses.WithLabels(mixture.Name);
    }

    /// <param name="seconds">Of a full drawing by a worker of a pool, by its place in the document; null when not known.</param>
    public static void Observe(ModelMixture mixture, QueueSnapshot now, Func<int, double?> seconds)
    {
        QueueLength.WithLabels(mixture.Name, "miss").Set(now.Misses);
        QueueLength.WithLabels(mixture.Name, "hit").Set(now.Hits);
        QueueWork.WithLabels(mixture.Name, "miss").Set(now.MissWork);
        QueueWork.WithLabels(mixture.Name, "hit").Set(now.Hits);
        foreach (var (pool, rank) in mixture.Spec.Pools.Select((p, i) => (p, i)))
        {
            var workers = now.Workers.Where(w => w.Model == pool.Name).ToList();
            InFlight.WithLabels(mixture.Name, rank == 0 ? "large" : "small", pool.Name).Set(workers.Sum(w => w.InFlight));
            DrawSeconds.WithLabels(mixture.Name, pool.Name).Set(seconds(rank) / (workers.Count > 0 ? workers.Average(w => w.Capacity) : 1) ?? double.NaN);
        }
    }
}
