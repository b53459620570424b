using System.Text.RegularExpressions;

namespace MoDM.Bench.Scoring;

/// <param name="Rouge1">Single words in common.</param>
/// <param name="Rouge2">Pairs of neighbouring words in common.</param>
/// <param name="RougeL">The longest common subsequence of words.</param>
/// <param name="RougeLsum">The same sentence by sentence; a line is a sentence.</param>
internal sealed record RougeScores(MatchScore Rouge1, MatchScore Rouge2, MatchScore RougeL, MatchScore RougeLsum);

/// <summary>
/// ROUGE (Lin 2004; sections 2, 3.1 and 3.2) as rouge-score 0.1.2 computes it. Words are runs of a-z and 0-9 after lower-casing:
/// every other letter splits a word, so that texts in other scripts score 0. Words of more than three characters are stemmed
/// if asked for.
/// </summary>
internal static partial class Rouge
{
    private const int ShortestStemmed = 4;

    /// <param name="references">At least one; with several, the best F1 of each type.</param>
    public static RougeScores Of(string candidate, IReadOnlyList<string> references, bool stem)
    {
        var words = Words(candidate, stem);
        var expected = references.Select(r => Words(r, stem)).ToList();
        return new(
            MatchScore.Best(expected.Select(r => OfRuns(words, r, 1))),
            MatchScore.Best(expected.Select(r => OfRuns(words, r, 2))),
            MatchScore.Best(expected.Select(r => MatchScore.OfCounts(LongestCommon(r, words).Count, words.Length, r.Length))),
            MatchScore.Best(references.Select(r => OfLines(Lines(candidate, stem), Lines(r, stem)))));
    }

    private static MatchScore OfRuns(string[] candidate, string[] reference, int n) => MatchScore.OfCounts(
        NGrams.Common(NGrams.Count(candidate, n), NGrams.Count(reference, n)),
        candidate.Length - n + 1, reference.Length - n + 1);

    /// <summary>
    /// The union of the common subsequences of each reference line with all the candidate's (section 3.2). A word counts at most
    /// as often as it is in either text.
    /// </summary>
    private static MatchScore OfLines(List<string[]> candidate, List<string[]> reference)
    {
        var left = NGrams.Count([.. candidate.SelectMany(l => l)], 1);
        var matches = 0;
        foreach (var line in reference)
        {
            foreach (var at in candidate.SelectMany(c => LongestCommon(line, c)).Distinct())
            {
                if (left.GetValueOrDefault(line[at]) == 0)
                    continue;
                left[line[at]]--;
                matches++;
            }
        }
        return MatchScore.OfCounts(matches, candidate.Sum(l => l.Length), reference.Sum(l => l.Length));
    }

    /// <summary>The places in <paramref name="reference"/> of a longest common subsequence, from the end.</summary>
    private static List<int> LongestCommon(string[] reference, string[] candidate)
    {
        var length = new int[reference.Length + 1, candidate.Length + 1];
        for (var i = 1; i <= reference.Length; i++)
        {
            for (var j = 1; j <= candidate.Length; j++)
            {
                length[i, j] = reference[i - 1] == candidate[j - 1]
                    ? length[i - 1, j - 1] + 1
                    : Math.Max(length[i - 1, j], length[i, j - 1]);
            }
        }
        var places = new List<int>();
        for (var (i, j) = (reference.Length, candidate.Length); i > 0 && j > 0;)
        {
            if (reference[i - 1] == candidate[j - 1])
            {
                places.Add(i - 1);
                (i, j) = (i - 1, j - 1);
            }
            // Of several longest ones, the library's: unions depend on the choice.
            else if (length[i, j - 1] > length[i - 1, j])
                j--;
            else
                i--;
        }
        return places;
    }

    private static List<string[]> Lines(string text, bool stem) => [.. text.Split('\n').Select(l => Words(l, stem))];

    private static string[] Words(string text, bool stem) =>
    [
        .. Word().Matches(text.ToLowerInvariant()).Select(m => m.Value)
            .Select(w => stem && w.Length >= ShortestStemmed ? PorterStemmer.Stem(w) : w),
    ];

    [GeneratedRegex("[a-z0-9]+")]
    private static partial Regex Word();
}
