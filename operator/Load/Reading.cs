namespace MoDM.Operator.Load;

/// <summary>What came of asking for a metric: it is known, or it is not, and then why. Nothing is ever taken for zero (complaint 3).</summary>
internal abstract record Reading<T>
{
    private Reading()
    {
    }

    public sealed record Known(T Value) : Reading<T>;

    /// <param name="Why">A sentence's part, for the condition: what to look at.</param>
    public sealed record Unknown(string Why) : Reading<T>;
}

/// <summary>One time series as Prometheus has it.</summary>
/// <param name="Points">Seconds since 1970 and value, ascending.</param>
internal sealed record Series(IReadOnlyDictionary<string, string> Labels, IReadOnlyList<(double At, double Value)> Points)
{
    public string Name => Label("__name__");
    public (double At, double Value) Last => Points[^1];

    public string Label(string name) => Labels.TryGetValue(name, out var value) ? value : "";
}
