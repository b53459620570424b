using System.Numerics.Tensors;
using MoDM.Bench.Load;
using MoDM.Bench.Traces;
using MoDM.Onnx;

namespace MoDM.Bench.Quality;

/// <param name="ClipScore">Mean cosine of prompt and picture in the mixture's own embedder.</param>
/// <param name="Accuracy">Null for a trace without scenes, or when there is no judge.</param>
internal sealed record QualityFigures(double ClipScore, AttributeAccuracy? Accuracy);

/// <summary>Pictures of one replay, measured.</summary>
internal sealed record MeasuredPictures(QualityFigures Figures, IReadOnlyList<float[]> Features);

/// <summary>Measures pictures with the mixture's embedder and, where there is one, the judge beside it.</summary>
internal sealed class QualityMeter : IDisposable
{
    private readonly ClipEmbedder _embedder;
    private readonly Judge? _judge;

    private QualityMeter(ClipEmbedder embedder, Judge? judge) => (_embedder, _judge) = (embedder, judge);

    /// <param name="embedderFolder">The judge is the folder <c>judge</c> beside it.</param>
    public static QualityMeter Load(string embedderFolder, int threads)
    {
        var judge = Path.Combine(embedderFolder, "..", "judge");
        return new QualityMeter(ClipEmbedder.Load(embedderFolder, threads), Directory.Exists(judge) ? Judge.Load(judge, threads) : null);
    }

    /// <summary>Requests without a picture are left out.</summary>
    public MeasuredPictures Measure(IEnumerable<Outcome> outcomes)
    {
        var cosines = new List<double>();
        var features = new List<float[]>();
        var seen = new List<(TraceEntry, Scene)>();
        foreach (var outcome in outcomes.Where(o => o.Answer.Error is null))
        {
            var image = RgbImage.Decode(outcome.Answer.Png);
            cosines.Add(TensorPrimitives.Dot<float>(_embedder.EmbedText(outcome.Entry.Prompt).Vector, _embedder.EmbedImage(image)));
            if (_judge?.Read(image) is not { } reading)
                continue;
            features.Add(reading.Features);
            seen.Add((outcome.Entry, reading.Guess));
        }
        var accuracy = seen.Exists(s => s.Item1.Scene is not null) ? AttributeAccuracy.Of(seen) : null;
        return new(new(cosines.Count > 0 ? cosines.Average() : double.NaN, accuracy), features);
    }

    public void Dispose()
    {
        _embedder.Dispose();
        _judge?.Dispose();
    }
}
