namespace MoDM.Bench.Quality;

/// <summary>
/// Eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, Matrix
/// Computations, section 8.5): slow, short and accurate, which suits a few hundred dimensions.
/// </summary>
internal static class SymmetricEigen
{
    private const int MaxSweeps = 60;

    /// <returns>Eigenvalues in no order; column i of the vectors belongs to value i.</returns>
    public static (double[] Values, double[,] Vectors) Decompose(double[,] symmetric)
    {
        var n = symmetric.GetLength(0);
        var a = (double[,])symmetric.Clone();
        var v = new double[n, n];
        for (var i = 0; i < n; i++)
            v[i, i] = 1;
        var scale = Enumerable.Range(0, n).Sum(i => Math.Abs(a[i, i]));
        for (var sweep = 0; sweep < MaxSweeps && OffDiagonal(a) > 1e-13 * Math.Max(scale, double.Epsilon); sweep++)
        {
            for (var p = 0; p < n; p++)
            {
                for (var q = p + 1; q < n; q++)
                    Rotate(a, v, p, q);
            }
        }
        return ([.. Enumerable.Range(0, n).Select(i => a[i, i])], v);
    }

    /// <summary>The symmetric square root; eigenvalues below zero, which rounding leaves, count as zero.</summary>
    public static double[,] SquareRoot(double[,] symmetric)
    {
        var (values, vectors) = Decompose(symmetric);
        var n = values.Length;
        var scaled = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var k = 0; k < n; k++)
                scaled[i, k] = vectors[i, k] * Math.Sqrt(Math.Max(values[k], 0));
        }
        return Matrix.MultiplyByTransposed(scaled, vectors);
    }

    /// <summary>Makes a[p, q] zero.</summary>
    private static void Rotate(double[,] a, double[,] v, int p, int q)
    {
        if (a[p, q] == 0)
            return;
        var theta = (a[q, q] - a[p, p]) / (2 * a[p, q]);
        var t = (theta >= 0 ? 1 : -1) / (Math.Abs(theta) + Math.Sqrt(theta * theta + 1));
        var c = 1 / Math.Sqrt(t * t + 1);
        var s = t * c;
        for (var k = 0; k < a.GetLength(0); k++)
        {
            (a[k, p], a[k, q]) = (c * a[k, p] - s * a[k, q], s * a[k, p] + c * a[k, q]);
            (v[k, p], v[k, q]) = (c * v[k, p] - s * v[k, q], s * v[k, p] + c * v[k, q]);
        }
        for (var k = 0; k < a.GetLength(0); k++)
            (a[p, k], a[q, k]) = (c * a[p, k] - s * a[q, k], s * a[p, k] + c * a[q, k]);
    }

    private static double OffDiagonal(double[,] a)
    {
        var sum = 0.0;
        for (var p = 0; p < a.GetLength(0); p++)
        {
            for (var q = p + 1; q < a.GetLength(0); q++)
                sum += a[p, q] * a[p, q];
        }
        return Math.Sqrt(2 * sum);
    }
}
