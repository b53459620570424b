using MoDM.Bench.Scoring;

namespace MoDM.Bench.Tests.Scoring;

public class WilsonTests
{
    /// <summary>Wilson's formula, worked out apart from this code.</summary>
    [Theory]
    [InlineData(0, 10, 0, 0.27753)]
    [InlineData(5, 10, 0.23659, 0.76341)]
    [InlineData(10, 10, 0.72247, 1)]
    [InlineData(196, 200, 0.94971, 0.99219)]
    public void The_interval_is_that_of_the_formula(int successes, int n, double low, double high)
    {
        var interval = Wilson.Interval(successes, n);
        Assert.Equal(low, interval.Low, 4);
        Assert.Equal(high, interval.High, 4);
    }

    [Fact]
    public void Nothing_tried_says_nothing() => Assert.Equal(new Interval(0, 1), Wilson.Interval(0, 0));
}
