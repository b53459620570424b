using Prometheus;

namespace MoDM.Worker;

/// <summary>How long the start of a worker took; names from <see cref="MetricNames"/>.</summary>
internal sealed class LoadMetrics(CollectorRegistry registry)
{
    private readonly Gauge _load = Metrics.WithCustomRegistry(registry).CreateGauge(
        MetricNames.ModelLoadSeconds, "Seconds that each phase of the start took.", "phase");

    public void Loaded(string phase, TimeSpan time) => _load.WithLabels(phase).Set(time.TotalSeconds);
}
