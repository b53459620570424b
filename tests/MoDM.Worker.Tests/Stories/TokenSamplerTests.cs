using MoDM.Worker.Stories;

namespace MoDM.Worker.Tests.Stories;

public sealed class TokenSamplerTests
{
    private static readonly float[] Logits = [1, 3, 2.5f, -1, 3.2f, 0];

    [Fact]
    public void Without_temperature_the_likeliest_token_is_chosen_whatever_the_chance()
    {
        foreach (var rule in new[] { new SamplingRule(0), new SamplingRule(1, TopK: 1), new SamplingRule(2, TopP: 0), new SamplingRule(1e-9) })
            Assert.All([0, 0.5, 0.999], chance => Assert.Equal(4, Pick(rule, chance)));
    }

    [Theory]
    [InlineData(1, 0, 1, new[] { 0, 1, 2, 3, 4, 5 })]
    [InlineData(0.5, 0, 1, new[] { 0, 1, 2, 3, 4, 5 })]
    [InlineData(1, 3, 1, new[] { 1, 2, 4 })]
    [InlineData(1, 100, 1, new[] { 0, 1, 2, 3, 4, 5 })]
    [InlineData(1, 0, 0.7, new[] { 1, 4 })] // 0.399 + 0.327 of the whole
    [InlineData(1, 0, 0.75, new[] { 1, 2, 4 })]
    [InlineData(1, 0, 0.399, new[] { 4 })]
    [InlineData(1, 3, 0.75, new[] { 1, 4 })] // of the three that top-k leaves
    public void Tokens_come_as_often_as_their_probabilities_say(double temperature, int topK, double topP, int[] possible)
    {
        var rule = new SamplingRule(temperature, topK, topP);
        var weights = possible.ToDictionary(id => id, id => Math.Exp(Logits[id] / temperature));
        var counts = new int[Logits.Length];
        const int Draws = 20_000;
        for (var i = 0; i < Draws; i++)
            counts[Pick(rule, (i + 0.5) / Draws)]++;
        for (var id = 0; id < counts.Length; id++)
            Assert.Equal(weights.GetValueOrDefault(id) / weights.Values.Sum(), counts[id] / (double)Draws, 2e-4);
    }

    [Fact]
    public void The_nucleus_of_a_large_vocabulary_is_that_of_a_full_sort()
    {
        var random = new Random(3);
        var logits = Enumerable.Range(0, 5000).Select(_ => (float)(random.NextDouble() * 12)).ToArray();
        var sampler = new TokenSampler(logits.Length);
        foreach (var p in new[] { 0.05, 0.5, 0.9, 0.99, 0.9999 })
        {
            var sorted = logits.Select((l, id) => (Weight: Math.Exp(l - logits.Max()), id)).OrderByDescending(w => w.Weight).ToArray();
            var whole = sorted.Sum(w => w.Weight);
            var (nucleus, sum) = (new HashSet<int>(), 0.0);
            foreach (var (weight, id) in sorted.TakeWhile(_ => sum < p * whole))
            {
                sum += weight;
                nucleus.Add(id);
            }
            var rule = new SamplingRule(TopP: p);
            Assert.All(Enumerable.Range(0, 500), i => Assert.Contains(Pick(sampler, logits, rule, i / 500.0), nucleus));
            Assert.Contains(Pick(sampler, logits, rule, 1 - 1e-12), nucleus.Skip(nucleus.Count - 2));
        }
    }

    [Fact]
    public void Penalties_lower_what_came_before()
    {
        // 3.2 / 2 is below 3; a negative logit is multiplied; a token of the prompt counts as well.
        var repetition = new TokenHistory(new SamplingRule(RepetitionPenalty: 2), [4, 3]);
        Assert.Equal([1, 3, 2.5f, -2, 1.6f, 0], Penalised(repetition));
        // OpenAI's two look at the written text only, one of them at how often.
        var others = new TokenHistory(new SamplingRule(FrequencyPenalty: 0.5, PresencePenalty: 0.25), [4, 3]);
        others.Add(1);
        others.Add(1);
        others.Add(0);
        Assert.Equal([0.25f, 1.75f, 2.5f, -1, 3.2f, 0], Penalised(others));
        var none = new TokenHistory(new SamplingRule(), [4, 3]);
        none.Add(1);
        Assert.Equal(Logits, Penalised(none));
    }

    [Fact]
    public void Chance_depends_on_seed_and_position_alone_and_is_even()
    {
        Assert.Equal(TokenSampler.Chance(7, 3), TokenSampler.Chance(7, 3));
        var all = Enumerable.Range(-50, 100).SelectMany(seed => Enumerable.Range(0, 100).Select(i => TokenSampler.Chance(seed, i))).ToArray();
        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.All(all, c => Assert.InRange(c, 0, 1 - 1e-16));
        var buckets = all.GroupBy(c => (int)(c * 10)).Select(g => g.Count()).ToArray();
        Assert.Equal(10, buckets.Length);
        Assert.All(buckets, n => Assert.InRange(n, 850, 1150));
    }

    private static int Pick(SamplingRule rule, double chance) => Pick(new TokenSampler(Logits.Length), Logits, rule, chance);

    private static int Pick(TokenSampler sampler, float[] logits, SamplingRule rule, double chance) =>
        sampler.Pick([.. logits], rule, new TokenHistory(rule, []), chance);

    private static float[] Penalised(TokenHistory history)
    {
        float[] logits = [.. Logits];
        history.Penalise(logits);
        return logits;
    }
}
