using MoDM.Gateway.Cache;

namespace MoDM.Gateway.Tests;

public class VectorScanTests
{
    [Theory]
    [InlineData(100, 64)]
    [InlineData(10_000, 128)]
    [InlineData(5_000, 512)]
    [InlineData(3_000, 300)]
    public void The_quantised_scan_finds_what_the_exact_one_finds(int count, int dimension)
    {
        var random = new Random(7);
        var (codes, exact) = (new VectorScan(dimension, exact: !NibbleDot.IsSupported), new VectorScan(dimension, exact: true));
        for (var i = 0; i < count; i++)
        {
            var vector = Unit(random, dimension);
            codes.Add($"{i}", vector);
            exact.Add($"{i}", vector);
        }

        for (var i = 0; i < 200; i++)
        {
            var query = Unit(random, dimension);
            Assert.Equal(exact.Best(query), codes.Best(query));
            Assert.Equal(exact.Best(query, 8), codes.Best(query, 8));
        }
    }

    [Fact]
    public void Rows_that_leave_and_move_are_still_found()
    {
        var random = new Random(8);
        var scan = new VectorScan(128, exact: !NibbleDot.IsSupported);
        var vectors = Enumerable.Range(0, 9000).ToDictionary(i => $"{i}", _ => Unit(random, 128));
        foreach (var (id, vector) in vectors)
            scan.Add(id, vector);
        foreach (var id in vectors.Keys.Where(_ => random.Next(2) == 0).ToList())
        {
            scan.Remove(id);
            vectors.Remove(id);
        }

        Assert.Equal(vectors.Count, scan.Count);
        foreach (var (id, vector) in vectors.Take(500))
        {
            Assert.Equal(id, scan.Best(vector)!.Value.Id);
            Assert.Equal(vector, scan.VectorOf(id));
        }
    }

    [Fact]
    public void The_most_similar_ones_come_in_order_and_no_more_than_there_are()
    {
        var random = new Random(9);
        var scan = new VectorScan(128, exact: !NibbleDot.IsSupported);
        var vectors = Enumerable.Range(0, 300).Select(_ => Unit(random, 128)).ToArray();
        foreach (var (i, vector) in vectors.Index())
            scan.Add($"{i}", vector);

        var query = Unit(random, 128);
        var expected = vectors.Index().OrderByDescending(v => v.Item.Zip(query, (a, b) => a * b).Sum()).Select(v => $"{v.Index}").Take(20);
        Assert.Equal(expected, scan.Best(query, 20).Select(b => b.Id));
        Assert.Equal(300, scan.Best(query, 1000).Count);
    }

    [Fact]
    public void An_empty_scan_finds_nothing() => Assert.Null(new VectorScan(128, exact: false).Best(new float[128]));

    private static float[] Unit(Random random, int dimension)
    {
        var v = Enumerable.Range(0, dimension).Select(_ => (float)(random.NextDouble() - random.NextDouble())).ToArray();
        var length = MathF.Sqrt(v.Sum(x => x * x));
        return [.. v.Select(x => x / length)];
    }
}
