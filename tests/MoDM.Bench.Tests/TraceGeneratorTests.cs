using System.Text.Json;
using MoDM.Bench.Traces;
using MoDM.Fakes;

namespace MoDM.Bench.Tests;

public class TraceGeneratorTests
{
    private static readonly TraceSettings Default = new();

    [Fact]
    public void A_seed_gives_the_same_trace_again_and_another_seed_another_one()
    {
        var first = TraceGenerator.Generate(Default, 200, 7);
        Assert.Equal(first.Select(e => (e.Prompt, e.Seed, e.Scene)), TraceGenerator.Generate(Default, 200, 7).Select(e => (e.Prompt, e.Seed, e.Scene)));
        Assert.NotEqual(first.Select(e => e.Prompt), TraceGenerator.Generate(Default, 200, 8).Select(e => e.Prompt));
    }

    [Fact]
    public void A_longer_trace_begins_with_the_shorter_one() => Assert.Equal(
        TraceGenerator.Generate(Default, 50, 1).Select(e => e.Prompt), TraceGenerator.Generate(Default, 80, 1).Take(50).Select(e => e.Prompt));

    [Fact]
    public void Every_request_has_a_seed_of_its_own() =>
        Assert.Equal(500, TraceGenerator.Generate(Default, 500, 1).Select(e => e.Seed).Distinct().Count());

    [Fact]
    public void The_vocabulary_is_the_judges()
    {
        using var labels = JsonDocument.Parse(File.ReadAllText(Repo.File("models", "judge", "labels.json")));
        foreach (var attribute in Scene.Attributes)
        {
            var known = labels.RootElement.GetProperty(attribute.ToString().ToLowerInvariant()).EnumerateArray().Select(v => v.GetString());
            Assert.Equal(known, Vocabulary.Values(attribute));
        }
    }

    [Fact]
    public void A_prompt_says_what_its_scene_holds()
    {
        foreach (var entry in TraceGenerator.Generate(Default, 300, 3))
        {
            foreach (var attribute in Scene.Attributes)
                Assert.Contains(Vocabulary.Wordings(attribute, entry.Scene![attribute]), w => entry.Prompt.Contains(w));
            Assert.Equal(Scene.Attributes.ToHashSet(), entry.Named);
        }
    }

    [Fact]
    public void Users_come_back_to_scenes_that_were_asked_for_before()
    {
        var trace = TraceGenerator.Generate(Default, 800, 1);
        var near = Enumerable.Range(200, 600).Count(i => trace.Take(i).Any(e => Differences(e.Scene!, trace[i].Scene!) <= 1));
        var same = Enumerable.Range(200, 600).Count(i => trace.Take(i).Any(e => e.Scene == trace[i].Scene));
        Assert.InRange(near / 600.0, 0.8, 0.98);
        Assert.InRange(same / 600.0, 0.4, 0.8);
    }

    [Fact]
    public void Rewording_is_not_repeating()
    {
        var trace = TraceGenerator.Generate(Default, 500, 1);
        Assert.True(trace.Select(e => e.Prompt).Distinct().Count() > 450);
    }

    private static int Differences(Scene a, Scene b) => Scene.Attributes.Count(x => a[x] != b[x]);
}
