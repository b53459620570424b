namespace MoDM.Bench.Scoring;

/// <summary>Runs of n tokens, and how often each occurs.</summary>
internal static class NGrams
{
    // A character that no tokenizer leaves within a token.
    private const char Between = ' ';

    public static Dictionary<string, int> Count(string[] tokens, int n)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i + n <= tokens.Length; i++)
        {
            var gram = string.Join(Between, tokens, i, n);
            counts[gram] = counts.GetValueOrDefault(gram) + 1;
        }
        return counts;
    }

    /// <summary>Each n-gram of one counts as often as the other has it too.</summary>
    public static int Common(Dictionary<string, int> one, Dictionary<string, int> other) =>
        one.Sum(g => Math.Min(g.Value, other.GetValueOrDefault(g.Key)));
}
