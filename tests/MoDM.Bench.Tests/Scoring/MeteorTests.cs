using MoDM.Bench.Scoring;
using static MoDM.Bench.Tests.Scoring.StoryGoldens;

namespace MoDM.Bench.Tests.Scoring;

public class MeteorTests
{
    private const double Tolerance = 1e-4;

    [Fact]
    public void Pairs_score_as_in_nltk_with_synonyms_and_without()
    {
        foreach (var pair in Pairs)
        {
            Assert.Equal(Number(pair, "meteor"), Meteor.Of(Candidate(pair), References(pair), Synonyms), Tolerance);
            Assert.Equal(
                Number(pair, "meteor_no_synonyms"), Meteor.Of(Candidate(pair), References(pair), WordNet.None), Tolerance);
        }
    }

    [Fact]
    public void Tokens_are_those_of_nltk() => Assert.All(
        Pairs, p => Assert.Equal(Strings(p.GetProperty("candidate_tokens")), Meteor.Tokenize(Candidate(p))));

    [Fact]
    public void Letters_outside_the_basic_plane_are_words_and_combining_marks_are_not() =>
        Assert.Equal(["\U00020000b", "\U0001fa81!", "e", "\u0301", "a_1"], Meteor.Tokenize("\U00020000b\U0001fa81! e\u0301a_1 "));

    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(10, 0.9995)]
    public void Identical_texts_are_one_run_which_costs_a_little(int words, double score)
    {
        var text = string.Join(' ', Enumerable.Range(0, words).Select(i => $"w{i}"));

        Assert.Equal(score, Meteor.Of(text, [text], WordNet.None), 1e-12);
    }

    [Fact]
    public void By_hand()
    {
        // Three of four and of three words match, in two runs: F = 10 PR / (R + 9 P) = 7.5 / 7.75, less half of (2/3)^3.
        var score = Meteor.Of("the red kite flew", ["the kite flew"], WordNet.None);

        Assert.Equal(7.5 / 7.75 * (1 - 0.5 * 8 / 27), score, 1e-12);
    }

    [Fact]
    public void Synonyms_are_looked_for_among_stems_in_one_direction()
    {
        var words = WordNet.FromJson("""{"hound": ["dog"]}""");

        Assert.Equal(0.5, Meteor.Of("Hounds", ["dogs"], words));
        Assert.Equal(0, Meteor.Of("dogs", ["Hounds"], words));
    }

    [Fact]
    public void The_best_reference_counts() => Assert.Equal(0.5, Meteor.Of("kite", ["boat", "kite", ""], WordNet.None));

    [Fact]
    public void Nothing_scores_nothing()
    {
        Assert.Equal(0, Meteor.Of("", ["a kite"], Synonyms));
        Assert.Equal(0, Meteor.Of("a kite", [""], Synonyms));
        Assert.Equal(0, Meteor.Of("", [""], Synonyms));
    }
}
