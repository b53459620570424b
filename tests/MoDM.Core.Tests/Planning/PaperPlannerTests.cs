using MoDM.Planning;

namespace MoDM.Core.Tests.Planning;

/// <summary>Numbers that follow from the published rule by hand: mu_L = 0.6557, mu_S = 3.6364 images a minute.</summary>
public class PaperPlannerTests
{
    [Theory]
    [InlineData(10, 0.0, 1.0, 16)] // 0.9 (16 mu_L - 10) is 0.44, and there is no hit work: all large.
    [InlineData(20, 0.72, 0.7, 13)] // W_m 5.6, W_h 10.08: 0.9 (13 mu_L - 5.6 + 3 mu_S) = 12.45 is enough, with 14 it is 9.76.
    [InlineData(26, 0.72, 0.7, 12)] // W_m 7.28, W_h 13.1: 0.9 (12 mu_L - 7.28 + 4 mu_S) = 13.62 is enough, with 13 it is 10.94.
    public void Quality_takes_the_largest_number_that_leaves_a_tenth(double rate, double hits, double work, int large)
    {
        var (n, stops) = PaperPlanner.ForQuality(rate * (1 - hits), rate * hits, work, 91.5, 16.5, 16);

        Assert.Equal((large, false), (n, stops));
    }

    [Fact]
    public void It_stops_serving_when_overloaded() => Assert.True(PaperPlanner.ForQuality(12, 40, 0.8, 91.5, 16.5, 16).Stops);

    [Theory]
    [InlineData(0.72, 0.8, 12)] // 0.28 of 0.28 + 0.72 * 0.8 * 0.1803 = 0.7294; of 16 that is 11.67.
    [InlineData(0.0, 1.0, 15)] // One is always small.
    [InlineData(1.0, 0.5, 1)]
    public void Throughput_splits_by_work(double hits, double work, int large) =>
        Assert.Equal(large, PaperPlanner.ForThroughput(hits, work, 91.5, 16.5, 16));

    [Fact]
    public void Its_controller_overshoots_by_its_integral()
    {
        // From 16 to 4, every 3 minutes: 0.6 e + 0.05 sum(3 e) + 0.05 (e - e') / 3.
        var state = new PaperState(16, 0, 0);
        var sizes = new List<int>();
        for (var i = 0; i < 12; i++)
        {
            (var large, state) = PaperPlanner.Steer(state, 4, 16, 16);
            sizes.Add(large);
        }

        Assert.Equal(7, sizes[0]); // 16 - 7.2 - 1.8 - 0.2 = 6.8
        Assert.True(sizes.Min() < 4);
        Assert.True(sizes.Skip(6).Any(n => n != 4), "20 minutes later it has not settled");
    }
}
