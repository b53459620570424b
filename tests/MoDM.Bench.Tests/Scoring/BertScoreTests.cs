using System.Text.Json;
using MoDM.Bench.Scoring;
using MoDM.Fakes;
using static MoDM.Bench.Tests.Scoring.StoryGoldens;

namespace MoDM.Bench.Tests.Scoring;

public class BertScoreTests
{
    private const double Tolerance = 1e-4;

    private static readonly float[] Border = [0, 0, 1];
    private static readonly float[] East = [1, 0, 0];
    private static readonly float[] North = [0, 2, 0];
    private static readonly float[] NorthEast = [3, 3, 0];

    [Fact]
    public void Given_embeddings_score_as_in_bert_score()
    {
        foreach (var golden in Golden.Json("stories/bertscore.json").GetProperty("formula_cases").EnumerateArray())
        {
            var (candidate, reference) = (Vectors(golden, "candidate_embedding"), Vectors(golden, "reference_embedding"));
            var plain = BertScore.Of(
                new(candidate, BertScore.EvenWeights(candidate.Count)), new(reference, BertScore.EvenWeights(reference.Count)));
            var idf = BertScore.Of(
                new(candidate, Numbers(golden.GetProperty("candidate_idf"))), new(reference, Numbers(golden.GetProperty("reference_idf"))));

            AssertEqual(golden.GetProperty("plain"), plain, Tolerance);
            AssertEqual(golden.GetProperty("idf"), idf, Tolerance);
        }
    }

    [Fact]
    public void Tokens_are_matched_with_the_most_similar_whatever_their_length()
    {
        var score = BertScore.Of(Text(East, NorthEast), Text(North));

        Assert.Equal((0 + Math.Sqrt(0.5)) / 2, score.Precision, 1e-6);
        Assert.Equal(Math.Sqrt(0.5), score.Recall, 1e-6);
        Assert.Equal(2 * score.Precision * score.Recall / (score.Precision + score.Recall), score.F1, 1e-12);
    }

    [Fact]
    public void Borders_may_be_matched_but_weigh_nothing()
    {
        var score = BertScore.Of(Text(East, Border), Text(East));

        Assert.Equal(MatchScore.Of(1, 1), score);
    }

    [Fact]
    public void Weights_are_relative()
    {
        var candidate = new EmbeddedText([Border, East, North, Border], [0, 3, 1, 0]);

        Assert.Equal(0.75, BertScore.Of(candidate, Text(East)).Precision, 1e-6);
    }

    [Fact]
    public void Nothing_scores_nothing()
    {
        Assert.Equal(default, BertScore.Of(Text(), Text(East)));
        Assert.Equal(default, BertScore.Of(Text(East), Text()));
        Assert.Equal(default, BertScore.Of(Text(), Text()));
        Assert.Equal(0, BertScore.Of(new([Border, East, Border], [0, 0, 0]), Text(East)).F1);
    }

    [Fact]
    public void The_best_reference_counts() => Assert.Equal(1, BertScore.Best(Text(East), [Text(North), Text(East), Text()]).F1, 1e-6);

    /// <summary>bert_score.score: <c>all_preds[beg:end].max(dim=0)</c> over the columns P, R and F.</summary>
    [Fact]
    public void Precision_recall_and_F1_each_have_their_own_best_reference()
    {
        var (precise, complete) = (Text(East, North, [0, -1, 0]), Text(East));
        var candidate = Text(East, North);
        var (a, b) = (BertScore.Of(candidate, precise), BertScore.Of(candidate, complete));
        Assert.True(a.Precision > b.Precision && a.Recall < b.Recall);

        Assert.Equal(new MatchScore(a.Precision, b.Recall, Math.Max(a.F1, b.F1)), BertScore.Best(candidate, [precise, complete]));
    }

    [Fact]
    public void A_rare_token_weighs_more_than_one_that_every_reference_has()
    {
        var rarity = new TokenRarity([[0, 5, 5, 6, 0], [0, 6, 0], [0, 6, 7, 0]]);

        Assert.Equal([0, Math.Log(4 / 2.0), 0, Math.Log(4 / 1.0), 0], rarity.Weights([0, 5, 6, 9, 0]));
        Assert.Empty(rarity.Weights([]));
    }

    private static EmbeddedText Text(params float[][] tokens) =>
        new([Border, .. tokens, Border], BertScore.EvenWeights(tokens.Length + 2));

    private static List<float[]> Vectors(JsonElement golden, string name) =>
        [.. golden.GetProperty(name).EnumerateArray().Select(Golden.Floats)];
}
