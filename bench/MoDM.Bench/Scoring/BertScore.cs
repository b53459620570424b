using System.Numerics.Tensors;

namespace MoDM.Bench.Scoring;

/// <summary>
/// A text as BERTScore sees it: a border token, the text's own, a border token (there [CLS] and [SEP]).
/// </summary>
/// <param name="Embeddings">A vector a token, borders included; all of one length.</param>
/// <param name="Weights">One a token; those of the borders are 0 (<see cref="BertScore.EvenWeights"/>, <see cref="TokenRarity.Weights"/>).</param>
internal sealed record EmbeddedText(IReadOnlyList<float[]> Embeddings, double[] Weights)
{
    public bool IsEmpty => Embeddings.Count <= 2;
}

/// <summary>
/// BERTScore (Zhang et al. 2020, section 3), without rescaling to a baseline, as bert-score 0.3.13 computes it: each token is
/// matched with the most similar of the other text, by cosine. Border tokens weigh nothing but may be matched.
/// </summary>
internal static class BertScore
{
    /// <param name="references">At least one.</param>
    /// <returns>The highest precision, recall and F1 over the references, each by itself, as bert_score.score takes them: F1 need not be their mean.</returns>
    public static MatchScore Best(EmbeddedText candidate, IEnumerable<EmbeddedText> references) =>
        references.Select(r => Of(candidate, r)).Aggregate((a, b) =>
            new MatchScore(Math.Max(a.Precision, b.Precision), Math.Max(a.Recall, b.Recall), Math.Max(a.F1, b.F1)));

    /// <returns>
    /// Zeros where a text has no tokens of its own. Precision or recall is 0 where no token of that side weighs anything (bert-score: NaN).
    /// </returns>
    public static MatchScore Of(EmbeddedText candidate, EmbeddedText reference) =>
        candidate.IsEmpty || reference.IsEmpty ? default : MatchScore.Of(Matched(candidate, reference), Matched(reference, candidate));

    /// <summary>Every token weighs the same, but for the borders.</summary>
    /// <param name="tokens">Borders included.</param>
    public static double[] EvenWeights(int tokens) => [.. Enumerable.Range(0, tokens).Select(i => i > 0 && i < tokens - 1 ? 1.0 : 0.0)];

    private static double Matched(EmbeddedText text, EmbeddedText other)
    {
        var (sum, weights) = (0.0, text.Weights.Sum());
        foreach (var (embedding, weight) in text.Embeddings.Zip(text.Weights).Where(t => t.Second > 0))
            sum += weight * other.Embeddings.Max(o => (double)TensorPrimitives.CosineSimilarity(embedding, o));
        return weights == 0 ? 0 : sum / weights;
    }
}

/// <summary>
/// Inverse document frequencies of tokens over references, as bert-score's <c>get_idf_dict</c>: ln((N + 1) / (n + 1)) with
/// N references of which n have the token. Words that every reference has weigh nothing.
/// </summary>
internal sealed class TokenRarity
{
    private readonly Dictionary<int, int> _references = [];
    private readonly int _count;

    /// <param name="references">The token ids of each; those of several references of one text are references each.</param>
    public TokenRarity(IReadOnlyCollection<IReadOnlyList<int>> references)
    {
        _count = references.Count;
        foreach (var id in references.SelectMany(r => r.Distinct()))
            _references[id] = _references.GetValueOrDefault(id) + 1;
    }

    public double Of(int id) => Math.Log((_count + 1.0) / (_references.GetValueOrDefault(id) + 1));

    /// <param name="ids">Borders included; they weigh 0.</param>
    public double[] Weights(IReadOnlyList<int> ids) => [.. ids.Select((id, i) => i > 0 && i < ids.Count - 1 ? Of(id) : 0)];
}
