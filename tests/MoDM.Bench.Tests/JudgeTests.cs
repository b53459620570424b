using MoDM.Bench.Quality;
using MoDM.Bench.Traces;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Bench.Tests;

public class JudgeTests
{
    [Fact]
    public void Real_renders_show_what_their_captions_say_almost_always()
    {
        using var judge = Judge.Load(Repo.Model("judge"), threads: 1);
        Scene[] scenes =
        [
            new("balloon", "white", "mountains", "night", "none", "plain"), new("plane", "black", "hills", "aurora", "rainbow", "watercolor"),
            new("kite", "yellow", "hills", "cloudy", "fireworks", "plain"), new("rocket", "orange", "mountains", "night", "none", "plain"),
            new("tree", "purple", "city", "noon", "none", "plain"),
        ];
        var readings = scenes.Select((_, i) =>
            judge.Read(RgbImage.Decode(File.ReadAllBytes(Repo.File("tests", "golden", "clip", $"image-{i}.png"))))).ToList();
        // It takes one kite for a rocket and a bright star for the moon.
        var right = scenes.Zip(readings).Sum(p => Scene.Attributes.Count(a => p.First[a] == p.Second.Guess[a]));
        Assert.Equal(28, right);
        Assert.All(readings, r => Assert.Equal(128, r.Features.Length));
    }
}
