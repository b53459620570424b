using System.Text;

namespace MoDM.Bench.Scoring;

/// <summary>
/// METEOR (Banerjee and Lavie 2005) with the weights of nltk 3.10.4's <c>meteor_score</c>, and its matching: greedy from the last
/// candidate word backwards, each with the last free reference word; first equal words, then equal stems, then synonyms.
/// Identical texts score a little under 1, since even one unbroken run of matches is penalised.
/// </summary>
internal static class Meteor
{
    private const double Alpha = 0.9;
    private const double Beta = 3;
    private const double Gamma = 0.5;

    /// <param name="references">At least one; with several, the best score.</param>
    public static double Of(string candidate, IReadOnlyList<string> references, WordNet synonyms)
    {
        var words = Tokenize(candidate.ToLowerInvariant());
        return references.Max(r => Of(words, Tokenize(r.ToLowerInvariant()), synonyms));
    }

    /// <summary>
    /// Runs of letters, digits and underscores, and runs of anything else but white space: nltk's <c>wordpunct_tokenize</c>.
    /// </summary>
    public static List<string> Tokenize(string text)
    {
        var tokens = new List<string>();
        var (start, kind) = (0, ' ');
        for (var at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var length);
            var next = Rune.IsWhiteSpace(rune) ? ' ' : rune.Value == '_' || Rune.IsLetter(rune) || Rune.IsNumber(rune) ? 'w' : '.';
            if (next != kind)
            {
                if (kind != ' ')
                    tokens.Add(text[start..at]);
                (start, kind) = (at, next);
            }
            at += length;
        }
        if (kind != ' ')
            tokens.Add(text[start..]);
        return tokens;
    }

    private static double Of(List<string> candidate, List<string> reference, WordNet synonyms)
    {
        var (left, free) = (candidate.Index().ToList(), reference.Index().ToList());
        var matches = new List<(int Candidate, int Reference)>();

        Match(left, free, word => [word], matches);
        left = [.. left.Select(Stemmed)];
        free = [.. free.Select(Stemmed)];
        Match(left, free, word => [word], matches);
        // As in nltk, synonyms are those of the stems, looked for among stems.
        Match(left, free, synonyms.Of, matches);

        if (matches.Count == 0)
            return 0;
        var (precision, recall) = ((double)matches.Count / candidate.Count, (double)matches.Count / reference.Count);
        var mean = precision * recall / (Alpha * precision + (1 - Alpha) * recall);
        return mean * (1 - Gamma * Math.Pow((double)Chunks(matches) / matches.Count, Beta));
    }

    private static (int, string) Stemmed((int Index, string Item) word) => (word.Index, PorterStemmer.Stem(word.Item));

    private static void Match(
        List<(int Index, string Item)> candidate, List<(int Index, string Item)> reference,
        Func<string, IReadOnlyCollection<string>> accepted, List<(int, int)> matches)
    {
        for (var i = candidate.Count - 1; i >= 0; i--)
        {
            var words = accepted(candidate[i].Item);
            var j = reference.FindLastIndex(r => words.Contains(r.Item));
            if (j < 0)
                continue;
            matches.Add((candidate[i].Index, reference[j].Index));
            candidate.RemoveAt(i);
            reference.RemoveAt(j);
        }
    }

    /// <summary>Runs of matches that follow each other in both texts.</summary>
    private static int Chunks(List<(int Candidate, int Reference)> matches)
    {
        matches.Sort();
        return 1 + matches.Zip(matches.Skip(1)).Count(m => m.Second != (m.First.Candidate + 1, m.First.Reference + 1));
    }
}
