namespace MoDM.Bench.Traces;

/// <summary>One wording of a scene, by the rules that the demo models were trained on.</summary>
/// <param name="Named">The attributes that the text says; the others a picture is free in.</param>
internal sealed record Caption(string Text, IReadOnlySet<SceneAttribute> Named)
{
    private static readonly string[] Frames = ["a postcard of ", "a picture of ", "an illustration of ", "a painting of "];

    /// <param name="drop">Probability with which colour, terrain and time are left out, each.</param>
    public static Caption Of(Scene scene, Random random, double drop)
    {
        var named = Scene.Attributes.ToHashSet();
        var subject = Say(SceneAttribute.Subject);
        var color = Optional(SceneAttribute.Color);
        var noun = color.Length > 0 ? $"{color} {subject}" : subject;
        noun = ("aeiou".Contains(noun[0]) ? "an " : "a ") + noun;
        var terrain = Optional(SceneAttribute.Terrain);
        var time = Optional(SceneAttribute.Time);
        var extra = Say(SceneAttribute.Extra);
        var style = Say(SceneAttribute.Style);
        var text = Styled(Arrange(noun, Preposition(scene, random), terrain, time, random) + Lead(" ", extra), style, random);
        return new Caption(random.NextDouble() < .25 ? Pick(Frames, random) + text : text, named);

        string Say(SceneAttribute attribute) => Pick(Vocabulary.Wordings(attribute, scene[attribute]), random);

        string Optional(SceneAttribute attribute)
        {
            if (random.NextDouble() >= drop)
                return Say(attribute);
            named.Remove(attribute);
            return "";
        }
    }

    private static string Arrange(string noun, string over, string terrain, string time, Random random)
    {
        var form = random.NextDouble();
        var place = terrain.Length > 0 ? $" {over} {terrain}" : "";
        if (terrain.Length > 0 && form < .22)
            return $"{terrain}{Lead(" ", time)} with {noun}";
        if (time.Length > 0 && form < .36)
            return $"{time}, {noun}{place}";
        return noun + place + Lead(" ", time);
    }

    private static string Styled(string text, string style, Random random)
    {
        if (style.Length == 0)
            return text;
        var isThing = style.EndsWith("painting", StringComparison.Ordinal) || style.EndsWith("sketch", StringComparison.Ordinal);
        return isThing && random.NextDouble() < .5 ? $"{style} of {text}" : $"{text}, {style}";
    }

    private static string Preposition(Scene scene, Random random) => Pick(
        Vocabulary.Flies(scene.Subject) ? ["over", "above", "flying over"]
        : scene.Terrain == "sea" ? ["on", "floating on", "out on"]
        : ["in front of", "near", "by"], random);

    private static string Lead(string space, string text) => text.Length > 0 ? space + text : "";

    private static string Pick(IReadOnlyList<string> words, Random random) => words[random.Next(words.Count)];
}
