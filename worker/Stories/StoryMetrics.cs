using Prometheus;

namespace MoDM.Worker.Stories;

/// <summary>What a story worker tells Prometheus; names from <see cref="MetricNames"/>.</summary>
internal sealed class StoryMetrics
{
    private readonly Histogram.Child _generation, _step;
    private readonly Counter.Child _prompt, _completion;
    private readonly Gauge.Child _inFlight, _queue;
    private int _waiting = -1;

    public StoryMetrics(CollectorRegistry registry, string model)
    {
        var metrics = Metrics.WithCustomRegistry(registry);
        _generation = metrics.CreateHistogram(
            MetricNames.GenerationSeconds, "Seconds from a read prompt to the end of its text.", Buckets(0.005, 1.8, 20)).WithLabels(model);
        _step = metrics.CreateHistogram(
            MetricNames.DecodeSeconds, "Seconds of the network for one token of every text in the batch.", Buckets(0.0001, 1.8, 20))
            .WithLabels(model);
        var tokens = metrics.CreateCounter(
            MetricNames.Tokens, "Tokens read of prompts and chosen for texts, end tokens too.", "model", "kind");
        (_prompt, _completion) = (tokens.WithLabels(model, "prompt"), tokens.WithLabels(model, "completion"));
        _inFlight = metrics.CreateGauge(MetricNames.InFlight, "Texts admitted and not finished.", "pool").WithLabels(model);
        _queue = metrics.CreateGauge(MetricNames.QueueLength, "Texts whose prompt waits to be read.", "queue").WithLabels(model);
        _inFlight.Set(0);
        Queue(0);
    }

    public void PromptTokens(int tokens) => _prompt.Inc(tokens);

    public void CompletionToken() => _completion.Inc();

    public void Step(TimeSpan time) => _step.Observe(time.TotalSeconds);

    public void Generation(TimeSpan time) => _generation.Observe(time.TotalSeconds);

    public void InFlight(int texts) => _inFlight.Set(texts);

    /// <summary>Called at every step.</summary>
    public void Queue(int texts)
    {
        if (texts != _waiting)
            _queue.Set(_waiting = texts);
    }

    private static HistogramConfiguration Buckets(double first, double factor, int count) =>
        new() { LabelNames = ["model"], Buckets = Histogram.ExponentialBuckets(first, factor, count) };
}
