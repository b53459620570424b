namespace MoDM.Bench.Simulating;

/// <summary>When requests come: a rate over time, from which times are drawn.</summary>
/// <param name="PerMinute">The rate at a number of seconds from the start.</param>
/// <param name="Seconds">How long it lasts.</param>
internal sealed record Arrivals(string Name, Func<double, double> PerMinute, double Seconds)
{
    /// <summary>Where they are given, and not drawn from the rate.</summary>
    public IReadOnlyList<double>? Times { get; init; }

    public static Arrivals Steady(double perMinute, double seconds) => new($"{perMinute:0.#}/min", _ => perMinute, seconds);

    /// <summary>
    /// The paper's rising load, as its load generator has it: the i-th of n requests comes 1 / r_i after the one before, with
    /// r_i = from + (to - from) / (1 + exp(-1.5 x_i)) and x from -2 to 6 over the n requests. Its times are fixed.
    /// </summary>
    public static Arrivals Rising(double from, double to, int requests)
    {
        var times = new double[requests];
        var rates = new double[requests];
        for (var i = 0; i < requests; i++)
        {
            rates[i] = from + (to - from) / (1 + Math.Exp(-1.5 * (-2 + 8.0 * i / (requests - 1))));
            times[i] = (i > 0 ? times[i - 1] : 0) + 60 / rates[i];
        }
        double RateAt(double t) => rates[Math.Clamp(Array.BinarySearch(times, t) is var at && at < 0 ? ~at : at, 0, requests - 1)];
        return new($"{from:0}-{to:0}/min", RateAt, times[^1]) { Times = times };
    }

    /// <summary>Rising in a straight line.</summary>
    public static Arrivals Ramp(double from, double to, double seconds) =>
        new($"{from:0}-{to:0}/min ramp", t => from + (to - from) * t / seconds, seconds);

    public static Arrivals Burst(double perMinute, double factor, double start, double length, double seconds) =>
        new($"burst x{factor:0.#}", t => t >= start && t < start + length ? factor * perMinute : perMinute, seconds);

    /// <summary>A day: a sine between night and noon.</summary>
    public static Arrivals Diurnal(double night, double noon, double seconds = 86_400) =>
        new("diurnal", t => night + (noon - night) * (0.5 - 0.5 * Math.Cos(2 * Math.PI * t / 86_400)), seconds);

    /// <summary>The given times, or a Poisson process of the rate, by thinning.</summary>
    public IEnumerable<double> Draw(Random random) => Times ?? Thinned(random);

    private IEnumerable<double> Thinned(Random random)
    {
        var most = Enumerable.Range(0, 1001).Max(i => PerMinute(Seconds * i / 1000)) / 60;
        for (var t = 0.0; ;)
        {
            t += -Math.Log(1 - random.NextDouble()) / most;
            if (t >= Seconds) yield break;
            if (random.NextDouble() * most < PerMinute(t) / 60) yield return t;
        }
    }
}
