namespace MoDM.Bench.Quality;

/// <summary>
/// Frechet distance of two sets of feature vectors taken as normal distributions (Heusel et al. 2017, equation 6):
/// |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with sample covariances (n - 1).
/// </summary>
internal static class FrechetDistance
{
    /// <returns>NaN when a set has fewer than two vectors.</returns>
    public static double Between(IReadOnlyList<float[]> first, IReadOnlyList<float[]> second)
    {
        if (first.Count < 2 || second.Count < 2)
            return double.NaN;
        var (m1, c1) = MeanAndCovariance(first);
        var (m2, c2) = MeanAndCovariance(second);
        var means = m1.Zip(m2, (a, b) => (a - b) * (a - b)).Sum();
        // tr (C1 C2)^(1/2) = tr (R C2 R)^(1/2) with R = C1^(1/2), which is symmetric.
        var root = SymmetricEigen.SquareRoot(c1);
        var inner = Matrix.Multiply(Matrix.Multiply(root, c2), root);
        var (values, _) = SymmetricEigen.Decompose(inner);
        return means + Matrix.Trace(c1) + Matrix.Trace(c2) - 2 * values.Sum(v => Math.Sqrt(Math.Max(v, 0)));
    }

    private static (double[] Mean, double[,] Covariance) MeanAndCovariance(IReadOnlyList<float[]> vectors)
    {
        var d = vectors[0].Length;
        var mean = new double[d];
        foreach (var vector in vectors)
        {
            for (var i = 0; i < d; i++)
                mean[i] += vector[i] / (double)vectors.Count;
        }
        var covariance = new double[d, d];
        foreach (var vector in vectors)
        {
            for (var i = 0; i < d; i++)
            {
                for (var j = 0; j < d; j++)
                    covariance[i, j] += (vector[i] - mean[i]) * (vector[j] - mean[j]) / (vectors.Count - 1);
            }
        }
        return (mean, covariance);
    }
}
