using MoDM.Bench.Traces;

namespace MoDM.Bench.Quality;

/// <summary>Share of pictures that show what the prompt says, by attribute; null where no picture could tell.</summary>
internal sealed record AttributeAccuracy(
    double? Subject, double? Color, double? Terrain, double? Time, double? Extra, double? Style, double? MeanOfFour)
{
    /// <summary>The attributes of the mean, as the demo models' own evaluation has it.</summary>
    private static readonly SceneAttribute[] Main = [SceneAttribute.Subject, SceneAttribute.Color, SceneAttribute.Terrain, SceneAttribute.Time];

    public static AttributeAccuracy Of(IReadOnlyCollection<(TraceEntry Asked, Scene Seen)> pictures)
    {
        var shares = Scene.Attributes.ToDictionary(a => a, a => Share(pictures, a));
        var main = Main.Select(a => shares[a]).ToList();
        return new(shares[SceneAttribute.Subject], shares[SceneAttribute.Color], shares[SceneAttribute.Terrain], shares[SceneAttribute.Time],
            shares[SceneAttribute.Extra], shares[SceneAttribute.Style], main.Contains(null) ? null : main.Average());
    }

    private static double? Share(IEnumerable<(TraceEntry Asked, Scene Seen)> pictures, SceneAttribute attribute)
    {
        var right = pictures.Where(p => Tells(p.Asked, attribute)).Select(p => p.Asked.Scene![attribute] == p.Seen[attribute] ? 1.0 : 0.0).ToList();
        return right.Count > 0 ? right.Average() : null;
    }

    /// <summary>A picture is free in what the prompt leaves out, and a pencil sketch has no colours.</summary>
    private static bool Tells(TraceEntry entry, SceneAttribute attribute) =>
        entry.Scene is { } scene && entry.Named?.Contains(attribute) != false
        && !(attribute == SceneAttribute.Color && scene.Style == "sketch");
}
