using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Operator.Load;

/// <summary>What was measured of a mixture's load, beside what the planner takes.</summary>
/// <param name="InFlight">Images that are drawn.</param>
/// <param name="Answered">Requests that were answered of late, older ones counting less.</param>
/// <param name="Late">Of these, later than the SLO.</param>
/// <param name="Cache">Null: no gateway says whether its cache's store answers.</param>
internal sealed record MeasuredLoad(LoadSample Sample, int Queued, int InFlight, double Answered, double Late, CacheReach? Cache = null);

/// <summary>Whom the cache's store answers: of so many gateways, not these.</summary>
internal readonly record struct CacheReach(int Gateways, int Unanswered);

/// <summary>
/// From the points that Prometheus holds to what came since the last time: each counter's own increase between its own
/// points, so that nothing is counted twice and nothing is extrapolated. A counter that goes back, or begins, began at 0.
/// </summary>
/// <param name="UpTo">Time of the newest point that has been counted; 0: none yet.</param>
/// <param name="Pause">Seconds between two points; 0: not known.</param>
internal sealed record LoadHistory(double UpTo = 0, double Pause = 0, double Answered = 0, double Late = 0)
{
    /// <summary>Weight of earlier answers at each new reading.</summary>
    private const double Memory = 0.9;

    /// <summary>Seconds of points that are asked for while nothing is known of their pauses: a minute's pause is the longest usual one.</summary>
    private const double FirstWindow = 150;

    /// <summary>Points that are further apart than this many times the usual are a gap, and the last one says nothing of now.</summary>
    private const double ScrapesMissed = 3.5;
    private const double LeastPatience = 15;

    /// <summary>A reading so many seconds after the newest point is timely; Prometheus' own time comes in whole seconds.</summary>
    private const double Timely = 1;

    private static readonly string[] Metrics =
    [
        MetricNames.ArrivedImages, MetricNames.ArrivedWork, MetricNames.QueueWork, MetricNames.QueueLength, MetricNames.InFlight,
        MetricNames.DrawSeconds, MetricNames.SloMisses, $"{MetricNames.RequestSeconds}_count", MetricNames.CacheAvailable,
    ];

    private static readonly string Names = string.Join('|', Metrics);

    /// <summary>Everything that is needed of a mixture, in one query.</summary>
    public string Query(string ns, string mixture, TimeSpan tick) => FormattableString.Invariant(
        $"{{__name__=~\"{Names}\",namespace=\"{ns}\",mixture=\"{mixture}\"}}[{Window(tick):0}s]");

    /// <param name="workers">In each pool, without those that are about to end.</param>
    /// <param name="loadSeconds">From a worker's creation until it served, by pool; 0 when not known.</param>
    /// <returns>Null for the load: there is no newer point yet, which is neither good nor bad.</returns>
    public (Reading<MeasuredLoad?> Load, LoadHistory Next) Take(
        IReadOnlyList<Series> series, double now, MixtureSpec spec, IReadOnlyList<int> workers, IReadOnlyList<double> loadSeconds)
    {
        // What was counted last lies before everything that is held now, as after an outage: begin anew.
        if (UpTo > 0 && series.Count > 0 && UpTo < series.Min(s => s.Points[0].At)) return new LoadHistory().Take(series, now, spec, workers, loadSeconds);
        var counters = series.Where(s => s.Name == MetricNames.ArrivedImages).ToList();
        if (counters.Count == 0)
        {
            return (new Reading<MeasuredLoad?>.Unknown($"Prometheus has no {MetricNames.ArrivedImages} of this mixture; its gateway has to "
                + "be scraped, with a namespace label (the chart's podMonitor, or kubernetes_sd_configs with that label)"), this);
        }
        var newest = counters.Max(s => s.Last.At);
        if (now - newest > Patience(counters))
            return (new Reading<MeasuredLoad?>.Unknown(FormattableString.Invariant($"the gateway was last scraped {now - newest:0} s ago")), this);
        if (newest <= UpTo) return (new Reading<MeasuredLoad?>.Known(null), this);
        var since = UpTo > 0 ? UpTo : counters.Min(s => s.Points[0].At);
        if (newest <= since)
            return (new Reading<MeasuredLoad?>.Unknown("the gateway has been scraped once; rates need two scrapes"), this);

        // Gauges of a gateway that is gone say nothing of now.
        var live = series.Where(s => newest - s.Last.At < Patience(counters)).ToList();
        double Count(string metric, string label, string value) =>
            series.Where(s => s.Name == metric && s.Label(label) == value).Sum(s => Increase(s, since));
        double All(string metric) => series.Where(s => s.Name == metric).Sum(s => Increase(s, since));
        double Level(string metric, string label, string value) =>
            live.Where(s => s.Name == metric && s.Label(label) == value).Sum(s => s.Last.Value);
        PoolLoad Pool(WorkerPool pool, int i) => new(
            workers[i], Whole(Level(MetricNames.InFlight, "model", pool.Name)),
            Mean(live.Where(s => s.Name == MetricNames.DrawSeconds && s.Label("model") == pool.Name)), loadSeconds[i]);

        var sample = new LoadSample
        {
            Seconds = newest - since,
            Misses = Count(MetricNames.ArrivedWork, "route", "miss"),
            Hits = Count(MetricNames.ArrivedImages, "route", "hit"),
            HitWork = Count(MetricNames.ArrivedWork, "route", "hit"),
            RaisedHitWork = Count(MetricNames.ArrivedWork, "route", "hit_raised"),
            WaitingMisses = Whole(Level(MetricNames.QueueWork, "queue", "miss")),
            WaitingHits = Whole(Level(MetricNames.QueueWork, "queue", "hit")),
            Pools = [.. spec.Pools.Select(Pool)],
        };
        if (!sample.HasRates)
            return (new Reading<MeasuredLoad?>.Unknown($"{MetricNames.ArrivedWork} or {MetricNames.ArrivedImages} is not a number"), this);
        var queued = live.Where(s => s.Name == MetricNames.QueueLength).Sum(s => s.Last.Value);
        var next = new LoadHistory(
            newest, PauseOf(counters), Memory * Answered + All($"{MetricNames.RequestSeconds}_count"), Memory * Late + All(MetricNames.SloMisses));
        return (new Reading<MeasuredLoad?>.Known(
            new MeasuredLoad(sample, Whole(queued), sample.Pools.Sum(p => p.InFlight), next.Answered, next.Late, ReachOf(live))), next);
    }

