namespace MoDM.Bench;

/// <summary>Ranks 0 to n - 1, rank r with a probability proportional to 1 / (r + 1)^exponent.</summary>
internal sealed class Zipf
{
    private readonly double[] _cumulative;

    public Zipf(int n, double exponent)
    {
        _cumulative = new double[n];
        var sum = 0.0;
        for (var r = 0; r < n; r++)
            _cumulative[r] = sum += Math.Pow(r + 1, -exponent);
    }

    public int Draw(Random random)
    {
        var at = Array.BinarySearch(_cumulative, random.NextDouble() * _cumulative[^1]);
        return Math.Min(at < 0 ? ~at : at + 1, _cumulative.Length - 1);
    }
}
