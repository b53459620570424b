using System.Text.Json;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Gateway.Tests.Importing;

/// <summary>Small pictures to import, each of its own colours.</summary>
internal static class Paintings
{
    public static RgbImage Picture(int i)
    {
        var random = new Random(i);
        var pixels = new byte[3 * 16 * 12];
        random.NextBytes(pixels);
        return new RgbImage(16, 12, pixels);
    }

    public static byte[] Png(int i) => Picture(i).Encode(ImageEncoding.Png);

    /// <summary>A folder with so many pictures and a metadata.jsonl.</summary>
    public static string Folder(int pictures)
    {
        var folder = TempFolder.New();
        for (var i = 0; i < pictures; i++)
            File.WriteAllBytes(Path.Combine(folder, $"{i:0000}.png"), Png(i));
        File.WriteAllLines(Path.Combine(folder, "metadata.jsonl"), Enumerable.Range(0, pictures).Select(i => Line($"{i:0000}.png", $"picture {i}")));
        return folder;
    }

    public static string Line(string file, string prompt) => JsonSerializer.Serialize(new { file_name = file, text = prompt });
}
