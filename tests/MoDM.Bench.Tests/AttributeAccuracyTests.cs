using MoDM.Bench.Quality;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Tests;

public class AttributeAccuracyTests
{
    private static readonly Scene Red = new("kite", "red", "sea", "night", "none", "plain");

    private static (TraceEntry, Scene) Picture(Scene asked, Scene seen, params SceneAttribute[] unnamed) =>
        (new TraceEntry("", 0, asked, Scene.Attributes.Except(unnamed).ToHashSet()), seen);

    [Fact]
    public void Each_attribute_has_its_share()
    {
        var accuracy = AttributeAccuracy.Of([Picture(Red, Red), Picture(Red, Red with { Subject = "cat", Style = "neon" })]);
        Assert.Equal(0.5, accuracy.Subject);
        Assert.Equal(1, accuracy.Color);
        Assert.Equal(0.5, accuracy.Style);
        Assert.Equal((0.5 + 1 + 1 + 1) / 4, accuracy.MeanOfFour);
    }

    [Fact]
    public void A_sketch_has_no_colour_to_be_wrong()
    {
        var sketch = Red with { Style = "sketch" };
        Assert.Equal(1, AttributeAccuracy.Of([Picture(sketch, sketch with { Color = "blue" }), Picture(Red, Red)]).Color);
        Assert.Null(AttributeAccuracy.Of([Picture(sketch, sketch)]).Color);
        Assert.Null(AttributeAccuracy.Of([Picture(sketch, sketch)]).MeanOfFour);
    }

    [Fact]
    public void What_the_prompt_leaves_out_is_not_judged() =>
        Assert.Equal(1, AttributeAccuracy.Of([Picture(Red, Red with { Time = "noon" }, SceneAttribute.Time), Picture(Red, Red)]).Time);

    [Fact]
    public void Prompts_without_a_scene_are_not_judged() => Assert.Null(AttributeAccuracy.Of([(new TraceEntry("a cat", 1), Red)]).Subject);
}
