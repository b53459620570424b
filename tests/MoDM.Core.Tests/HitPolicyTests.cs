using CsCheck;
using MoDM.Mixture;

namespace MoDM.Core.Tests;

public class HitPolicyTests
{
    /// <summary>The paper's table for T = 50.</summary>
    private static readonly HitThreshold[] Paper = [new(0.25, 0.1), new(0.27, 0.2), new(0.28, 0.3), new(0.29, 0.5), new(0.30, 0.6)];

    [Theory]
    [InlineData(0.249, CacheRoute.Miss, 0)]
    [InlineData(0.25, CacheRoute.Hit, 5)]
    [InlineData(0.275, CacheRoute.Hit, 10)]
    [InlineData(0.28, CacheRoute.Hit, 15)]
    [InlineData(0.295, CacheRoute.Hit, 25)]
    [InlineData(0.9, CacheRoute.Hit, 30)]
    public void The_papers_table_gives_the_papers_k(double similarity, CacheRoute route, int skip)
    {
        var decision = HitPolicy.Decide(new HitQuestion(CacheMode.Auto, 50, false, similarity), Paper);

        Assert.Equal((route, skip), (decision.Route, decision.SkipSteps));
    }

    [Theory]
    [InlineData(CacheMode.Bypass, false, "bypass")]
    [InlineData(CacheMode.Refresh, false, "refresh")]
    [InlineData(CacheMode.Auto, true, "longer than the embedder reads")] // Complaint 34.
    public void A_request_or_a_cut_prompt_can_rule_the_cache_out(CacheMode mode, bool cut, string reason)
    {
        var decision = HitPolicy.Decide(new HitQuestion(mode, 50, cut, 0.99), Paper);

        Assert.Equal(CacheRoute.Miss, decision.Route);
        Assert.Contains(reason, decision.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_decision_leaves_a_step_to_run_and_says_why() =>
        Gen.Select(Gen.Int[1, 1000], Gen.Double[-1, 1]).Sample((steps, similarity) =>
        {
            var decision = HitPolicy.Decide(new HitQuestion(CacheMode.Auto, steps, false, similarity), Paper);
            return decision.Reason.Length > 0 && decision.SkipSteps < steps
                && decision.SkipSteps > 0 == (decision.Route == CacheRoute.Hit);
        });

    [Fact]
    public void Closer_never_skips_less() =>
        Gen.Select(Gen.Int[1, 200], Gen.Double[0, 1], Gen.Double[0, 1]).Sample((steps, a, b) =>
            Skip(steps, Math.Min(a, b)) <= Skip(steps, Math.Max(a, b)));

    [Theory]
    [InlineData(0.26, 10)]
    [InlineData(0.295, 30)]
    [InlineData(0.9, 30)] // The document's last threshold is the floor of quality.
    [InlineData(0.2, 0)]
    public void Under_load_a_hit_skips_as_much_as_the_next_threshold_allows(double similarity, int skip)
    {
        var decision = HitPolicy.Decide(new HitQuestion(CacheMode.Auto, 50, false, similarity), Paper, raised: true);

        Assert.Equal(skip, decision.SkipSteps);
        Assert.Equal(skip > 0, decision.Reason.Contains("under this load", StringComparison.Ordinal));
    }

    private static int Skip(int steps, double similarity) =>
        HitPolicy.Decide(new HitQuestion(CacheMode.Auto, steps, false, similarity), Paper).SkipSteps;

    [Fact]
    public void Where_a_guard_keeps_the_most_similar_image_out_the_next_one_may_stand_in()
    {
        static (int, string?) Choose(double least, params (double, string)[] candidates)
        {
            var (chosen, guard) = HitPolicy.Choose("a red kite", candidates, least, PromptGuards.All);
            return (chosen, guard?.Guard.ToString());
        }
        Assert.Equal((1, null), Choose(0.3, (0.5, "a green kite"), (0.4, "a red kite at dawn"), (0.35, "a red kite")));
        Assert.Equal((0, "Colour"), Choose(0.3, (0.5, "a green kite"), (0.4, "two red kites")));
        // What is not similar enough is not asked about.
        Assert.Equal((0, "Colour"), Choose(0.3, (0.5, "a green kite"), (0.29, "a red kite")));
        Assert.Equal((0, null), Choose(0.3, (0.2, "a green kite")));
        Assert.Equal((-1, null), Choose(0.3));
    }
}
