namespace MoDM.Bench.Scoring;

/// <summary>The score interval of a proportion (Wilson 1927): it stays within [0, 1] and says something of 0 in n.</summary>
internal static class Wilson
{
    /// <param name="z">1.96 standard deviations hold 95 %.</param>
    /// <returns>[0, 1] for no tries.</returns>
    public static Interval Interval(int successes, int n, double z = 1.959964)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(successes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(successes, n);
        if (n == 0)
            return new(0, 1);
        var share = (double)successes / n;
        var scale = 1 + z * z / n;
        var middle = (share + z * z / (2 * n)) / scale;
        var half = z / scale * Math.Sqrt(share * (1 - share) / n + z * z / (4.0 * n * n));
        return new(Math.Max(0, middle - half), Math.Min(1, middle + half));
    }
}
