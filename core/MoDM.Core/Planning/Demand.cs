namespace MoDM.Planning;

/// <summary>The load that is planned for: what arrives, smoothed, and what waits already.</summary>
/// <param name="MissRate">Images a second.</param>
/// <param name="HitWork">Mean share of the schedule that a hit has left to draw, in (0, 1].</param>
/// <param name="RaisedHitWork">The same at <see cref="DegradeStep.HigherSkip"/>.</param>
/// <param name="WaitingMisses">Images in the queue.</param>
public readonly record struct Demand(
    double MissRate, double HitRate, double HitWork, double RaisedHitWork, int WaitingMisses, int WaitingHits)
{
    public double Rate => MissRate + HitRate;
    public double HitShare => Rate > 0 ? HitRate / Rate : 0;
    public double WorkOf(DegradeStep step) => step >= DegradeStep.HigherSkip ? RaisedHitWork : HitWork;
}

/// <summary>
/// Arrival rates, smoothed over the last few samples, so that noise does not move workers (complaints 1 and 5); a change
/// that noise does not explain is taken over at once.
/// </summary>
public sealed record DemandEstimate
{
    /// <summary>Samples that the smoothing remembers; after a change, only those that came since.</summary>
    private const double Memory = 4.5;

    /// <summary>What two samples together must differ by to be a change: this many standard deviations of a Poisson count ...</summary>
    private const double Surprise = 3;

    /// <summary>... and this share of the rate, since real arrivals vary more than Poisson ones.</summary>
    private const double Tolerance = 0.25;

    public required double MissRate { get; init; }
    public required double HitRate { get; init; }
    public required double HitWork { get; init; }
    public required double RaisedHitWork { get; init; }

    /// <summary>Samples since the load changed last, the one of the change not counted.</summary>
    public int Samples { get; init; }

    /// <summary>The sample before, for the comparison.</summary>
    public required LoadSample Last { get; init; }

    /// <summary>Takes a sample with rates in.</summary>
    public static DemandEstimate Next(DemandEstimate? before, LoadSample sample)
    {
        var work = sample.Hits > 0 ? Share(sample.HitWork / sample.Hits) : before?.HitWork ?? 1;
        var raised = sample.Hits > 0 ? Math.Min(work, Share(sample.RaisedHitWork / sample.Hits)) : before?.RaisedHitWork ?? 1;
        if (before is null)
        {
            return new DemandEstimate
            {
                MissRate = sample.Misses / sample.Seconds,
                HitRate = sample.Hits / sample.Seconds,
                HitWork = work,
                RaisedHitWork = raised,
                Samples = 1,
                Last = sample,
            };
        }
        // The mean work of the hits moves with their share in what is remembered.
        var weight = sample.Hits > 0 ? sample.Hits / (sample.Hits + (Memory - 1) * before.HitRate * sample.Seconds) : 0;
        // Where one of the rates has changed, the mix has: neither is what it was.
        var seconds = before.Last.Seconds + sample.Seconds;
        var (misses, hits) = ((before.Last.Misses + sample.Misses) / seconds, (before.Last.Hits + sample.Hits) / seconds);
        var changed = before.Samples > 0 && (Changed(before.MissRate, misses, seconds) || Changed(before.HitRate, hits, seconds));
        var gain = 1 / Math.Min(Memory, before.Samples + 1);
        return new DemandEstimate
        {
            MissRate = changed ? misses : before.MissRate + gain * (sample.Misses / sample.Seconds - before.MissRate),
            HitRate = changed ? hits : before.HitRate + gain * (sample.Hits / sample.Seconds - before.HitRate),
            HitWork = before.HitWork + weight * (work - before.HitWork),
            RaisedHitWork = before.RaisedHitWork + weight * (raised - before.RaisedHitWork),
            Samples = changed ? 0 : before.Samples + 1,
            Last = sample,
        };
    }

    private static bool Changed(double level, double seen, double seconds) =>
        Math.Abs(seen - level) > Math.Max(Surprise * Math.Sqrt(Math.Max(level, seen) / seconds), Tolerance * level);

    private static double Share(double work) => Math.Clamp(work, 0.001, 1);
}
