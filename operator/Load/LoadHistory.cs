using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Operator.Load;

/// <summary>What was measured of a mixture's load, beside what the planner takes.</summary>
/// <param name="InFlight">Images that are drawn.</param>
/// <param name="Answered">Requests that were answered in the window.</param>
/// <param name="Late">Of these, later than the SLO.</param>
internal sealed record MeasuredLoad(LoadSample Sample, int Queued, int InFlight, double Answered, double Late);

/// <summary>
/// From the points that Prometheus holds to what came since the last time: each counter's own increase between its own
/// points, so that nothing is counted twice and nothing is extrapolated. A counter that goes back, or begins, began at 0.
/// </summary>
/// <param name="UpTo">Time of the newest point that has been counted; 0: none yet.</param>
internal sealed record LoadHistory(double UpTo = 0)
{
    /// <summary>Points that are further apart than this many times the usual are a gap, and the last one says nothing of now.</summary>
    private const double ScrapesMissed = 3.5;
    private const double LeastPatience = 15;

    private static readonly string[] Metrics =
    [
        MetricNames.ArrivedImages, MetricNames.ArrivedWork, MetricNames.QueueWork, MetricNames.QueueLength, MetricNames.InFlight,
        MetricNames.DrawSeconds, MetricNames.SloMisses, $"{MetricNames.RequestSeconds}_count",
    ];

    /// <summary>Everything that is needed of a mixture, in one query.</summary>
    public static string Query(string ns, string mixture, TimeSpan tick) => FormattableString.Invariant(
        $"{{__name__=~\"{string.Join('|', Metrics)}\",namespace=\"{ns}\",mixture=\"{mixture}\"}}[{Math.Max(150, 4 * tick.TotalSeconds):0}s]");

    /// <param name="workers">In each pool, without those that are about to end.</param>
    /// <param name="loadSeconds">From a worker's creation until it served, by pool; 0 when not known.</param>
    /// <returns>Null for the load: there is no newer point yet, which is neither good nor bad.</returns>
    public (Reading<MeasuredLoad?> Load, LoadHistory Next) Take(
        IReadOnlyList<Series> series, double now, MixtureSpec spec, IReadOnlyList<int> workers, IReadOnlyList<double> loadSeconds)
    {
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
        double All(string metric) => series.Where(s => s.Name == metric).Sum(Window);
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
        return (new Reading<MeasuredLoad?>.Known(new MeasuredLoad(
            sample, Whole(queued), sample.Pools.Sum(p => p.InFlight), All($"{MetricNames.RequestSeconds}_count"), All(MetricNames.SloMisses))),
            new LoadHistory(newest));
    }

    /// <summary>How old the newest point may be: a few times the pause between points.</summary>
    private static double Patience(IEnumerable<Series> counters)
    {
        var pauses = counters.Where(s => s.Points.Count > 1).Select(s => (s.Last.At - s.Points[0].At) / (s.Points.Count - 1)).ToList();
        return Math.Max(LeastPatience, ScrapesMissed * (pauses.Count > 0 ? pauses.Min() : 0));
    }

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

    private static double Window(Series series) => Increase(series, series.Points[0].At);

    private static double? Mean(IEnumerable<Series> gauges)
    {
        var known = gauges.Select(s => s.Last.Value).Where(v => double.IsFinite(v) && v > 0).ToList();
        return known.Count > 0 ? known.Average() : null;
    }

    private static int Whole(double value) => double.IsFinite(value) ? (int)Math.Ceiling(Math.Clamp(value, 0, 1e6)) : 0;
}
