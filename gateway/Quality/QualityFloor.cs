using MoDM.Mixture;

namespace MoDM.Gateway.Quality;

/// <summary>
/// The hit thresholds in force, and what they are judged by. In memory only: a gateway that starts anew, or with other models
/// or thresholds, begins with the document's own.
/// </summary>
internal sealed partial class QualityFloor(CurrentMixture mixture, ILogger<QualityFloor> log)
{
    private static readonly QualityDecision Start = new(QualityState.Start, "no hit has been drawn a second time yet");

    private readonly Lock _lock = new();
    private QualityDecision _now = Start;
    private MixtureSpec _spec = mixture.Now.Spec;

    public static bool IsOn(CacheSpec cache) => cache.Quality is { Floor: > 0, Sample: > 0 };

    /// <summary>The thresholds that decide, and what they are above the document's.</summary>
    public (IReadOnlyList<HitThreshold> Hits, double RaisedBy) InForce(CacheSpec cache)
    {
        var by = IsOn(cache) ? Now().State.RaisedBy : 0;
        return (QualityControl.Raise(cache.Hits, by), by);
    }

    /// <param name="spec">As it was when the hit was served.</param>
    /// <returns>The thresholds have moved.</returns>
    public bool Add(MixtureSpec spec, QualitySample sample)
    {
        QualityDecision before, after;
        lock (_lock)
        {
            before = Now();
            if (!IsLike(spec, _spec)) return false;
            _now = after = QualityControl.Decide(before.State, sample, _spec.Cache.Quality.Floor);
        }
        GatewayMetrics.QualitySamples.Inc();
        var moved = after.State.RaisedBy != before.State.RaisedBy;
        if (moved) Log.Moved(log, after.Reason);
        return moved;
    }

    /// <summary>What to show; null when it is switched off.</summary>
    public QualityStatus? Status()
    {
        var cache = mixture.Now.Spec.Cache;
        if (!IsOn(cache)) return null;
        var now = Now();
        var estimate = QualityEstimate.Of(now.State.Window);
        return new QualityStatus(
            Rounded(estimate?.Ratio), estimate?.Samples > 1 ? Rounded(estimate?.Low) : null, estimate?.Samples > 1 ? Rounded(estimate?.High) : null,
            Rounded(estimate?.Distance), now.State.Window.Count, cache.Quality.Floor, now.State.RaisedBy, now.Reason);
    }

    private QualityDecision Now()
    {
        lock (_lock)
        {
            var spec = mixture.Now.Spec;
            if (ReferenceEquals(spec, _spec)) return _now;
            if (!IsLike(spec, _spec)) _now = Start;
            _spec = spec;
            return _now;
        }
    }

    /// <summary>Samples of the one say something about the other.</summary>
    private static bool IsLike(MixtureSpec a, MixtureSpec b) => ReferenceEquals(a, b)
        || a.Cache.Hits.SequenceEqual(b.Cache.Hits) && a.Pools.Select(p => p.ModelPath).SequenceEqual(b.Pools.Select(p => p.ModelPath));

    private static double? Rounded(double? value) => value is { } v ? Math.Round(v, 4) : null;

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Quality: {Reason}")]
        public static partial void Moved(ILogger log, string reason);
    }
}

/// <param name="Ratio">Mean CLIP score of the hits over the large model's, with its 95 % interval; null before the first sample at this height.</param>
/// <param name="Distance">Mean distance of the two pictures, 1 - cosine.</param>
/// <param name="Samples">In the window, that is since the thresholds last moved, and the newest only.</param>
/// <param name="RaisedBy">What the similarity thresholds are above the document's.</param>
internal sealed record QualityStatus(
    double? Ratio, double? Low, double? High, double? Distance, int Samples, double Floor, double RaisedBy, string Reason);
