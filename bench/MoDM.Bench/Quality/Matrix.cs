namespace MoDM.Bench.Quality;

/// <summary>The few products of square matrices that the Frechet distance needs.</summary>
internal static class Matrix
{
    public static double[,] Multiply(double[,] a, double[,] b)
    {
        var n = a.GetLength(0);
        var product = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var k = 0; k < n; k++)
            {
                var factor = a[i, k];
                for (var j = 0; j < n; j++)
                    product[i, j] += factor * b[k, j];
            }
        }
        return product;
    }

    /// <summary>a times the transpose of b.</summary>
    public static double[,] MultiplyByTransposed(double[,] a, double[,] b)
    {
        var n = b.GetLength(0);
        var transposed = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
                transposed[j, i] = b[i, j];
        }
        return Multiply(a, transposed);
    }

    public static double Trace(double[,] a)
    {
        var sum = 0.0;
        for (var i = 0; i < a.GetLength(0); i++)
            sum += a[i, i];
        return sum;
    }
}
