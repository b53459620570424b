namespace MoDM.Planning;

/// <summary>What was seen of a mixture's load since the last sample, and what serves it now.</summary>
public sealed record LoadSample
{
    /// <summary>Seconds that the counts cover; 0 when the metrics could not be read, which is not the same as no load.</summary>
    public required double Seconds { get; init; }

    /// <summary>Images that arrived, refused ones too.</summary>
    public required double Misses { get; init; }
    public required double Hits { get; init; }

    /// <summary>Sum over the hits of 1 - k/T, the share of the schedule that is left to draw.</summary>
    public required double HitWork { get; init; }

    /// <summary>The same, if each had been given <see cref="DegradeStep.HigherSkip"/>.</summary>
    public required double RaisedHitWork { get; init; }
    public required int WaitingMisses { get; init; }
    public required int WaitingHits { get; init; }

    /// <summary>In the document's order, the large one first.</summary>
    public required IReadOnlyList<PoolLoad> Pools { get; init; }

    /// <summary>False when a count is missing, not a number or negative: the planner then holds what there is (complaint 3).</summary>
    public bool HasRates => Seconds > 0 && double.IsFinite(Seconds)
        && IsCount(Misses) && IsCount(Hits) && IsCount(HitWork) && IsCount(RaisedHitWork);

    private static bool IsCount(double value) => double.IsFinite(value) && value >= 0;
}

/// <summary>A pool's workers.</summary>
/// <param name="Workers">That exist, starting ones too.</param>
/// <param name="InFlight">Images that are being drawn.</param>
/// <param name="DrawSeconds">Measured: all T steps of one image on one worker; null before the first one.</param>
/// <param name="LoadSeconds">Measured: from the decision to start a worker until it serves; 0 when not known.</param>
public readonly record struct PoolLoad(int Workers, int InFlight, double? DrawSeconds, double LoadSeconds)
{
    public double? Draw => DrawSeconds is { } s && double.IsFinite(s) && s > 0 ? s : null;
    public double Load => double.IsFinite(LoadSeconds) && LoadSeconds > 0 ? LoadSeconds : 0;
}
