using System.Globalization;

namespace MoDM.Bench.Comparing;

/// <summary>The report for people.</summary>
internal static class CompareTable
{
    public static string Render(CompareReport report)
    {
        var (m, l, s, demo) = (report.Mixture, report.LargeOnly, report.Settings, report.Demo);
        List<IReadOnlyList<string>> rows =
        [
            Row("throughput, images/s", x => x.Saturated.ImagesPerSecond, "0.000"),
            Row("mean latency, ms", x => x.AtRate.Latency.MeanMs, "0"),
            Row("p50 latency, ms", x => x.AtRate.Latency.P50Ms, "0"),
            Row("p95 latency, ms", x => x.AtRate.Latency.P95Ms, "0"),
            Row("p99 latency, ms", x => x.AtRate.Latency.P99Ms, "0"),
            ["hit rate", Text(m.Saturated.HitRate, "0.000"), Text(l.Saturated.HitRate, "0.000"), "", ""],
            Row("CLIPScore", x => x.Quality.ClipScore, "0.0000", demo?.ClipCosine),
            Row("accuracy: subject", x => x.Quality.Accuracy?.Subject, "0.000", demo?.Subject),
            Row("accuracy: color", x => x.Quality.Accuracy?.Color, "0.000", demo?.Color),
            Row("accuracy: terrain", x => x.Quality.Accuracy?.Terrain, "0.000", demo?.Terrain),
            Row("accuracy: time", x => x.Quality.Accuracy?.Time, "0.000", demo?.Time),
            Row("accuracy: mean of the four", x => x.Quality.Accuracy?.MeanOfFour, "0.000", demo?.MeanOfFour),
            Row("Frechet distance (1)", x => x.FrechetToReference, "0.0"),
            ["Frechet distance, one to the other", Text(report.FrechetBetween, "0.0"), "", "", ""],
            ["failed requests", Failed(m), Failed(l), "", ""],
        ];
        return $"""
            {s.PromptsPerExperiment} prompts an experiment after {s.WarmUp} to warm up, {s.Slots} slots of {s.Threads} threads, {Text(s.ArrivalsPerSecond, "0.00")} arrivals a second for latency, seed {s.Seed}, {report.Environment.Cores} cores

            {Table.Render(["figure", "mixture", "large only", "ratio", "large, by README (2)"], rows)}
            {Warning(report)}mixture, share of images by skipped steps k (0: a miss): {Shares(m.Saturated.SkippedSteps)}
            mixture, share of images by model: {Shares(m.Saturated.Models)}
            (1) of the judge's features, against {report.FrechetReference ?? "nothing: there is no judge beside the embedder"}
            (2) models/quality.json: other prompts; its Frechet distance is against real renders, which cannot be drawn here
            """;

        IReadOnlyList<string> Row(string name, Func<SystemFigures, double?> of, string format, double? known = null) =>
            [name, Text(of(m), format), Text(of(l), format), Text(of(m) / of(l), "0.000"), Text(known, format)];
    }

    private static string Warning(CompareReport report) =>
        new[] { report.Mixture, report.LargeOnly }.Sum(s => s.Saturated.Failed + s.AtRate.Failed) is > 0 and var failed
            ? $"{failed} requests failed and are in no figure: the two systems cannot be compared by this run.\n" : "";

    private static string Failed(SystemFigures x) => $"{x.Saturated.Failed + x.AtRate.Failed}";

    private static string Shares(IReadOnlyDictionary<string, double> shares) =>
        string.Join(", ", shares.Select(s => $"{s.Key}: {Text(s.Value, "0.00")}"));

    private static string Text(double? value, string format) =>
        value is { } v && !double.IsNaN(v) ? v.ToString(format, CultureInfo.InvariantCulture) : "";
}
