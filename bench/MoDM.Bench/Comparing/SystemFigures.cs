using MoDM.Bench.Load;
using MoDM.Bench.Quality;

namespace MoDM.Bench.Comparing;

/// <summary>Milliseconds.</summary>
internal sealed record LatencyFigures(double MeanMs, double P50Ms, double P95Ms, double P99Ms)
{
    public static LatencyFigures Of(IReadOnlyCollection<double> ms) => new(
        ms.Count > 0 ? ms.Average() : double.NaN, Percentiles.Of(ms, 50), Percentiles.Of(ms, 95), Percentiles.Of(ms, 99));
}

/// <summary>One replay of one system.</summary>
/// <param name="Seconds">From the first arrival to the last response.</param>
/// <param name="ImagesPerSecond">Finished images over these seconds.</param>
/// <param name="HitRate">Share of the finished images that started from a cached one, or were one.</param>
/// <param name="SkippedSteps">Share of the finished images by k; 0 are misses.</param>
/// <param name="Models">Share of the finished images by the model that drew them.</param>
internal sealed record ReplayFigures(
    int Images, int Failed, string? FirstError, double Seconds, double ImagesPerSecond, double HitRate,
    IReadOnlyDictionary<string, double> SkippedSteps, IReadOnlyDictionary<string, double> Models, LatencyFigures Latency)
{
    public static ReplayFigures Of(IReadOnlyList<Outcome> outcomes)
    {
        var done = outcomes.Where(o => o.Answer.Error is null).ToList();
        var seconds = (outcomes.Max(o => o.EndMs) - outcomes.Min(o => o.ArrivalMs)) / 1000;
        return new(
            done.Count, outcomes.Count - done.Count, outcomes.FirstOrDefault(o => o.Answer.Error is not null)?.Answer.Error,
            seconds, done.Count / seconds, done.Count > 0 ? (double)done.Count(o => o.Answer.IsHit) / done.Count : double.NaN,
            Shares(done.Select(o => o.Answer.Part?.SkippedSteps ?? 0).Order().Select(k => k.ToString())),
            Shares(done.Select(o => o.Answer.Part?.Model ?? "unknown").Order()),
            LatencyFigures.Of([.. done.Select(o => o.LatencyMs)]));
    }

    private static Dictionary<string, double> Shares(IEnumerable<string> values)
    {
        var all = values.ToList();
        return all.GroupBy(v => v).ToDictionary(g => g.Key, g => (double)g.Count() / all.Count);
    }
}

/// <param name="Saturated">Closed loop, every slot busy: throughput, hits, quality.</param>
/// <param name="AtRate">Open loop at the rate that all systems get: latency.</param>
/// <param name="FrechetToReference">Of the saturated replay's pictures; null without a judge.</param>
internal sealed record SystemFigures(ReplayFigures Saturated, ReplayFigures AtRate, QualityFigures Quality, double? FrechetToReference);

/// <summary>One system against the large model alone.</summary>
/// <param name="Split">Workers by model.</param>
/// <param name="How">What it is, in words.</param>
/// <param name="LatencyRatio">Of the means.</param>
internal sealed record SystemReport(
    string Name, string Split, string How, double ThroughputRatio, double LatencyRatio, double ClipScoreRatio, double HitRate,
    ReplayFigures Saturated, ReplayFigures AtRate, QualityFigures Quality, double? FrechetToReference)
{
    public static SystemReport Of(MeasuredSystem system, SystemFigures figures, SystemFigures large) => new(
        system.Name, system.Split, system.How, figures.Saturated.ImagesPerSecond / large.Saturated.ImagesPerSecond,
        figures.AtRate.Latency.MeanMs / large.AtRate.Latency.MeanMs, figures.Quality.ClipScore / large.Quality.ClipScore,
        figures.Saturated.HitRate, figures.Saturated, figures.AtRate, figures.Quality, figures.FrechetToReference);
}
