namespace MoDM.Bench;

internal static class Percentiles
{
    /// <summary>The p-th percentile, p in [0, 100], with linear interpolation between the two nearest ranks.</summary>
    /// <returns>NaN for no values.</returns>
    public static double Of(IEnumerable<double> values, double p)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length == 0)
            return double.NaN;
        var at = p / 100 * (sorted.Length - 1);
        var below = (int)Math.Floor(at);
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }
}
