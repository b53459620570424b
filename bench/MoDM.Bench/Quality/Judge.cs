using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using MoDM.Bench.Traces;
using MoDM.Onnx;

namespace MoDM.Bench.Quality;

/// <summary>What the judge reads off a picture.</summary>
internal sealed record Reading(float[] Features, Scene Guess);

/// <summary>The demo models' classifier of attributes (models/judge): 64 x 64 pixels from -1 to 1, six heads.</summary>
internal sealed class Judge : IDisposable
{
    private const int Edge = 64;
    private static readonly string[] Heads = [.. Scene.Attributes.Select(a => a.ToString().ToLowerInvariant())];

    private readonly OnnxModel _model;
    private readonly string[][] _labels;
    private readonly int _features;

    private Judge(OnnxModel model, string[][] labels)
    {
        (_model, _labels) = (model, labels);
        _features = model.RequireOutput("features").Dimensions[^1];
    }

    /// <param name="folder">With model.onnx and labels.json.</param>
    public static Judge Load(string folder, int threads)
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "labels.json")));
        string[][] labels = [.. Heads.Select(h => file.RootElement.GetProperty(h).EnumerateArray().Select(v => v.GetString()!).ToArray())];
        return new Judge(OnnxModel.Load(Path.Combine(folder, "model.onnx"), new OnnxOptions { Threads = threads, Spinning = false }), labels);
    }

    public Reading Read(RgbImage image)
    {
        var pixels = new float[3 * Edge * Edge];
        ImageTensor.Write(image.Cover(Edge, Edge), pixels);
        var outputs = Heads.Select((_, i) => new float[_labels[i].Length]).Prepend(new float[_features]).ToArray();
        using var input = OrtValue.CreateTensorValueFromMemory(pixels, [1, 3, Edge, Edge]);
        var values = outputs.Select(o => OrtValue.CreateTensorValueFromMemory(o, [1, o.Length])).ToArray();
        try
        {
            _model.Run(["pixel_values"], [input], ["features", .. Heads], values);
        }
        finally
        {
            foreach (var value in values)
                value.Dispose();
        }
        var guess = _labels.Select((l, i) => l[Array.IndexOf(outputs[i + 1], outputs[i + 1].Max())]).ToArray();
        return new Reading(outputs[0], new Scene(guess[0], guess[1], guess[2], guess[3], guess[4], guess[5]));
    }

    public void Dispose() => _model.Dispose();
}
