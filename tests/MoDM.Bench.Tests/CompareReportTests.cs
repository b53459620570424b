using MoDM.Api;
using MoDM.Bench.Comparing;
using MoDM.Bench.Load;
using MoDM.Bench.Quality;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Tests;

public class CompareReportTests
{
    private static Outcome Image(double arrival, double latency, int skipped, string model = "large") => new(
        new TraceEntry("a cat", 1), arrival, latency, new Answer(null, [], new ImageStory
        {
            Route = skipped > 0 ? "hit" : "miss",
            Images = [new ImagePart { Seed = 1, Model = model, Steps = 50, SkippedSteps = skipped }],
        }, new Dictionary<string, double>()));

    private static MeasuredSystem Measured(string name, double latency, double clipScore, params Outcome[] outcomes) => new(
        name, $"2 {name}", $"what {name} is", ReplayFigures.Of(outcomes), ReplayFigures.Of([Image(0, latency, 0)]),
        new MeasuredPictures(new QualityFigures(clipScore, null), []));

    [Fact]
    public void A_replay_counts_what_was_drawn_and_what_failed()
    {
        Outcome[] outcomes =
        [
            Image(0, 1000, 0), Image(500, 1500, 30, "small"), Image(500, 2500, 5, "small"), Image(600, 400, 30, "small"),
            new(new TraceEntry("a dog", 2), 1000, 3000, Answer.Failed("429: full")),
        ];
        var figures = ReplayFigures.Of(outcomes);
        Assert.Equal((4, 1, "429: full"), (figures.Images, figures.Failed, figures.FirstError));
        Assert.Equal((4, 1, 0.75), (figures.Seconds, figures.ImagesPerSecond, figures.HitRate));
        Assert.Equal([("0", 0.25), ("5", 0.25), ("30", 0.5)], figures.SkippedSteps.Select(s => (s.Key, s.Value)));
        Assert.Equal(0.75, figures.Models["small"]);
        Assert.Equal(1350, figures.Latency.MeanMs);
    }

    [Fact]
    public void A_replay_without_images_has_no_latency() =>
        Assert.True(double.IsNaN(ReplayFigures.Of([new(new TraceEntry("x", 1), 0, 10, Answer.Failed("502"))]).Latency.P99Ms));

    [Fact]
    public void The_summary_is_mixture_over_large_only()
    {
        var report = Report();
        var summary = report.Summary!;
        Assert.Equal(new CompareSummary(0.5, 2.5, 0.25, 0.9), summary with { ClipScoreRatio = Math.Round(summary.ClipScoreRatio, 9) });
        Assert.Null(report.FrechetBetween);
    }

    [Fact]
    public void Every_system_is_set_against_large_only()
    {
        var report = Report();
        Assert.Equal(
            [("large", 1, 1, 0), ("nirvana", 1.25, 0.5, 0), ("ours", 2.5, 0.25, 0.5)],
            report.Systems.Select(s => (s.Name, s.ThroughputRatio, s.LatencyRatio, s.HitRate)));
        Assert.Equal(report.Systems[2].Saturated, report.Mixture!.Saturated);
        Assert.Equal(report.Systems[0].Quality, report.LargeOnly.Quality);
    }

    [Fact]
    public void Without_the_mixture_there_is_no_summary()
    {
        var report = CompareReport.Of(Settings, [Large], [], null);
        Assert.Equal((null, null), (report.Summary, report.Mixture));
        Assert.DoesNotContain("ours", CompareTable.Render(report));
    }

    [Fact]
    public void The_table_has_a_row_for_each_system_with_its_ratios()
    {
        var text = CompareTable.Render(Report());
        Assert.Matches(@"\| large +\| +2 large \| +0\.400 \| +1\.000 \| +2000 \| +1\.000 \|", text);
        Assert.Matches(@"\| ours +\| +2 ours \| +1\.000 \| +2\.500 \| +500 \| +0\.250 \|", text);
        Assert.Matches(@"\| ours +\| +0\.7200 \| +0\.900 \|", text);
        Assert.Contains("- ours: what ours is. Images by skipped steps k (0: a miss): 0: 0.50, 30: 0.50", text);
        Assert.DoesNotContain("cannot be compared", text);
        Assert.Contains("against nothing: there is no judge", text);
    }

    [Fact]
    public void Failures_warn_of_the_comparison()
    {
        var failed = Measured("ours", 500, 0.72, Image(0, 1000, 0), new(new TraceEntry("a dog", 2), 0, 1, Answer.Failed("429")));
        Assert.Contains("1 requests failed and are in no figure", CompareTable.Render(CompareReport.Of(Settings, [Large, failed], [], null)));
    }

    [Fact]
    public void Options_have_defaults_and_their_mistakes_are_named_together()
    {
        var demo = Fakes.Repo.File("gateway", "postcards.yaml");
        var (options, problems) = CompareOptions.Read(["--rate", "auto"], demo);
        Assert.Empty(problems);
        Assert.Equal(new CompareOptions(null, 1, 200, 400, null, 1, null, null, demo, options!.Systems), options);
        Assert.Equal((6, 700), (options.Systems.Count, options.Requests));
        Assert.Equal(4, CompareOptions.Read(["--rate", "fast", "--slots", "0", "--mixture", "/none.yaml", "--systems", "huge"], demo).Problems.Count);
    }

    private static CompareSettings Settings => new(1, 2, 1, 1, 2, 1, 0.5, "generated", null, "postcards.yaml");

    private static MeasuredSystem Large => Measured("large", 2000, 0.8, Image(0, 2500, 0), Image(0, 5000, 0));

    private static CompareReport Report() => CompareReport.Of(
        Settings,
        [Large, Measured("nirvana", 1000, 0.8, Image(0, 2000, 0), Image(0, 4000, 0)),
            Measured("ours", 500, 0.72, Image(0, 1000, 0), Image(0, 2000, 30, "small"))],
        [], null);
}
