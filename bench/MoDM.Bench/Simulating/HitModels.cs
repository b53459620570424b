namespace MoDM.Bench.Simulating;

/// <summary>How similar the best cached image is to each prompt of a trace, in its order; null: nothing to compare with.</summary>
internal interface IHitModel
{
    string Name { get; }

    IEnumerable<double?> Draw(Random random);
}

/// <summary>A hit rate and the shares of the hits' k, by threshold; similarities lie in the middle of their step.</summary>
internal sealed class FixedHits(double hitRate, IReadOnlyList<double> shares, IReadOnlyList<Mixture.HitThreshold> hits) : IHitModel
{
    public string Name => $"fixed {hitRate:0.###}";

    public IEnumerable<double?> Draw(Random random)
    {
        var total = shares.Sum();
        while (true)
        {
            if (random.NextDouble() >= hitRate)
            {
                yield return hits[0].Similarity - 0.01;
                continue;
            }
            var (left, rung) = (random.NextDouble() * total, 0);
            while (rung < shares.Count - 1 && left >= shares[rung])
                left -= shares[rung++];
            yield return rung + 1 < hits.Count ? (hits[rung].Similarity + hits[rung + 1].Similarity) / 2 : hits[rung].Similarity + 0.005;
        }
    }
}

/// <summary>
/// How similar the best cached image is: normal, with a standard deviation of 0.02 (not published; fitted to the
/// paper's throughput for CLIP ViT-L/14), and the mean that gives a wanted hit rate at the lowest threshold. Which k a hit gets then follows
/// from the document's table: a cache with more hits also has closer ones.
/// </summary>
internal sealed record SimilarityHits(double Mean, double Deviation) : IHitModel
{
    public const double PaperDeviation = 0.02;

    public static SimilarityHits WithRate(double hitRate, double lowest, double deviation = PaperDeviation) =>
        new(lowest + deviation * InverseNormal(hitRate), deviation);

    public string Name => $"normal {Mean:0.0000}, {Deviation:0.000}";

    public IEnumerable<double?> Draw(Random random)
    {
        while (true)
            yield return Mean + Deviation * Gaussian(random);
    }

    public static double Gaussian(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>z with P(Z &lt;= z) = p, by bisection of the error function's series.</summary>
    public static double InverseNormal(double p)
    {
        var (low, high) = (-8.0, 8.0);
        for (var i = 0; i < 80; i++)
        {
            var middle = (low + high) / 2;
            (low, high) = Normal(middle) < p ? (middle, high) : (low, middle);
        }
        return (low + high) / 2;
    }

    /// <summary>P(Z &lt;= z) = 1/2 + phi(z) (z + z^3/3 + z^5/15 + ...), which converges for every z.</summary>
    public static double Normal(double z)
    {
        if (Math.Abs(z) > 7.5) return z > 0 ? 1 : 0;
        var (sum, term) = (z, z);
        for (var n = 1; n < 200; n++)
            sum += term *= z * z / (2 * n + 1);
        return 0.5 + sum * Math.Exp(-z * z / 2) / Math.Sqrt(2 * Math.PI);
    }
}
