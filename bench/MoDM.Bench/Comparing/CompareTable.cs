using System.Globalization;
using MoDM.Bench.Quality;

namespace MoDM.Bench.Comparing;

/// <summary>The report for people.</summary>
internal static class CompareTable
{
    private static readonly string[] SpeedHead =
    [
        "system", "workers", "images/s", "to large", "mean latency, ms", "to large", "p50", "p95", "p99", "hit rate", "failed",
    ];

    private static readonly string[] QualityHead =
    [
        "system", "CLIPScore", "to large", "subject", "color", "terrain", "time", "mean of the four", "to large", "Frechet distance (1)",
    ];

    public static string Render(CompareReport report)
    {
        var s = report.Settings;
        return $"""
            {s.PromptsPerExperiment} prompts for throughput and quality after {s.WarmUp} to warm up, then {s.PromptsAtRate} at {Text(s.ArrivalsPerSecond, "0.00")} arrivals a second for latency; {s.Slots} slots of {s.Threads} threads, seed {s.Seed}, {report.Environment.Cores} cores

            {Table.Render(SpeedHead, [.. report.Systems.Select(Speed)])}
            {Table.Render(QualityHead, [.. Quality(report)])}
            {Warning(report)}{string.Join('\n', report.Systems.Select(Story))}
            {Between(report)}(1) of the judge's features, against {report.FrechetReference ?? "nothing: there is no judge beside the embedder"}
            (2) models/quality.json: other prompts; its Frechet distance is against real renders, which cannot be drawn here
            """;
    }

    private static IReadOnlyList<string> Speed(SystemReport x) =>
    [
        x.Name, x.Split, Text(x.Saturated.ImagesPerSecond, "0.000"), Text(x.ThroughputRatio, "0.000"), Text(x.AtRate.Latency.MeanMs, "0"),
        Text(x.LatencyRatio, "0.000"), Text(x.AtRate.Latency.P50Ms, "0"), Text(x.AtRate.Latency.P95Ms, "0"),
        Text(x.AtRate.Latency.P99Ms, "0"), Text(x.HitRate, "0.000"), $"{x.Saturated.Failed + x.AtRate.Failed}",
    ];

    private static IEnumerable<IReadOnlyList<string>> Quality(CompareReport report)
    {
        var large = report.LargeOnly.Quality.Accuracy?.MeanOfFour;
        foreach (var x in report.Systems)
        {
            yield return Row(x.Name, x.Quality.ClipScore, x.ClipScoreRatio, x.Quality.Accuracy, x.Quality.Accuracy?.MeanOfFour / large,
                x.FrechetToReference);
        }
        if (report.Demo is { } demo)
        {
            yield return Row("large, by its README (2)", demo.ClipCosine, null,
                new AttributeAccuracy(demo.Subject, demo.Color, demo.Terrain, demo.Time, null, null, demo.MeanOfFour), null, null);
        }
    }

    private static IReadOnlyList<string> Row(
        string name, double clip, double? clipRatio, AttributeAccuracy? accuracy, double? accuracyRatio, double? frechet) =>
    [
        name, Text(clip, "0.0000"), Text(clipRatio, "0.000"), Text(accuracy?.Subject, "0.000"), Text(accuracy?.Color, "0.000"),
        Text(accuracy?.Terrain, "0.000"), Text(accuracy?.Time, "0.000"), Text(accuracy?.MeanOfFour, "0.000"),
        Text(accuracyRatio, "0.000"), Text(frechet, "0.0"),
    ];

    private static string Story(SystemReport x) =>
        $"- {x.Name}: {x.How}. Images by skipped steps k (0: a miss): {Shares(x.Saturated.SkippedSteps)}; by model: {Shares(x.Saturated.Models)}.";

    private static string Warning(CompareReport report) =>
        report.Systems.Sum(s => s.Saturated.Failed + s.AtRate.Failed) is > 0 and var failed
            ? $"{failed} requests failed and are in no figure: systems with failures cannot be compared by this run.\n" : "";

    private static string Between(CompareReport report) =>
        report.FrechetBetween is { } d ? $"Frechet distance of ours to large, same prompts and seeds: {Text(d, "0.0")}\n" : "";

    private static string Shares(IReadOnlyDictionary<string, double> shares) =>
        string.Join(", ", shares.Select(s => $"{s.Key}: {Text(s.Value, "0.00")}"));

    private static string Text(double? value, string format) =>
        value is { } v && !double.IsNaN(v) ? v.ToString(format, CultureInfo.InvariantCulture) : "";
}
