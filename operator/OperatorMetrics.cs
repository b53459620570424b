using Prometheus;

namespace MoDM.Operator;

/// <summary>The operator's metrics; names are in <see cref="MetricNames"/>.</summary>
internal static class OperatorMetrics
{
    public static readonly Histogram Reconcile = Metrics.CreateHistogram(MetricNames.ReconcileSeconds,
        "One pass over a mixture.", ["result"], new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.0005, 2.5, 12) });
    public static readonly Gauge Replicas = Metrics.CreateGauge(MetricNames.OperatorReplicas,
        "Workers by plan.", "mixture_namespace", "mixture", "pool");
    public static readonly Counter Writes = Metrics.CreateCounter(MetricNames.OperatorWrites,
        "Writes to the API server, without those of the lease.", "verb");
    public static readonly Gauge Leader = Metrics.CreateGauge(MetricNames.OperatorLeader, "1 while this replica holds the lease.");
    public static readonly Gauge MetricsAvailable = Metrics.CreateGauge(MetricNames.MetricsAvailable,
        "1 while the load of a mixture is known.", "mixture_namespace", "mixture");
}
