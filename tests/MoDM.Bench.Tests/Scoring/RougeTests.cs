using System.Text.Json;
using System.Text.RegularExpressions;
using MoDM.Bench.Scoring;
using static MoDM.Bench.Tests.Scoring.StoryGoldens;

namespace MoDM.Bench.Tests.Scoring;

public partial class RougeTests
{
    private const double Tolerance = 1e-6;

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "_stem")]
    public void Pairs_score_as_in_rouge_score(bool stem, string suffix)
    {
        foreach (var pair in Pairs)
        {
            var golden = pair.GetProperty("rouge" + suffix);
            var scores = Rouge.Of(Candidate(pair), References(pair), stem);

            AssertEqual(golden.GetProperty("rouge1"), scores.Rouge1, Tolerance);
            AssertEqual(golden.GetProperty("rouge2"), scores.Rouge2, Tolerance);
            AssertEqual(golden.GetProperty("rougeL"), scores.RougeL, Tolerance);
            AssertEqual(golden.GetProperty("rougeLsum"), scores.RougeLsum, Tolerance);
        }
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "_stem")]
    public void Sentences_on_lines_of_their_own_score_as_in_rouge_score(bool stem, string suffix)
    {
        foreach (var pair in Pairs)
        {
            var scores = Rouge.Of(Lines(Candidate(pair)), [.. References(pair).Select(Lines)], stem);

            AssertEqual(pair.GetProperty("rougeLsum_sentences" + suffix), scores.RougeLsum, Tolerance);
        }
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "_stem")]
    public void Means_are_those_of_rouge_score(bool stem, string suffix)
    {
        var means = Metrics.GetProperty("means");
        var scores = Pairs.Select(p => Rouge.Of(Candidate(p), References(p), stem)).ToList();

        Assert.Equal(Number(means, "rouge1" + suffix), scores.Average(s => s.Rouge1.F1), Tolerance);
        Assert.Equal(Number(means, "rouge2" + suffix), scores.Average(s => s.Rouge2.F1), Tolerance);
        Assert.Equal(Number(means, "rougeL" + suffix), scores.Average(s => s.RougeL.F1), Tolerance);
        Assert.Equal(Number(means, "rougeLsum" + suffix), scores.Average(s => s.RougeLsum.F1), Tolerance);
    }

    [Fact]
    public void Each_type_takes_its_own_best_reference()
    {
        // The first has all the words, the second their order.
        var scores = Rouge.Of("a b c d", ["d c b a", "a b"], stem: false);

        Assert.Equal(1, scores.Rouge1.F1);
        Assert.Equal(MatchScore.Of(1.0 / 3, 1), scores.Rouge2);
        Assert.Equal(MatchScore.Of(0.5, 1), scores.RougeL);
    }

    [Fact]
    public void Other_letters_than_a_to_z_split_words_and_other_scripts_score_nothing()
    {
        Assert.Equal(MatchScore.Of(0.5, 1), Rouge.Of("caf\u00e9 x", ["CAF"], stem: false).Rouge1);
        Assert.Equal(default, Rouge.Of("\u041c\u0438\u0440", ["\u041c\u0438\u0440"], stem: false).RougeL);
    }

    [Fact]
    public void The_papers_union_of_common_subsequences()
    {
        // Lin 2004, section 3.2: w1 w2 and w1 w3 w5 together have four of the reference's five words.
        var scores = Rouge.Of("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", ["w1 w2 w3 w4 w5"], stem: false);

        Assert.Equal(4.0 / 5, scores.RougeLsum.Recall, Tolerance);
    }

    [Fact]
    public void Nothing_scores_nothing()
    {
        var nothing = new RougeScores(default, default, default, default);

        Assert.Equal(nothing, Rouge.Of("", ["a kite"], stem: true));
        Assert.Equal(nothing, Rouge.Of("a kite", [""], stem: true));
        Assert.Equal(nothing, Rouge.Of("", [""], stem: true));
    }

    private static string Lines(string text) => SentenceEnd().Replace(text, "\n");

    [GeneratedRegex("(?<=[.!?]) +")]
    private static partial Regex SentenceEnd();
}
