using MoDM.Gateway.Cache;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Quality;
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
    public static readonly Counter ArrivedImages = Metrics.CreateCounter(MetricNames.ArrivedImages,
        "Images that arrived, refused ones too.", "mixture", "route");
    public static readonly Counter ArrivedWork = Metrics.CreateCounter(MetricNames.ArrivedWork,
        "The same in full drawings; hits also as they would be with the skip raised.", "mixture", "route");
    public static readonly Gauge QueueLength = Metrics.CreateGauge(MetricNames.QueueLength, "Images that wait.", "mixture", "queue");
    public static readonly Gauge QueueWork = Metrics.CreateGauge(MetricNames.QueueWork,
        "What waits: misses in full drawings, hits in images.", "mixture", "queue");
    public static readonly Gauge InFlight = Metrics.CreateGauge(MetricNames.InFlight,
        "Images that are drawn.", "mixture", "pool", "model");
    public static readonly Gauge DrawSeconds = Metrics.CreateGauge(MetricNames.DrawSeconds,
        "Seconds of a full drawing, for one image of a worker; NaN when none was timed.", "mixture", "model");
    public static readonly Histogram SkippedSteps = Metrics.CreateHistogram(MetricNames.SkippedSteps,
        "Steps skipped by hits.", new HistogramConfiguration { Buckets = [1, 2, 5, 10, 15, 20, 25, 30, 40, 50] });
    public static readonly Histogram Similarity = Metrics.CreateHistogram(MetricNames.Similarity,
        "Cosine between a prompt and the closest cached image.",
        new HistogramConfiguration { Buckets = Histogram.LinearBuckets(0, 0.05, 20) });
    public static readonly Gauge CacheEntries = Metrics.CreateGauge(MetricNames.CacheEntries, "Images in the cache.");
    public static readonly Gauge CacheBytes = Metrics.CreateGauge(MetricNames.CacheBytes, "Bytes of the images in the cache.");
    public static readonly Counter CacheEvictions = Metrics.CreateCounter(MetricNames.CacheEvictions,
        "Images that left the cache or did not enter it.", "reason");
    public static readonly Gauge CacheAvailable = Metrics.CreateGauge(MetricNames.CacheAvailable,
        "1 while the cache's store answers, 0 while it does not and is left alone.", "mixture");
    public static readonly Counter StoreFailures = Metrics.CreateCounter(MetricNames.StoreFailures,
        "Questions to a store of the shared cache that failed, or came to nothing in time.", "store", "reason");
    public static readonly Counter Guarded = Metrics.CreateCounter(MetricNames.Guarded,
        "Similar cached images that were not reused, since the prompts differ in something decisive.", "guard");
    public static readonly Counter SloMisses = Metrics.CreateCounter(MetricNames.SloMisses,
        "Requests answered later than the mixture's SLO.", "mixture");
    public static readonly Gauge DegradeStep = Metrics.CreateGauge(MetricNames.DegradeStep,
        "What is given up: 0 nothing, 1 hits go to a smaller model, 2 hits skip more, 3 small models draw misses.");
    public static readonly Gauge PlannedWorkers = Metrics.CreateGauge(MetricNames.PlannedWorkers, "Workers by plan.", "pool");
    public static readonly Gauge PredictedLatency = Metrics.CreateGauge(MetricNames.PredictedLatency,
        "Latency that the plan expects at the SLO's percentile; NaN when it is not known, or the queue grows.");
    public static readonly Counter CallersRefused = Metrics.CreateCounter(MetricNames.CallersRefused,
        "Requests refused, by their key's tenant; empty for those without a key that is known.", "tenant", "reason");
    public static readonly Gauge KeysValid = Metrics.CreateGauge(MetricNames.KeysValid,
        "1 when the file of keys is in force as it is, 0 when it has mistakes and the keys from before stay.");
    public static readonly Gauge QualityRatio = Metrics.CreateGauge(MetricNames.QualityRatio,
        "CLIP score of the hits over the large model's, for the same requests; NaN before the first sample at these thresholds.");
    public static readonly Gauge QualityRatioLow = Metrics.CreateGauge(MetricNames.QualityRatioLow, "Lower end of its 95 % interval.");
    public static readonly Gauge QualityRatioHigh = Metrics.CreateGauge(MetricNames.QualityRatioHigh, "Upper end of its 95 % interval.");
    public static readonly Gauge QualityDistance = Metrics.CreateGauge(MetricNames.QualityDistance,
        "Mean distance of a hit from the large model's picture, 1 - cosine of their embeddings.");
    public static readonly Counter QualitySamples = Metrics.CreateCounter(MetricNames.QualitySamples, "Hits compared with the large model's picture.");
    public static readonly Gauge QualityRaised = Metrics.CreateGauge(MetricNames.QualityRaised, "What the hit thresholds are above the document's, as a cosine.");
    public static readonly Counter Audits = Metrics.CreateCounter(MetricNames.Audits,
        "Hits that idle large workers began to draw once more: completed, cancelled for a request, or failed.", "outcome");
    public static readonly Counter SavedSteps = Metrics.CreateCounter(MetricNames.SavedSteps, "Steps that hits skipped.", "tenant");
    public static readonly Counter SavedGpuSeconds = Metrics.CreateCounter(MetricNames.SavedGpuSeconds,
        "GPU seconds that hits saved, beside full drawings by the large model.", "tenant");
    public static readonly Counter LostGpuSeconds = Metrics.CreateCounter(MetricNames.LostGpuSeconds,
        "GPU seconds by which hits took longer than that; to be taken from those saved.", "tenant");

    public static void Observe(QualityStatus? quality)
    {
        QualityRatio.Set(quality?.Ratio ?? double.NaN);
        QualityRatioLow.Set(quality?.Low ?? double.NaN);
        QualityRatioHigh.Set(quality?.High ?? double.NaN);
        QualityDistance.Set(quality?.Distance ?? double.NaN);
        QualityRaised.Set(quality?.RaisedBy ?? 0);
    }

    public static void Observe(ModelMixture mixture, CacheState cache)
    {
        CacheEntries.Set(cache.Entries);
        CacheBytes.Set(cache.Bytes ?? double.NaN);
        CacheAvailable.WithLabels(mixture.Name).Set(cache.Trouble is null ? 1 : 0);
    }

    /// <summary>What is read off when it is asked for, and every series of the mixture from the start, so that a rate has a beginning.</summary>
    public static void Observe(ModelMixture mixture, RequestQueue queue, LoadMeter meter, WorkerRegistry workers)
    {
        var name = mixture.Name;
        var (now, arrived) = (queue.Snapshot(), meter.Total);
        ArrivedImages.WithLabels(name, "miss").IncTo(arrived.Misses);
        ArrivedImages.WithLabels(name, "hit").IncTo(arrived.Hits);
        ArrivedWork.WithLabels(name, "miss").IncTo(arrived.MissWork);
        ArrivedWork.WithLabels(name, "hit").IncTo(arrived.HitWork);
        ArrivedWork.WithLabels(name, "hit_raised").IncTo(arrived.RaisedHitWork);
        QueueLength.WithLabels(name, "miss").Set(now.Misses);
        QueueLength.WithLabels(name, "hit").Set(now.Hits);
        QueueWork.WithLabels(name, "miss").Set(now.MissWork);
        QueueWork.WithLabels(name, "hit").Set(now.Hits);
        SloMisses.WithLabels(name);
        RequestSeconds.WithLabels(name, "miss");
        RequestSeconds.WithLabels(name, "hit");

        // Of those that drain too: what they still draw is load.
        var members = workers.Members.ToList();
        foreach (var (pool, seconds) in mixture.Spec.Pools.Zip(meter.SecondsPerImage(now)))
        {
            InFlight.WithLabels(name, pool == mixture.Spec.Large && mixture.Spec.Modality == Modality.Image ? "large" : "small", pool.Name)
                .Set(members.Where(m => m.Model == pool.Name).Sum(m => m.InFlight));
            DrawSeconds.WithLabels(name, pool.Name).Set(seconds ?? double.NaN);
        }
    }
}
