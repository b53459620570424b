using MoDM.Bench.Quality;

namespace MoDM.Bench.Comparing;

/// <summary>One system before it is set against another.</summary>
internal sealed record MeasuredSystem(
    string Name, string Split, string How, ReplayFigures Saturated, ReplayFigures AtRate, MeasuredPictures Pictures);

/// <summary>Mixture over large-only; the hit rate is the mixture's.</summary>
internal sealed record CompareSummary(double HitRate, double ThroughputRatio, double MeanLatencyRatio, double ClipScoreRatio);

/// <param name="PromptsPerExperiment">Counted for throughput and quality.</param>
/// <param name="PromptsAtRate">Counted for latency.</param>
/// <param name="Generated">How the trace was made; null for a file.</param>
internal sealed record CompareSettings(
    int Seed, int PromptsPerExperiment, int PromptsAtRate, int WarmUp, int Slots, int Threads, double ArrivalsPerSecond, string Trace,
    Traces.TraceSettings? Generated, string Mixture);

/// <param name="Summary">Null, like all that is of the mixture, when it did not run.</param>
/// <param name="Mixture">The system "ours", whose figures are in <paramref name="Systems"/> too; so are the large model's.</param>
/// <param name="FrechetReference">What the distances are measured against, in words.</param>
/// <param name="FrechetBetween">Between the mixture's and the large model's pictures of the same prompts and seeds.</param>
/// <param name="Demo">What the demo models' own evaluation says of the large model, where this is one.</param>
internal sealed record CompareReport(
    CompareSummary? Summary, CompareSettings Settings, IReadOnlyList<SystemReport> Systems, SystemFigures? Mixture, SystemFigures LargeOnly,
    string? FrechetReference, double? FrechetBetween, DemoFigures? Demo, Environs Environment)
{
    /// <param name="systems">The large model first.</param>
    /// <param name="reference">Features of other pictures by the large model; empty without a judge.</param>
    public static CompareReport Of(
        CompareSettings settings, IReadOnlyList<MeasuredSystem> systems, IReadOnlyList<float[]> reference, DemoFigures? demo)
    {
        var judged = reference.Count > 1;
        var large = Figures(systems[0]);
        var ours = systems.FirstOrDefault(s => s.Name == SystemChoice.NameOf(CompareSystem.Ours));
        var reports = systems.Select(s => SystemReport.Of(s, Figures(s), large)).ToList();
        var summary = reports.Find(r => r.Name == ours?.Name) is { } m
            ? new CompareSummary(m.HitRate, m.ThroughputRatio, m.LatencyRatio, m.ClipScoreRatio) : null;
        return new(
            summary, settings, reports, ours is null ? null : Figures(ours), large,
            judged ? $"the large model's {reference.Count} pictures of the latency experiment: other prompts of the same trace" : null,
            judged && ours is not null ? FrechetDistance.Between(ours.Pictures.Features, systems[0].Pictures.Features) : null,
            demo, Environs.Here());

        SystemFigures Figures(MeasuredSystem system) => new(system.Saturated, system.AtRate, system.Pictures.Figures,
            judged ? FrechetDistance.Between(system.Pictures.Features, reference) : null);
    }
}
