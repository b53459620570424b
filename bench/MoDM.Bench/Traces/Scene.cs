namespace MoDM.Bench.Traces;

/// <summary>In the order of the judge's outputs.</summary>
internal enum SceneAttribute { Subject, Color, Terrain, Time, Extra, Style }

/// <summary>What a postcard shows.</summary>
internal sealed record Scene(string Subject, string Color, string Terrain, string Time, string Extra, string Style)
{
    public static readonly IReadOnlyList<SceneAttribute> Attributes = Enum.GetValues<SceneAttribute>();

    public string this[SceneAttribute attribute] => attribute switch
    {
        SceneAttribute.Subject => Subject,
        SceneAttribute.Color => Color,
        SceneAttribute.Terrain => Terrain,
        SceneAttribute.Time => Time,
        SceneAttribute.Extra => Extra,
        _ => Style,
    };

    /// <summary>As the models' training data: half of the scenes have no extra, six of ten the plain style.</summary>
    public static Scene Sample(Random random)
    {
        string Pick(SceneAttribute attribute, int from = 0)
        {
            var values = Vocabulary.Values(attribute);
            return values[random.Next(from, values.Count)];
        }
        return new Scene(
            Pick(SceneAttribute.Subject), Pick(SceneAttribute.Color), Pick(SceneAttribute.Terrain), Pick(SceneAttribute.Time),
            random.NextDouble() < .5 ? Vocabulary.None : Pick(SceneAttribute.Extra, from: 1),
            random.NextDouble() < .6 ? Vocabulary.Plain : Pick(SceneAttribute.Style, from: 1));
    }

    /// <summary>The scene with one attribute changed.</summary>
    public Scene Change(Random random)
    {
        var attribute = Attributes[random.Next(Attributes.Count)];
        var others = Vocabulary.Values(attribute).Where(v => v != this[attribute]).ToList();
        return With(attribute, others[random.Next(others.Count)]);
    }

    private Scene With(SceneAttribute attribute, string value) => attribute switch
    {
        SceneAttribute.Subject => this with { Subject = value },
        SceneAttribute.Color => this with { Color = value },
        SceneAttribute.Terrain => this with { Terrain = value },
        SceneAttribute.Time => this with { Time = value },
        SceneAttribute.Extra => this with { Extra = value },
        _ => this with { Style = value },
    };
}
