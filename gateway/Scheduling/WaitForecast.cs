using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Scheduling;

/// <summary>
/// What to tell a request when it comes: how long its images will take, whether that is in time, and when to come back if
/// not. It learns from how earlier expectations turned out. Owned by <see cref="RequestQueue"/>, under its lock.
/// </summary>
internal sealed class WaitForecast(Func<SloSpec> slo)
{
    /// <summary>What drawing may take more than its mean without the image being late.</summary>
    private const double Slack = 1.05;
    private const int LongestRetrySeconds = 3600;

    private readonly LatencyBand _band = new();

    /// <param name="before">Images of the same request that go before this one.</param>
    /// <returns>Null while no image has been timed, or where no worker could take it just now.</returns>
    public LatencyEstimate? Expect(QueueView view, CacheRoute route, double work, int before = 0)
    {
        var (wait, draw) = ArrivalEstimate.Of(view, route, work, before);
        return draw > 0 && double.IsFinite(wait + draw) ? _band.Of(route, wait, draw) : null;
    }

    /// <summary>Compares what was told with what came of it.</summary>
    public void Learn(LatencyEstimate told, double seconds) => _band.Observe(told, seconds);

    /// <param name="gone">Seconds since the request came.</param>
    /// <param name="last">Of its last image; not known: it is let in, and the queue has a limit of its own.</param>
    public Admission Admit(double gone, LatencyEstimate? last) => last is { } told
        ? AdmissionPolicy.Decide(told.Wait > 0 ? gone + told.Worst - told.Draw : 0, told.Draw, slo().Latency)
        : new(true, 0, "no image has been timed yet");

    /// <summary>The latest start, after a request's arrival, that is in time.</summary>
    public TimeSpan LatestStart(LatencyEstimate? told) => told is { } e
        ? TimeSpan.FromSeconds(AdmissionPolicy.Limit(e.Draw, slo().Latency) - Slack * e.Draw) : slo().Latency;

    /// <summary>Whole seconds until a request like this would be let in, if nothing else came.</summary>
    /// <param name="over">Images that have to leave the queue before there is room for it.</param>
    public int RetryAfter(QueueView view, CacheRoute route, double work, int images, long over)
    {
        if (Expect(view, route, work) is null) return 1;
        var (speed, next) = (Speed(view, route, work), view.NextFree ?? 0);
        for (var t = 1; t < LongestRetrySeconds; t++)
        {
            var done = t < next ? 0 : 1 + (int)((t - next) * speed);
            var later = After(view, route, work, done) with { NextFree = Math.Max(0, next + done / speed - t) };
            if (done >= over && Admit(0, Expect(later, route, work, images - 1)).Admit) return t;
        }
        return LongestRetrySeconds;
    }

    /// <summary>Images a second that leave the queue of a route, where hits have as much to draw as this one.</summary>
    private static double Speed(QueueView view, CacheRoute route, double work)
    {
        var (large, small) = (PerSecond(view.Large, view.LargeSeconds), PerSecond(view.Small, view.SmallSeconds));
        if (Shared(view)) return large + small;
        var spare = PerSecond(Math.Max(0, view.Large - view.MissWorkers), view.LargeSeconds);
        return route == CacheRoute.Miss ? large : (small + spare) / work;
    }

    /// <summary>The queue when so many more images have been drawn, and nothing has come.</summary>
    private static QueueView After(QueueView view, CacheRoute route, double work, int done)
    {
        var misses = Shared(view) || route == CacheRoute.Miss ? Math.Min(done, view.WaitingMisses) : 0;
        var hits = Shared(view) || route == CacheRoute.Hit ? Math.Min(done - misses, (int)Math.Ceiling(view.WaitingHitWork / work)) : 0;
        var free = done - misses - hits;
        return view with
        {
            WaitingMisses = view.WaitingMisses - misses,
            WaitingHitWork = Math.Max(0, view.WaitingHitWork - hits * work),
            FreeLarge = Math.Min(view.Large, view.FreeLarge + (route == CacheRoute.Miss || view.Small == 0 ? free : 0)),
            FreeSmall = Math.Min(view.Small, view.FreeSmall + (route == CacheRoute.Hit || view.SmallDrawsMisses ? free : 0)),
        };
    }

    private static bool Shared(QueueView view) => view.SmallDrawsMisses || view.Small == 0;

    private static double PerSecond(double places, double seconds) => seconds > 0 ? places / seconds : 0;
}
