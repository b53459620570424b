namespace MoDM.Bench.Tests;

public class PercentilesTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(25, 2)]
    [InlineData(50, 3)]
    [InlineData(90, 4.6)]
    [InlineData(100, 5)]
    public void Values_between_ranks_are_interpolated(double p, double expected) =>
        Assert.Equal(expected, Percentiles.Of([5, 1, 4, 2, 3], p), 12);

    [Fact]
    public void One_value_is_every_percentile() => Assert.Equal(7, Percentiles.Of([7], 99));

    [Fact]
    public void No_values_have_none() => Assert.True(double.IsNaN(Percentiles.Of([], 50)));

    [Fact]
    public void Zipf_ranks_fall_off_as_one_over_rank()
    {
        var zipf = new Zipf(10, 1);
        var random = new Random(1);
        var counts = new int[10];
        for (var i = 0; i < 100_000; i++)
            counts[zipf.Draw(random)]++;
        Assert.InRange(counts[0] / (double)counts[1], 1.9, 2.1);
        Assert.InRange(counts[0] / (double)counts[9], 9.3, 10.7);
    }
}
