using CsCheck;
using MoDM.Mixture;

namespace MoDM.Core.Tests;

public class QualityControlTests
{
    private const double Floor = 0.95;

    private static readonly Gen<QualitySample> AnySample = Gen.Select(Gen.Double[0, 2.5], Gen.Double[0, 2.5], Gen.Double[0, 2])
        .Select((served, large, distance) => new QualitySample(served, large, distance));

    private static readonly Gen<HitThreshold[]> AnyHits = Gen.Double[-1, 1].Array[0, 8]
        .Select(s => s.Order().Select((similarity, i) => new HitThreshold(similarity, (i + 1) / 10.0)).ToArray());

    [Fact]
    public void The_interval_is_that_of_a_ratio_of_means()
    {
        // By hand: r = 5.7 / 6; residuals 0.05, -0.1, 0.05 and squares 0.015; var = 0.015 / (3 * 2) / 2^2.
        var estimate = QualityEstimate.Of([new(1.95, 2, 0.1), new(1.8, 2, 0.2), new(1.95, 2, 0.3)])!.Value;

        Assert.Equal(0.95, estimate.Ratio, 12);
        Assert.Equal(1.96 * Math.Sqrt(0.015 / 6 / 4), estimate.High - estimate.Ratio, 12);
        Assert.Equal(estimate.High - estimate.Ratio, estimate.Ratio - estimate.Low, 12);
        Assert.Equal((0.2, 3), (Math.Round(estimate.Distance, 12), estimate.Samples));
        Assert.Null(QualityEstimate.Of([]));
        Assert.Null(QualityEstimate.Of([new(1, 0, 0)]));
    }

    [Fact]
    public void The_interval_holds_the_true_ratio_about_as_often_as_it_says()
    {
        var random = new Random(7);
        var held = Enumerable.Range(0, 2000).Count(_ =>
        {
            var estimate = QualityEstimate.Of([.. Enumerable.Range(0, 40).Select(_ => Draw(0.9, random))])!.Value;
            return estimate.Low <= 0.9 && estimate.High >= 0.9;
        });

        Assert.InRange(held / 2000.0, 0.92, 0.97);
    }

    [Theory]
    [InlineData(19, 0)]
    [InlineData(20, 0.005)]
    public void Too_few_samples_move_nothing(int samples, double raised) =>
        Assert.Equal(raised, After(QualityState.Start, samples, 0.8).RaisedBy);

    [Fact]
    public void A_raise_begins_a_new_window_so_that_what_drove_it_drives_it_no_further()
    {
        var raised = After(QualityState.Start, 20, 0.8);

        Assert.Empty(raised.Window);
        Assert.Equal(0.005, After(raised, 19, 0.8).RaisedBy);
        Assert.Equal(0.01, After(raised, 20, 0.8).RaisedBy);
    }

    [Fact]
    public void Thresholds_go_down_after_a_whole_window_above_the_floor_and_half_as_far()
    {
        var raised = After(QualityState.Start, 20, 0.8);

        Assert.Equal(0.005, After(raised, 199, 1).RaisedBy);
        Assert.Equal(0.0025, After(raised, 200, 1).RaisedBy);
        Assert.Equal(0, After(raised, 2000, 1).RaisedBy);
    }

    [Fact]
    public void Every_decision_says_what_it_saw()
    {
        var sample = new QualitySample(1.6, 2, 0.2);
        var almost = After(QualityState.Start, 19, 0.8);

        Assert.Equal("hits have 0.800 of the large model's CLIP score, by 1 of the 20 samples that it takes", Reason(QualityState.Start));
        Assert.Equal(
            "hits have 0.800 (0.800 to 0.800) of the large model's CLIP score, all below the floor of 0.95: thresholds are raised to 0.005 above the document's",
            Reason(almost));
        Assert.Contains("the most there is", Reason(almost with { RaisedBy = QualityControl.MostRaised }), StringComparison.Ordinal);

        string Reason(QualityState state) => QualityControl.Decide(state, sample, Floor).Reason;
    }

    [Fact]
    public void Whatever_is_sampled_the_height_stays_within_bounds_and_the_window_too() =>
        Gen.Select(AnySample.Array[0, 600], Gen.Double[0, 1]).Sample((samples, floor) =>
        {
            var state = QualityState.Start;
            return samples.All(s =>
            {
                (var before, state) = (state, QualityControl.Decide(state, s, floor).State);
                var moved = state.RaisedBy - before.RaisedBy;
                return state.RaisedBy is >= 0 and <= QualityControl.MostRaised && state.Window.Count <= QualityControl.Window
                    && moved is >= -QualityControl.StepDown - 1e-9 and <= QualityControl.StepUp + 1e-9;
            });
        }, iter: 200);

