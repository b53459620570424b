using System.Globalization;
using System.Text.Json;
using MoDM.Bench.Traces;
using MoDM.Onnx;

namespace MoDM.Bench.Importing;

/// <summary>A folder of pictures for an import, in the imagefolder layout: simple landscapes, no two alike.</summary>
internal static class PaintedFolder
{
    public const int Side = 128;

    /// <returns>The pictures' files.</returns>
    public static IReadOnlyList<string> Paint(string folder, int pictures, int seed)
    {
        var random = new Random(seed);
        var files = new List<string>();
        using var metadata = File.CreateText(Path.Combine(folder, "metadata.jsonl"));
        for (var i = 0; i < pictures; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{i:00000}.png");
            files.Add(Path.Combine(folder, name));
            File.WriteAllBytes(files[^1], Landscape(random).Encode(ImageEncoding.Png));
            metadata.WriteLine(JsonSerializer.Serialize(new { file_name = name, prompt = Caption.Of(Scene.Sample(random), random, drop: 0).Text }));
        }
        return files;
    }

    /// <summary>A sky that shades off, a sun, three ranges of hills.</summary>
    private static RgbImage Landscape(Random random)
    {
        byte[] Colour() => [(byte)random.Next(256), (byte)random.Next(256), (byte)random.Next(256)];
        var (above, below, sun) = (Colour(), Colour(), Colour());
        var (sunX, sunY, radius) = (random.Next(Side), random.Next(Side / 2), random.Next(5, 20));
        var hills = Enumerable.Range(0, 3)
            .Select(i => (Base: Side / 2 + 18 * i, Height: random.Next(4, 20), Length: 8 + 30 * random.NextDouble(), Start: 6 * random.NextDouble(), Colour: Colour()))
            .ToList();
        var pixels = new byte[3 * Side * Side];
        for (var y = 0; y < Side; y++)
        {
            for (var x = 0; x < Side; x++)
            {
                var colour = (x - sunX) * (x - sunX) + (y - sunY) * (y - sunY) < radius * radius ? sun : null;
                foreach (var hill in hills)
                    if (y > hill.Base + hill.Height * Math.Sin(hill.Start + x / hill.Length)) colour = hill.Colour;
                for (var c = 0; c < 3; c++)
                    pixels[3 * (y * Side + x) + c] = colour?[c] ?? (byte)((above[c] * (Side - y) + below[c] * y) / Side);
            }
        }
        return new RgbImage(Side, Side, pixels);
    }
}
