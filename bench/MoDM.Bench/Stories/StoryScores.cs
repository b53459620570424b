using System.Text.RegularExpressions;
using MoDM.Bench.Scoring;

namespace MoDM.Bench.Stories;

/// <summary>A figure over all stories, with a 95 % bootstrap interval over the stories.</summary>
internal sealed record StoryFigure(string Name, double Value, double Low, double High);

/// <summary>
/// Endings against their references (arXiv 2410.10848 uses these five kinds). Texts are scored as the peer libraries do; the
/// mean over stories, but BLEU and perplexity over the corpus.
/// </summary>
internal static partial class StoryScores
{
    /// <param name="endings">By row.</param>
    /// <param name="encoder">Its vectors are BERTScore's embeddings.</param>
    /// <param name="rater">Whose perplexity is told; null: none is.</param>
    public static IReadOnlyList<StoryFigure> Of(
        IReadOnlyList<StoryRow> rows, IReadOnlyList<string> endings, ITokenEncoder encoder, LocalStories? rater, WordNet synonyms, int seed)
    {
        var figures = new List<StoryFigure>();
        void Add(string name, IReadOnlyList<double> values)
        {
            var interval = Bootstrap.OfMean(values, seed);
            figures.Add(new StoryFigure(name, values.Average(), interval.Low, interval.High));
        }

        var bleu = rows.Select((r, i) => Bleu.Count(endings[i], r.References)).ToList();
        var range = Bootstrap.Of(rows.Count, chosen => Bleu.Corpus(chosen.Select(i => bleu[i])).Score, seed);
        figures.Add(new StoryFigure("BLEU (corpus)", Bleu.Corpus(bleu).Score, range.Low, range.High));
        Add("BLEU (mean of sentences)", [.. rows.Select((r, i) => Bleu.Sentence(endings[i], r.References).Score)]);
        var rouge = rows.Select((r, i) => Rouge.Of(Lines(endings[i]), [.. r.References.Select(Lines)], stem: true)).ToList();
        Add("ROUGE-1 F1", [.. rouge.Select(r => r.Rouge1.F1)]);
        Add("ROUGE-2 F1", [.. rouge.Select(r => r.Rouge2.F1)]);
        Add("ROUGE-L F1", [.. rouge.Select(r => r.RougeL.F1)]);
        Add("ROUGE-Lsum F1", [.. rouge.Select(r => r.RougeLsum.F1)]);
        Add(synonyms == WordNet.None ? "METEOR (without synonyms)" : "METEOR", [.. rows.Select((r, i) => Meteor.Of(endings[i], r.References, synonyms))]);
        var rarity = new TokenRarity([.. rows.SelectMany(r => r.References).Select(encoder.Bordered)]);
        foreach (var (name, weigh) in new (string, Func<int[], double[]>)[] { ("BERTScore F1", ids => BertScore.EvenWeights(ids.Length)), ("BERTScore F1 (idf)", ids => rarity.Weights(ids)) })
        {
            EmbeddedText Embed(string text)
            {
                var ids = encoder.Bordered(text);
                return encoder.Embed(ids, weigh(ids));
            }
            Add(name, [.. rows.Select((r, i) => BertScore.Best(Embed(endings[i]), r.References.Select(Embed)).F1)]);
        }
        if (rater is null) return figures;
        figures.AddRange(Perplexities("of references", rows.Select(r => rater.Losses(r.Prompt, r.References[0])), seed));
        figures.AddRange(Perplexities("of endings", rows.Select((r, i) => rater.Losses(r.Prompt, endings[i])), seed));
        return figures;
    }

    private static IEnumerable<StoryFigure> Perplexities(string of, IEnumerable<(double[] Losses, int EndingFrom)> texts, int seed)
    {
        var all = texts.ToList();
        foreach (var (name, losses) in new (string, List<double[]>)[]
        {
            ($"perplexity {of}, given the beginning", [.. all.Select(t => t.Losses[t.EndingFrom..])]),
            ($"perplexity {of} with the beginning", [.. all.Select(t => t.Losses)]),
        })
        {
            double Of(IEnumerable<int> chosen)
            {
                var (sum, count) = chosen.Aggregate((Sum: 0.0, Count: 0), (s, i) => (s.Sum + losses[i].Sum(), s.Count + losses[i].Length));
                return Math.Exp(sum / Math.Max(count, 1));
            }
            var interval = Bootstrap.Of(losses.Count, Of, seed);
            yield return new StoryFigure(name, Of(Enumerable.Range(0, losses.Count)), interval.Low, interval.High);
        }
    }

    /// <summary>Lsum's sentences.</summary>
    private static string Lines(string text) => SentenceEnd().Replace(text, "\n");

    [GeneratedRegex("(?<=[.!?]) +")]
    private static partial Regex SentenceEnd();
}
