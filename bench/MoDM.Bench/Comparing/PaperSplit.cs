using System.Globalization;
using MoDM.Bench.Load;
using MoDM.Planning;

namespace MoDM.Bench.Comparing;

/// <summary>What the paper's rule needs to know of a load.</summary>
/// <param name="HitRate">H: share of the images that start from a cached one.</param>
/// <param name="RemainingWork">Mean of 1 - k/T over these; 0 when there are none.</param>
/// <param name="LargeSeconds">A full drawing by the large model.</param>
/// <param name="SmallSeconds">A full drawing by the small model.</param>
internal sealed record SplitLoad(double HitRate, double RemainingWork, double LargeSeconds, double SmallSeconds)
{
    /// <param name="mixture">Images of a mixture whose cache is no longer empty.</param>
    /// <param name="large">From noise, every slot busy, as in the mixture: a core that is shared is slower.</param>
    /// <param name="small">The same.</param>
    public static SplitLoad Of(IEnumerable<Outcome> mixture, IEnumerable<Outcome> large, IEnumerable<Outcome> small)
    {
        var drawn = mixture.Where(o => o.Answer.Error is null).ToList();
        var hits = drawn.Where(o => o.Answer is { IsHit: true, Part: not null }).Select(o => o.Answer.Part!).ToList();
        return new(
            drawn.Count > 0 ? (double)hits.Count / drawn.Count : 0,
            hits.Count > 0 ? hits.Average(p => 1 - (double)p.SkippedSteps / p.Steps) : 0,
            Seconds(large), Seconds(small));
    }

    private static double Seconds(IEnumerable<Outcome> drawings) =>
        drawings.Select(o => o.Answer.Part?.GenerationMs).OfType<double>().DefaultIfEmpty(double.NaN).Average() / 1000;
}

/// <summary>How many slots each model gets, and why.</summary>
internal sealed record Split(int Large, int Small, string Reason);

/// <summary>The paper's split for a measured load, in its throughput mode (<see cref="PaperPlanner.ForThroughput"/>).</summary>
internal static class PaperSplit
{
    /// <exception cref="InvalidOperationException">A model drew nothing, so that its time is not known.</exception>
    public static Split Decide(int slots, SplitLoad load)
    {
        if (!(load.LargeSeconds > 0 && load.SmallSeconds > 0))
            throw new InvalidOperationException("The paper's split needs each model's time of a full drawing; one of them drew nothing.");
        var large = PaperPlanner.ForThroughput(load.HitRate, load.RemainingWork, load.LargeSeconds, load.SmallSeconds, slots);
        return new(large, slots - large, string.Create(CultureInfo.InvariantCulture,
            $"{large} of {slots} slots for the large model at a hit rate of {load.HitRate:0.00}, ")
            + string.Create(CultureInfo.InvariantCulture, $"{load.RemainingWork:0.00} of the steps left to draw in a hit, ")
            + string.Create(CultureInfo.InvariantCulture, $"{load.LargeSeconds:0.00} s and {load.SmallSeconds:0.00} s a full drawing"));
    }
}
