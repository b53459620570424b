using System.Text.Json;
using MoDM.Bench.Scoring;
using static MoDM.Bench.Tests.Scoring.StoryGoldens;

namespace MoDM.Bench.Tests.Scoring;

public class BleuTests
{
    private const double Tolerance = 1e-6;

    [Fact]
    public void Sentences_score_as_in_sacrebleu()
    {
        foreach (var pair in Pairs)
        {
            var golden = pair.GetProperty("bleu");
            var counts = Bleu.Count(Candidate(pair), References(pair));

            AssertScore(golden, Bleu.Sentence(Candidate(pair), References(pair)));
            Assert.Equal((Number(golden, "sys_len"), Number(golden, "ref_len")), (counts.CandidateLength, counts.ReferenceLength));
        }
    }

    [Theory]
    [InlineData("corpus_bleu", 3)]
    [InlineData("corpus_bleu_first_reference", 1)]
    public void A_corpus_scores_as_in_sacrebleu(string name, int references)
    {
        var golden = Metrics.GetProperty(name);
        var texts = Pairs.Select(p => Bleu.Count(Candidate(p), [.. References(p).Take(references)])).ToList();
        var sum = Bleu.Sum(texts);

        AssertScore(golden, Bleu.Corpus(texts));
        Assert.Equal(Numbers(golden.GetProperty("counts")), sum.Matches.Select(n => (double)n));
        Assert.Equal(Numbers(golden.GetProperty("totals")), sum.Totals.Select(n => (double)n));
        Assert.Equal((Number(golden, "sys_len"), Number(golden, "ref_len")), (sum.CandidateLength, sum.ReferenceLength));
    }

    [Fact]
    public void Tokens_are_those_of_13a()
    {
        foreach (var line in Metrics.GetProperty("tokenized_13a").EnumerateArray().Select(Strings))
            Assert.Equal(line[1], string.Join(' ', Tokenizer13a.Tokenize(line[0])));
    }

    [Theory]
    [InlineData("a &quot;b&quot; &lt;c&gt; &amp;", "a \" b \" < c > &")]
    [InlineData("over-\nnight <skipped>rain", "overnight rain")]
    [InlineData("1.5,x 3-4 a-b 10,000. it's", "1.5 , x 3 - 4 a-b 10,000 . it's")]
    public void Entities_line_breaks_and_numbers(string text, string tokens) =>
        Assert.Equal(tokens, string.Join(' ', Tokenizer13a.Tokenize(text)));

    [Fact]
    public void Nothing_scores_nothing()
    {
        Assert.Equal((0, 0), (Bleu.Sentence("", ["A kite."]).Score, Bleu.Sentence("", ["A kite."]).BrevityPenalty));
        Assert.Equal(0, Bleu.Sentence("A kite.", [""]).Score);
        Assert.Equal(0, Bleu.Corpus([]).Score);
    }

    [Fact]
    public void Of_references_as_near_in_length_the_shorter_counts() =>
        Assert.Equal(2, Bleu.Count("a b c", ["a b c d", "a b"]).ReferenceLength);

    [Fact]
    public void A_corpus_without_runs_of_four_scores_nothing_and_a_sentence_what_it_has()
    {
        var counts = Bleu.Count("a kite", ["a kite"]);

        Assert.Equal(0, Bleu.Corpus([counts]).Score);
        Assert.Equal(100, counts.Score(effectiveOrder: true).Score, 10);
    }

    private static void AssertScore(JsonElement golden, BleuScore score)
    {
        Assert.Equal(Number(golden, "score"), score.Score, Tolerance);
        Assert.Equal(Number(golden, "bp"), score.BrevityPenalty, Tolerance);
        AssertEqual(Numbers(golden.GetProperty("precisions")), score.Precisions, Tolerance);
    }
}
