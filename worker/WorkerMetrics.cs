using Prometheus;

namespace MoDM.Worker;

/// <summary>What a worker tells Prometheus; names from <see cref="MetricNames"/>.</summary>
internal sealed class WorkerMetrics
{
    private readonly Histogram.Child generation, step;
    private readonly Gauge.Child inFlight;
    private readonly Gauge load;

    public WorkerMetrics(CollectorRegistry registry, string model)
    {
        var metrics = Metrics.WithCustomRegistry(registry);
        generation = metrics.CreateHistogram(MetricNames.GenerationSeconds, "Seconds from a batch's start to its pictures, once an image.",
            new HistogramConfiguration { LabelNames = ["model"], Buckets = Histogram.ExponentialBuckets(0.05, 1.6, 20) }).WithLabels(model);
        step = metrics.CreateHistogram(MetricNames.StepSeconds, "Seconds of one denoising step of a batch.",
            new HistogramConfiguration { LabelNames = ["model"], Buckets = Histogram.ExponentialBuckets(0.001, 1.8, 18) }).WithLabels(model);
        inFlight = metrics.CreateGauge(MetricNames.InFlight, "Images admitted and not finished.", "pool").WithLabels(model);
        load = metrics.CreateGauge(MetricNames.ModelLoadSeconds, "Seconds that each phase of the start took.", "phase");
        inFlight.Set(0);
    }

    public void Generation(TimeSpan time, int images)
    {
        for (var i = 0; i < images; i++)
            generation.Observe(time.TotalSeconds);
    }

    public void Step(TimeSpan time) => step.Observe(time.TotalSeconds);

    public void InFlight(int images) => inFlight.Set(images);

    public void Loaded(string phase, TimeSpan time) => load.WithLabels(phase).Set(time.TotalSeconds);
}
