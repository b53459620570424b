using MoDM.Bench.Traces;

namespace MoDM.Bench.Tests;

public class CaptionTests
{
    private static readonly Scene Kite = new("kite", "orange", "sea", "night", "moon", "sketch");

    [Fact]
    public void The_article_fits_the_word_after_it()
    {
        var texts = Texts(Kite, 0);
        Assert.All(texts, t => Assert.Contains("an orange ", t));
        Assert.All(Texts(Kite with { Color = "red" }, 0), t => Assert.Contains("a red ", t));
    }

    [Fact]
    public void What_flies_is_above_and_what_stands_is_beside() => Assert.Multiple(
        () => Assert.All(Texts(Kite, 0).Where(t => !t.Contains(" with an orange")), t => Assert.Matches(" (over|above|flying over) (the|calm)", t)),
        () => Assert.All(Texts(Kite with { Subject = "cat", Terrain = "city" }, 0).Where(t => !t.Contains(" with an orange")),
            t => Assert.Matches(" (in front of|near|by) (a|the|tall)", t)));

    [Fact]
    public void All_three_word_orders_and_the_frames_occur()
    {
        var texts = Texts(Kite with { Style = "plain", Extra = "none" }, 0);
        Assert.Contains(texts, t => t.StartsWith("the sea at night with an orange", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("at night, an orange", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("an orange kite", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("a postcard of ", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_dropped_is_not_named()
    {
        var random = new Random(1);
        var captions = Enumerable.Range(0, 300).Select(_ => Caption.Of(Kite, random, 0.5)).ToList();
        Assert.All(captions, c => Assert.Equal(c.Named.Contains(SceneAttribute.Color), c.Text.Contains("orange")));
        Assert.InRange(captions.Count(c => !c.Named.Contains(SceneAttribute.Time)), 110, 190);
        Assert.All(captions, c => Assert.Contains(SceneAttribute.Subject, c.Named));
    }

    private static List<string> Texts(Scene scene, double drop)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, 300).Select(_ => Caption.Of(scene, random, drop).Text)];
    }
}
