namespace MoDM.Bench.Traces;

/// <summary>The words of the demo models' picture world (models/training/postcards.py): each value and its wordings.</summary>
internal static class Vocabulary
{
    public const string None = "none";
    public const string Plain = "plain";

    private static readonly string[] Colors = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black"];
    private static readonly HashSet<string> Flying = ["balloon", "kite", "rocket", "plane", "ufo"];

    private static readonly Dictionary<SceneAttribute, (string Value, string[] Wordings)[]> Words = new()
    {
        [SceneAttribute.Subject] =
        [
            ("balloon", ["hot air balloon", "balloon"]), ("kite", ["kite", "diamond kite"]), ("rocket", ["rocket", "space rocket"]),
            ("plane", ["airplane", "plane"]), ("ufo", ["flying saucer", "ufo"]), ("sailboat", ["sailboat", "sailing boat"]),
            ("lighthouse", ["lighthouse", "striped lighthouse"]), ("cabin", ["cabin", "small house"]),
            ("windmill", ["windmill", "old windmill"]), ("castle", ["castle", "fortress"]), ("tent", ["tent", "camping tent"]),
            ("car", ["car", "little car"]), ("tree", ["tree", "round tree"]), ("umbrella", ["umbrella", "beach umbrella"]),
            ("robot", ["robot", "friendly robot"]), ("cat", ["cat", "sitting cat"]),
        ],
        [SceneAttribute.Color] = [.. Colors.Select(c => (c, new[] { c }))],
        [SceneAttribute.Terrain] =
        [
            ("mountains", ["snowy mountains", "the mountains", "snow capped peaks"]), ("hills", ["green hills", "rolling hills", "a meadow"]),
            ("desert", ["desert dunes", "the desert", "golden sand dunes"]), ("sea", ["the sea", "the ocean", "calm water"]),
            ("city", ["a city skyline", "the city", "tall buildings"]), ("forest", ["a pine forest", "the forest", "tall pine trees"]),
            ("canyon", ["a red canyon", "the canyon", "red rock cliffs"]),
        ],
        [SceneAttribute.Time] =
        [
            ("sunrise", ["at sunrise", "at dawn", "in the early morning"]), ("noon", ["at noon", "on a sunny day", "on a clear day"]),
            ("sunset", ["at sunset", "at dusk", "in the evening glow"]), ("night", ["at night", "at midnight", "on a dark night"]),
            ("cloudy", ["on a cloudy day", "under grey clouds", "in the rain"]), ("aurora", ["under the northern lights", "under an aurora"]),
        ],
        [SceneAttribute.Extra] =
        [
            (None, [""]), ("moon", ["with a full moon", "and a big moon"]), ("rainbow", ["with a rainbow", "and a rainbow"]),
            ("birds", ["with flying birds", "and birds"]), ("stars", ["with stars", "and a starry sky"]),
            ("fireworks", ["with fireworks", "and fireworks"]),
        ],
        [SceneAttribute.Style] =
        [
            (Plain, [""]), ("watercolor", ["in watercolor", "watercolor painting"]), ("pixel", ["in pixel art style", "pixel art"]),
            ("sketch", ["pencil sketch", "in black and white"]), ("neon", ["in neon colors", "synthwave style"]),
        ],
    };

    private static readonly Dictionary<SceneAttribute, IReadOnlyList<string>> ValuesOf =
        Words.ToDictionary(w => w.Key, w => (IReadOnlyList<string>)[.. w.Value.Select(v => v.Value)]);

    /// <summary>In the order of the judge's labels.</summary>
    public static IReadOnlyList<string> Values(SceneAttribute attribute) => ValuesOf[attribute];

    /// <summary>The ways to say a value; empty text where it goes without saying.</summary>
    public static IReadOnlyList<string> Wordings(SceneAttribute attribute, string value) =>
        Words[attribute].First(w => w.Value == value).Wordings;

    public static bool Flies(string subject) => Flying.Contains(subject);
}
