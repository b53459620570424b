using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>Workers and queues as a request finds them.</summary>
/// <param name="Large">Images that all large workers together draw at once.</param>
/// <param name="FreeLarge">Of those, the free places.</param>
/// <param name="WaitingHitWork">Sum of 1 - k/T over the hits that wait.</param>
/// <param name="LargeSeconds">Of a full drawing by a large worker.</param>
/// <param name="SmallSeconds">The same, the mean of the small workers.</param>
/// <param name="SmallDrawsMisses"><see cref="DegradeStep.SmallForMisses"/> is in force.</param>
/// <param name="MissWorkers">Places of the large workers that misses take up on average; hits have the others.</param>
/// <param name="NextFree">Seconds until the first of the workers that may take it is done; null: not known.</param>
public readonly record struct QueueView(
    int Large, int Small, int FreeLarge, int FreeSmall, int WaitingMisses, double WaitingHitWork,
    double LargeSeconds, double SmallSeconds, bool SmallDrawsMisses, double MissWorkers = 0, double? NextFree = null);

/// <summary>
/// When a request that arrives now will have its image: what waits before it, at the speed of the workers that may take it,
/// until the first of them is done with what it draws (of c workers that are busy for S seconds each, after S / (c + 1),
/// where it is not known).
/// </summary>
public static class ArrivalEstimate
{
    /// <param name="work">Share of the schedule to draw; 1 for a miss.</param>
    /// <param name="before">Images of the same request that go before this one.</param>
    /// <returns>Seconds to wait and to draw; infinite when nothing could ever take it.</returns>
    public static (double Wait, double Draw) Of(QueueView view, CacheRoute route, double work, int before = 0)
    {
        var (large, small) = (Speed(view.Large, view.LargeSeconds), Speed(view.Small, view.SmallSeconds));
        if (route == CacheRoute.Miss && !view.SmallDrawsMisses)
        {
            return (Wait(view.FreeLarge, view.WaitingMisses, before, view.WaitingMisses + before * work, large, view.Large, view.LargeSeconds, view.NextFree),
                work * view.LargeSeconds);
        }
        var all = view.WaitingMisses + view.WaitingHitWork;
        if (route == CacheRoute.Miss || view.Small == 0)
        {
            var (speed, servers) = (large + small, view.Large + view.Small);
            var mean = speed > 0 ? servers / speed : double.PositiveInfinity;
            return (Wait(view.FreeLarge + view.FreeSmall, all, before, all + before * work, speed, servers, mean, view.NextFree), work * mean);
        }
        // Large workers help with hits while no miss waits.
        var idle = view.WaitingMisses == 0 ? view.FreeLarge : 0;
        if (view.FreeSmall <= before && before < view.FreeSmall + idle && view.WaitingHitWork <= 0) return (0, work * view.LargeSeconds);
        var spare = Math.Max(0, view.Large - view.MissWorkers);
        var speedOfHits = small + (view.LargeSeconds > 0 ? spare / view.LargeSeconds : 0);
        return (Wait(view.FreeSmall + idle, view.WaitingHitWork, before, view.WaitingHitWork + before * work, speedOfHits,
            view.Small + spare, work * (view.Small + spare) / speedOfHits, view.NextFree), work * view.SmallSeconds);
    }

    private static double Wait(
        int free, double waiting, int before, double ahead, double speed, double servers, double seconds, double? nextFree) =>
        waiting <= 0 && free > before ? 0
        : speed <= 0 ? double.PositiveInfinity
        : Math.Max(0, ahead - free / 2.0) / speed + (free <= 0 && nextFree is { } next ? next : seconds / (servers + 1));

    private static double Speed(int workers, double seconds) => seconds > 0 ? workers / seconds : 0;
}

/// <summary>Whether a request is let in.</summary>
/// <param name="RetryAfterSeconds">When the queue will have become short enough, if nothing else arrives; 0 when admitted.</param>
public readonly record struct Admission(bool Admit, int RetryAfterSeconds, string Reason);

/// <summary>A request that would wait in vain is told so when it comes, not when its time is over (complaint 20).</summary>
public static class AdmissionPolicy
{
    /// <param name="wait">Seconds it will wait at worst.</param>
    /// <param name="draw">Seconds it takes to draw.</param>
    public static Admission Decide(double wait, double draw, TimeSpan slo)
    {
        var limit = Limit(draw, slo);
        if (wait <= 0 || wait + draw <= limit) return new(true, 0, "it can be done in time");
        var retry = double.IsFinite(wait + draw) ? Math.Clamp((int)Math.Ceiling(wait + draw - limit), 1, 3600) : 5;
        return new(false, retry, FormattableString.Invariant(
            $"its image would be ready in about {wait + draw:0.#} s, and the limit is {limit:0.#} s"));
    }

    /// <summary>Where drawing alone takes longer than the SLO, nothing would ever be let in; then a wait of half of it is allowed.</summary>
    public static double Limit(double draw, TimeSpan slo) => Math.Max(slo.TotalSeconds, 1.5 * draw);
}