    [Fact]
    public void Raised_thresholds_are_never_below_the_documents_ascending_and_at_most_1() =>
        Gen.Select(AnyHits, Gen.Double[0, QualityControl.MostRaised]).Sample((hits, by) =>
        {
            var raised = QualityControl.Raise(hits, by);
            return raised.Count == hits.Length
                && raised.Zip(hits).All(p => p.First.Similarity >= p.Second.Similarity && p.First.Similarity <= 1 && p.First.Skip == p.Second.Skip)
                && raised.Zip(raised.Skip(1)).All(p => p.First.Similarity <= p.Second.Similarity);
        });

    [Fact]
    public void Higher_thresholds_make_no_hit_of_a_miss_and_skip_no_more() =>
        Gen.Select(AnyHits, Gen.Double[0, 0.1], Gen.Double[0, 0.1], Gen.Double[-1, 1]).Sample((hits, a, b, similarity) =>
            Skip(hits, Math.Max(a, b), similarity) <= Skip(hits, Math.Min(a, b), similarity));

    [Fact]
    public void Better_pictures_never_lead_to_higher_thresholds() =>
        Gen.Select(AnySample.Array[19, 40], AnySample, Gen.Double[0, 1]).Sample((window, sample, better) =>
        {
            // One and the same improvement of all that was served, so that the interval moves up as a whole.
            var state = new QualityState(0.05, window);
            var improved = new QualityState(0.05, [.. window.Select(Improve)]);
            return QualityControl.Decide(improved, Improve(sample), Floor).State.RaisedBy
                <= QualityControl.Decide(state, sample, Floor).State.RaisedBy;

            QualitySample Improve(QualitySample s) => s with { Served = s.Served + better * s.Large };
        });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Where_quality_rises_with_similarity_thresholds_settle_about_the_floor_and_come_down_when_the_world_gets_better(int seed)
    {
        var random = new Random(seed);
        var state = QualityState.Start;

        // Hits by the document are at 0.91 of the large model, those at 0.03 above it at 0.95.
        var heights = Live(0.86, 20_000);
        var settled = heights[10_000..];
        Assert.InRange(Quality(0.86, settled.Average()), Floor - 0.02, Floor + 0.02);
        // At rest within a few steps, and no to and fro: the last move in most of the windows was none.
        Assert.InRange(settled.Max() - settled.Min(), 0, 3 * QualityControl.StepUp);
        Assert.InRange(Turns(settled), 0, 10);

        Assert.Equal(0, Live(0.95, 20_000)[^1]);
        Assert.InRange(Live(0.86, 20_000)[^1], 0.01, 0.06);

        double[] Live(double worst, int samples)
        {
            var heights = new double[samples];
            for (var i = 0; i < samples; i++)
            {
                // A hit lies anywhere in the 0.1 above the threshold in force.
                var above = state.RaisedBy + 0.1 * random.NextDouble();
                state = QualityControl.Decide(state, Draw(QualityAt(worst, above), random), Floor).State;
                heights[i] = state.RaisedBy;
            }
            return heights;
        }

        static double QualityAt(double worst, double above) => worst + 1.3 * above;
        static double Quality(double worst, double raised) => QualityAt(worst, raised + 0.05);
    }

    [Fact]
    public void Where_no_similarity_is_enough_thresholds_end_at_their_highest() =>
        Assert.Equal(QualityControl.MostRaised, After(QualityState.Start, 2000, 0.5).RaisedBy);

    private static QualityState After(QualityState state, int samples, double ratio)
    {
        for (var i = 0; i < samples; i++)
            state = QualityControl.Decide(state, new QualitySample(2 * ratio, 2, 0.2), Floor).State;
        return state;
    }

    /// <summary>Scores as CLIP gives them: of one prompt the two go together, and each has noise of its own.</summary>
    private static QualitySample Draw(double ratio, Random random)
    {
        var large = 0.75 + 0.1 * Normal(random);
        return new(ratio * large + 0.06 * Normal(random), large + 0.03 * Normal(random), 0.2);
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static int Skip(HitThreshold[] hits, double by, double similarity) =>
        HitPolicy.Decide(new HitQuestion(CacheMode.Auto, 50, false, similarity), QualityControl.Raise(hits, by)).SkipSteps;

    private static int Turns(double[] heights)
    {
        var moves = heights.Zip(heights.Skip(1), (a, b) => Math.Sign(b - a)).Where(m => m != 0).ToList();
        return moves.Zip(moves.Skip(1)).Count(p => p.First != p.Second);
    }
}
