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

    private static MeasuredSystem Measured(double latency, double clipScore, params Outcome[] outcomes)
    {
        var pictures = new MeasuredPictures(new QualityFigures(clipScore, null), []);
        return new(ReplayFigures.Of(outcomes), ReplayFigures.Of([Image(0, latency, 0)]), pictures, pictures);
    }

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
        Assert.Equal(new CompareSummary(0.5, 2.5, 0.25, 0.9), report.Summary with { ClipScoreRatio = Math.Round(report.Summary.ClipScoreRatio, 9) });
        Assert.Null(report.FrechetBetween);
    }

    [Fact]
    public void The_table_has_both_systems_and_their_ratio()
    {
        var text = CompareTable.Render(Report());
        Assert.Matches(@"\| throughput, images/s +\| +1\.000 \| +0\.400 \| +2\.500 \|", text);
        Assert.Matches(@"\| mean latency, ms +\| +500 \| +2000 \| +0\.250 \|", text);
        Assert.Contains("by skipped steps k (0: a miss): 0: 0.50, 30: 0.50", text);
        Assert.DoesNotContain("cannot be compared", text);
        Assert.Contains("against nothing: there is no judge", text);
    }

    [Fact]
    public void Options_have_defaults_and_their_mistakes_are_named_together()
    {
        var demo = Fakes.Repo.File("gateway", "postcards.yaml");
        var (options, problems) = CompareOptions.Read(["--rate", "auto"], demo);
        Assert.Empty(problems);
        Assert.Equal(new CompareOptions(null, 1, 200, 400, null, 1, null, null, demo), options);
        Assert.Equal(3, CompareOptions.Read(["--rate", "fast", "--slots", "0", "--mixture", "/none.yaml"], demo).Problems.Count);
    }

    private static CompareReport Report() => CompareReport.Of(
        new CompareSettings(1, 2, 1, 2, 1, 0.5, "generated", null, "postcards.yaml"),
        Measured(500, 0.72, Image(0, 1000, 0), Image(0, 2000, 30, "small")),
        Measured(2000, 0.8, Image(0, 2500, 0), Image(0, 5000, 0)), null);
}
