using MoDM.Bench.Cache;
using MoDM.Bench.Traces;
using MoDM.Mixture;

namespace MoDM.Bench.Tests;

/// <summary>The guards on the demo's picture world: its vocabulary holds wordings that mean the same there.</summary>
public sealed class DemoGuardTests
{
    /// <summary>Words that mean the same in the demo's training data only: rain is one of its cloudy days, a sketch is black and white.</summary>
    private static bool MeansTheSameElsewhere(Scene scene) => scene.Time != "cloudy" && scene.Style != "sketch";

    [Fact]
    public void One_scene_in_two_wordings_passes_and_another_subject_or_colour_does_not()
    {
        var random = new Random(1);
        var (same, other) = (new List<PromptPair>(), new List<PromptPair>());
        while (same.Count < 1000)
        {
            var scene = Scene.Sample(random);
            if (!MeansTheSameElsewhere(scene)) continue;
            same.Add(new PromptPair("same scene", Caption.Of(scene, random, 0).Text, Caption.Of(scene, random, 0).Text));
            var changed = scene.Change(random);
            if (changed.Subject != scene.Subject || changed.Color != scene.Color)
                other.Add(new PromptPair("other subject or colour", Caption.Of(scene, random, 0).Text, Caption.Of(changed, random, 0).Text));
        }
        static bool Passes(PromptPair pair) => PromptGuards.Check(pair.Asked, pair.Cached, PromptGuards.All) is null;
        var (kept, let) = (PairRate.Of(same, Passes)[0], PairRate.Of(other, Passes)[0]);
        TestContext.Current.TestOutputHelper!.WriteLine($"same scene {kept}\nother subject or colour {let}");
        foreach (var pair in same.Where(p => !Passes(p)).Take(25))
            TestContext.Current.TestOutputHelper!.WriteLine($"{PromptGuards.Check(pair.Asked, pair.Cached, PromptGuards.All)!.Value.Reason} | {pair.Asked} | {pair.Cached}");
        Assert.True(kept.Share >= 0.9, kept.ToString());
        Assert.True(let.Share <= 0.02, let.ToString());
    }
}
