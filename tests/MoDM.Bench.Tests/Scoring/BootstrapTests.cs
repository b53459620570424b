using MoDM.Bench.Scoring;

namespace MoDM.Bench.Tests.Scoring;

public class BootstrapTests
{
    [Fact]
    public void The_interval_of_a_mean_is_near_the_normal_one()
    {
        // 0 or 1 with equal shares: the mean of 400 deviates by 0.5 / sqrt 400 = 0.025; 1.96 of that on either side.
        var values = Enumerable.Range(0, 400).Select(i => (double)(i % 2)).ToList();
        var interval = Bootstrap.OfMean(values, seed: 1, resamples: 4000);

        Assert.Equal(0.451, interval.Low, 0.005);
        Assert.Equal(0.549, interval.High, 0.005);
    }

    [Fact]
    public void More_confidence_takes_a_wider_interval()
    {
        double[] values = [1, 2, 4, 8, 16, 32];
        var (narrow, wide) = (Bootstrap.OfMean(values, 1, confidence: 0.5), Bootstrap.OfMean(values, 1, confidence: 0.99));

        Assert.True(wide.Low < narrow.Low && narrow.High < wide.High);
    }

    [Fact]
    public void The_seed_decides()
    {
        double[] values = [1, 2, 4, 8, 16, 32];

        Assert.Equal(Bootstrap.OfMean(values, 7), Bootstrap.OfMean(values, 7));
        Assert.NotEqual(Bootstrap.OfMean(values, 7), Bootstrap.OfMean(values, 8));
    }

    [Fact]
    public void A_corpus_statistic_is_taken_of_each_resample()
    {
        var counts = StoryGoldens.Pairs.Select(p => Bleu.Count(StoryGoldens.Candidate(p), StoryGoldens.References(p))).ToList();
        var bleu = Bleu.Corpus(counts).Score;
        var interval = Bootstrap.Of(counts.Count, drawn => Bleu.Corpus(drawn.Select(i => counts[i])).Score, seed: 3, resamples: 200);

        Assert.InRange(bleu, interval.Low, interval.High);
        Assert.InRange(interval.High - interval.Low, 1, 60);
    }

    [Fact]
    public void One_value_is_certain_and_none_are_unknown()
    {
        Assert.Equal(new Interval(5, 5), Bootstrap.OfMean([5], 1));
        Assert.True(double.IsNaN(Bootstrap.OfMean([], 1).Low));
    }
}
