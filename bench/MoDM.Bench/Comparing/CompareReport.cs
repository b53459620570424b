using MoDM.Bench.Quality;

namespace MoDM.Bench.Comparing;

/// <summary>One system before it is set against the other.</summary>
internal sealed record MeasuredSystem(ReplayFigures Saturated, ReplayFigures AtRate, MeasuredPictures Pictures, MeasuredPictures OtherPictures);

/// <summary>Mixture over large-only; the hit rate is the mixture's.</summary>
internal sealed record CompareSummary(double HitRate, double ThroughputRatio, double MeanLatencyRatio, double ClipScoreRatio);

/// <param name="Generated">How the trace was made; null for a file.</param>
internal sealed record CompareSettings(
    int Seed, int PromptsPerExperiment, int WarmUp, int Slots, int Threads, double ArrivalsPerSecond, string Trace,
    Traces.TraceSettings? Generated, string Mixture);

/// <param name="FrechetReference">What the distances are measured against, in words.</param>
/// <param name="Demo">What the demo models' own evaluation says of the large model, where this is one.</param>
/// <param name="FrechetBetween">Between the two systems' pictures of the same prompts and seeds.</param>
internal sealed record CompareReport(
    CompareSummary Summary, CompareSettings Settings, SystemFigures Mixture, SystemFigures LargeOnly, string? FrechetReference,
    double? FrechetBetween, DemoFigures? Demo, Environs Environment)
{
    public static CompareReport Of(CompareSettings settings, MeasuredSystem mixture, MeasuredSystem large, DemoFigures? demo)
    {
        var reference = large.OtherPictures.Features;
        var judged = reference.Count > 1;
        var (m, l) = (Figures(mixture), Figures(large));
        return new(
            new(m.Saturated.HitRate, m.Saturated.ImagesPerSecond / l.Saturated.ImagesPerSecond,
                m.AtRate.Latency.MeanMs / l.AtRate.Latency.MeanMs, m.Quality.ClipScore / l.Quality.ClipScore),
            settings, m, l,
            judged ? $"the large model's {reference.Count} pictures of the latency experiment: other prompts of the same trace" : null,
            judged ? FrechetDistance.Between(mixture.Pictures.Features, large.Pictures.Features) : null,
            demo, Environs.Here());

        SystemFigures Figures(MeasuredSystem system) => new(system.Saturated, system.AtRate, system.Pictures.Figures,
            judged ? FrechetDistance.Between(system.Pictures.Features, reference) : null);
    }
}
