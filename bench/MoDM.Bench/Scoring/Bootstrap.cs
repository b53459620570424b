namespace MoDM.Bench.Scoring;

internal readonly record struct Interval(double Low, double High);

/// <summary>
/// Percentile confidence intervals from resamples with replacement (Efron and Tibshirani 1993, section 13.3). The same seed
/// draws the same resamples, so that systems measured on the same texts may be compared resample by resample.
/// </summary>
internal static class Bootstrap
{
    /// <returns>NaN for no values.</returns>
    public static Interval OfMean(IReadOnlyList<double> values, int seed, int resamples = 1000, double confidence = 0.95) =>
        Of(values.Count, drawn => drawn.Average(i => values[i]), seed, resamples, confidence);

    /// <param name="count">Number of texts.</param>
    /// <param name="statistic">Of the texts at these indices, each in [0, count), as many as there are texts; the array is used again.</param>
    /// <param name="confidence">Share of the resamples within the interval, half of the others on either side.</param>
    /// <returns>NaN for no texts.</returns>
    public static Interval Of(int count, Func<int[], double> statistic, int seed, int resamples = 1000, double confidence = 0.95)
    {
        if (count == 0)
            return new(double.NaN, double.NaN);
        var random = new Random(seed);
        var drawn = new int[count];
        var values = new double[resamples];
        for (var b = 0; b < resamples; b++)
        {
            for (var i = 0; i < count; i++)
                drawn[i] = random.Next(count);
            values[b] = statistic(drawn);
        }
        return new(Percentiles.Of(values, 50 * (1 - confidence)), Percentiles.Of(values, 50 * (1 + confidence)));
    }
}