    /// <summary>
    /// When to read next: a tick later, or as much earlier as it takes to read a point soon after it was scraped, instead of
    /// up to a pause later.
    /// </summary>
    /// <param name="now">Prometheus' time of the last reading.</param>
    public TimeSpan NextAfter(double now, TimeSpan tick)
    {
        if (Pause <= 0) return tick;
        var wait = Math.Max(1, Math.Floor(tick.TotalSeconds / Pause)) * Pause - Math.Max(0, now - UpTo - Timely);
        return wait > 0 && wait < tick.TotalSeconds ? TimeSpan.FromSeconds(wait) : tick;
    }

    /// <summary>How old the newest point may be: a few times the pause between points.</summary>
    private static double Patience(IReadOnlyList<Series> counters) => Math.Max(LeastPatience, ScrapesMissed * PauseOf(counters));

    private static double PauseOf(IReadOnlyList<Series> counters)
    {
        var pauses = counters.Where(s => s.Points.Count > 1).Select(s => (s.Last.At - s.Points[0].At) / (s.Points.Count - 1)).ToList();
        return pauses.Count > 0 ? pauses.Min() : 0;
    }

    /// <summary>From the last point that was counted, one before it, and as old as the newest may be.</summary>
    private double Window(TimeSpan tick) =>
        Pause > 0 ? Math.Max(LeastPatience, ScrapesMissed * Pause) + tick.TotalSeconds + Pause : Math.Max(FirstWindow, 4 * tick.TotalSeconds);

    private static double Increase(Series series, double since)
    {
        var (sum, before) = (0.0, 0.0);
        var first = true;
        foreach (var (at, value) in series.Points)
        {
            // What a counter had when it was first seen had come before, unless it began after the last count.
            if (at <= since) (before, first) = (value, false);
            else
            {
                sum += first || value < before ? value : value - before;
                (before, first) = (value, false);
            }
        }
        return sum;
    }

    private static double? Mean(IEnumerable<Series> gauges)
    {
        var known = gauges.Select(s => s.Last.Value).Where(v => double.IsFinite(v) && v > 0).ToList();
        return known.Count > 0 ? known.Average() : null;
    }

    private static CacheReach? ReachOf(IReadOnlyList<Series> live)
    {
        var known = live.Where(s => s.Name == MetricNames.CacheAvailable).Select(s => s.Last.Value).Where(double.IsFinite).ToList();
        return known.Count > 0 ? new CacheReach(known.Count, known.Count(v => v < 1)) : null;
    }

    private static int Whole(double value) => double.IsFinite(value) ? (int)Math.Ceiling(Math.Clamp(value, 0, 1e6)) : 0;
}
