namespace MoDM.Bench.Scoring;

/// <summary>BLEU of one text or of many.</summary>
/// <param name="Score">0 to 100.</param>
/// <param name="Precisions">Of 1 to 4 tokens, 0 to 100, smoothed; 0 for runs longer than every candidate.</param>
/// <param name="BrevityPenalty">1 unless the candidates are shorter than their references.</param>
internal sealed record BleuScore(double Score, double[] Precisions, double BrevityPenalty);

/// <summary>
/// What BLEU counts. The counts of a corpus are the sums of its texts', so that a part of it or a resample costs additions only.
/// </summary>
/// <param name="Matches">Runs of 1 to 4 tokens that are in a reference, each at most as often as in the one that has most of them.</param>
/// <param name="Totals">Runs of 1 to 4 tokens in the candidate.</param>
/// <param name="CandidateLength">Tokens.</param>
/// <param name="ReferenceLength">Tokens of the reference nearest in length, the shorter of two as near.</param>
internal sealed record BleuCounts(int[] Matches, int[] Totals, int CandidateLength, int ReferenceLength)
{
    /// <param name="effectiveOrder">Leave out runs longer than the candidate, as for a single text, instead of scoring 0.</param>
    public BleuScore Score(bool effectiveOrder)
    {
        var penalty = CandidateLength >= ReferenceLength ? 1
            : CandidateLength == 0 ? 0
            : Math.Exp(1 - (double)ReferenceLength / CandidateLength);
        var precisions = new double[Bleu.Order];
        if (Matches.All(m => m == 0))
            return new(0, precisions, penalty);

        var order = Totals.Count(t => t > 0);
        // Exponential smoothing: the first precision of nothing counts as half a match, the second as a quarter ...
        var smoothed = 1.0;
        for (var n = 0; n < order; n++)
            precisions[n] = 100 * (Matches[n] > 0 ? Matches[n] : (smoothed /= 2)) / Totals[n];
        if (order < Bleu.Order && !effectiveOrder)
            return new(0, precisions, penalty);
        return new(penalty * Math.Exp(precisions.Take(order).Average(Math.Log)), precisions, penalty);
    }
}

/// <summary>
/// BLEU (Papineni et al. 2002) as sacrebleu 2.6.0 has it by default: case matters, 13a tokens, up to four of them in a run,
/// exponential smoothing (Chen and Cherry 2014, method 3); signature case:mixed|tok:13a|smooth:exp.
/// </summary>
internal static class Bleu
{
    public const int Order = 4;

    /// <summary>With effective order: sacrebleu's <c>sentence_bleu</c>.</summary>
    public static BleuScore Sentence(string candidate, IReadOnlyList<string> references) =>
        Count(candidate, references).Score(effectiveOrder: true);

    /// <summary>Without effective order: sacrebleu's <c>corpus_bleu</c>. Texts may have different numbers of references.</summary>
    public static BleuScore Corpus(IEnumerable<BleuCounts> texts) => Sum(texts).Score(effectiveOrder: false);

    /// <param name="candidate">May be empty.</param>
    /// <param name="references">At least one; may be empty texts.</param>
    public static BleuCounts Count(string candidate, IReadOnlyList<string> references)
    {
        var tokens = Tokenizer13a.Tokenize(candidate);
        var expected = references.Select(Tokenizer13a.Tokenize).ToList();
        var (matches, totals) = (new int[Order], new int[Order]);
        for (var n = 1; n <= Order; n++)
        {
            var most = expected.SelectMany(r => NGrams.Count(r, n)).GroupBy(g => g.Key, g => g.Value, StringComparer.Ordinal)
                .ToDictionary(g => g.Key, g => g.Max(), StringComparer.Ordinal);
            matches[n - 1] = NGrams.Common(NGrams.Count(tokens, n), most);
            totals[n - 1] = Math.Max(tokens.Length - n + 1, 0);
        }
        var nearest = expected.Select(r => r.Length).MinBy(length => (Math.Abs(length - tokens.Length), length));
        return new(matches, totals, tokens.Length, nearest);
    }

    public static BleuCounts Sum(IEnumerable<BleuCounts> texts)
    {
        var (matches, totals, candidate, reference) = (new int[Order], new int[Order], 0, 0);
        foreach (var text in texts)
        {
            for (var n = 0; n < Order; n++)
            {
                matches[n] += text.Matches[n];
                totals[n] += text.Totals[n];
            }
            candidate += text.CandidateLength;
            reference += text.ReferenceLength;
        }
        return new(matches, totals, candidate, reference);
    }
}
