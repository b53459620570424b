using System.Text.Json;

namespace MoDM.Bench.Comparing;

/// <summary>What the demo models' own evaluation says of the large model (models/quality.json).</summary>
internal sealed record DemoFigures(double ClipCosine, double Subject, double Color, double Terrain, double Time, double MeanOfFour)
{
    /// <returns>Null when the file is not there, as for other models.</returns>
    public static DemoFigures? Read(string file)
    {
        if (!File.Exists(file))
            return null;
        using var document = JsonDocument.Parse(File.ReadAllBytes(file));
        var large = document.RootElement.GetProperty("quality").GetProperty("large from scratch");
        var accuracy = large.GetProperty("attribute accuracy");
        double Share(string name) => accuracy.GetProperty(name).GetDouble();
        return new(large.GetProperty("CLIP cosine").GetDouble(), Share("subject"), Share("color"), Share("terrain"), Share("time"),
            Share("mean of subject, color, terrain, time"));
    }
}
