namespace MoDM.Bench.Scoring;

/// <summary>How well a text matches its reference, each in [0, 1] (BERTScore: at least -1).</summary>
/// <param name="Precision">Share of the candidate that is in the reference.</param>
/// <param name="Recall">Share of the reference that is in the candidate.</param>
/// <param name="F1">Their harmonic mean; 0 where both are 0.</param>
internal readonly record struct MatchScore(double Precision, double Recall, double F1)
{
    public static MatchScore Of(double precision, double recall) =>
        new(precision, recall, precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall));

    /// <summary>Zeros where the candidate or the reference has nothing to count.</summary>
    public static MatchScore OfCounts(int matches, int candidate, int reference) =>
        Of((double)matches / Math.Max(candidate, 1), (double)matches / Math.Max(reference, 1));

    /// <summary>Of several references the one with the highest F1, the first of equals.</summary>
    public static MatchScore Best(IEnumerable<MatchScore> scores) => scores.MaxBy(s => s.F1);
}
