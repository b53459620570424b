using Prometheus;

namespace MoDM.Worker;

/// <summary>What a worker that draws tells Prometheus; names from <see cref="MetricNames"/>.</summary>
internal sealed class WorkerMetrics
{
    private readonly Histogram.Child _generation, _step;
    private readonly Gauge.Child _inFlight;

    public WorkerMetrics(CollectorRegistry registry, string model)
    {
        var metrics = Metrics.WithCustomRegistry(registry);
        _generation = metrics.CreateHistogram(
            MetricNames.GenerationSeconds, "Seconds from a batch's start to its pictures, once an image.", Buckets(0.05, 1.6, 20))
            .WithLabels(model);
        _step = metrics.CreateHistogram(
            MetricNames.StepSeconds, "Seconds of one denoising step of a batch.", Buckets(0.001, 1.8, 18))
            .WithLabels(model);
        _inFlight = metrics.CreateGauge(MetricNames.InFlight, "Images admitted and not finished.", "pool").WithLabels(model);
        _inFlight.Set(0);
    }

    public void Generation(TimeSpan time, int images)
    {
        for (var i = 0; i < images; i++)
            _generation.Observe(time.TotalSeconds);
    }

    public void Step(TimeSpan time) => _step.Observe(time.TotalSeconds);

    public void InFlight(int images) => _inFlight.Set(images);

    private static HistogramConfiguration Buckets(double first, double factor, int count) =>
        new() { LabelNames = ["model"], Buckets = Histogram.ExponentialBuckets(first, factor, count) };
}
