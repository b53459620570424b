using System.Globalization;
using MoDM.Bench.Scoring;

namespace MoDM.Bench.Cache;

/// <summary>Of how many pairs of a kind no guard fired, with Wilson's 95 % interval.</summary>
internal sealed record PairRate(string Kind, int Passed, int Count)
{
    public double Share => Count == 0 ? 0 : (double)Passed / Count;

    public Interval Interval => Wilson.Interval(Passed, Count);

    /// <summary>All pairs first, then each kind.</summary>
    public static IReadOnlyList<PairRate> Of(IReadOnlyList<PromptPair> pairs, Func<PromptPair, bool> passes) =>
    [
        new("all", pairs.Count(passes), pairs.Count),
        .. pairs.GroupBy(p => p.Kind).Select(kind => new PairRate(kind.Key, kind.Count(passes), kind.Count())),
    ];

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Kind}: {Passed} of {Count} pass, {100 * Share:0.0} % [{100 * Interval.Low:0.0}, {100 * Interval.High:0.0}]");
}
