using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>What a request was told when it came. All in seconds; the last three from its arrival to its image.</summary>
/// <param name="Low">With <paramref name="High"/>: four of five requests end between them.</param>
/// <param name="Worst">One in a hundred takes longer.</param>
public readonly record struct LatencyEstimate(CacheRoute Route, double Wait, double Draw, double Low, double High, double Worst)
{
    public double Expected => Wait + Draw;
}

/// <summary>
/// How far outcomes lie from <see cref="ArrivalEstimate"/>: ratios that move a step with each outcome, so that in the long run
/// the wanted shares lie below them, whatever the distribution is or becomes, and however late outcomes are known
/// (adaptive conformal inference, Gibbs and Candes, arXiv 2106.00170, equation 2). Not safe for concurrent use.
/// </summary>
public sealed class LatencyBand
{
    private const double Step = 0.02;

    /// <summary>A ratio that kept everything out would never be corrected, as nothing would come out.</summary>
    private const double MostPatience = 1.5;

    /// <summary>Hits and misses, each with a free worker and without.</summary>
    private readonly Ratios[] _ratios = [new(), new(), new(), new()];

    public LatencyEstimate Of(CacheRoute route, double wait, double draw)
    {
        var (ratios, all) = (RatiosOf(route, wait), wait + draw);
        return new(route, wait, draw, all * ratios.Low, all * ratios.High, all * ratios.Worst);
    }

    /// <param name="told">What <see cref="Of"/> said of this request.</param>
    /// <param name="seconds">What it was.</param>
    public void Observe(LatencyEstimate told, double seconds)
    {
        if (told.Expected is not (> 0 and < double.PositiveInfinity)) return;
        var (ratios, outcome) = (RatiosOf(told.Route, told.Wait), seconds / told.Expected);
        ratios.Low = Next(ratios.Low, 0.1, seconds > told.Low);
        ratios.High = Next(ratios.High, 0.9, seconds > told.High);
        // Many may have been told the same before the first of them is done: what an earlier outcome has already corrected
        // is not corrected again, as one step up takes a hundred outcomes to undo.
        if (seconds > told.Worst == outcome > ratios.Worst)
            ratios.Worst = Math.Min(MostPatience, Next(ratios.Worst, 0.99, seconds > told.Worst));
    }

    private static double Next(double ratio, double share, bool above) => Math.Max(0.01, ratio + Step * (above ? share : share - 1));

    private Ratios RatiosOf(CacheRoute route, double wait) => _ratios[(route == CacheRoute.Hit ? 2 : 0) + (wait > 0 ? 1 : 0)];

    private sealed class Ratios
    {
        public double Low { get; set; } = 0.9;
        public double High { get; set; } = 1.1;
        public double Worst { get; set; } = 1.05;
    }
}
