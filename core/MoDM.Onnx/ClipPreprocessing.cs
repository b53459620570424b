using System.Text.Json;

namespace MoDM.Onnx;

/// <summary>
/// transformers' CLIPImageProcessor, as preprocessor_config.json describes it: the shorter edge resized with Pillow's
/// bicubic, the middle cut out, scaled and normalised.
/// </summary>
internal sealed class ClipPreprocessing
{
    private readonly int _edge;
    private readonly float _scale;
    private readonly float[] _mean, _deviation;

    private ClipPreprocessing(int edge, int width, int height, float scale, float[] mean, float[] deviation)
    {
        (_edge, Width, Height) = (edge, width, height);
        (_scale, _mean, _deviation) = (scale, mean, deviation);
    }

    public int Width { get; }
    public int Height { get; }

    public static ClipPreprocessing Load(string file)
    {
        var config = JsonFile.Read(file);
        try
        {
            if (config.TryGetProperty("resample", out var resample) && resample.GetInt32() != 3)
                throw new ModelException($"{file}: resample is {resample}; only 3 (bicubic) is supported.");
            foreach (var flag in new[] { "do_resize", "do_center_crop", "do_rescale", "do_normalize" })
            {
                if (config.TryGetProperty(flag, out var value) && value.ValueKind == JsonValueKind.False)
                    throw new ModelException($"{file}: {flag} is false; only true is supported.");
            }
            var size = config.GetProperty("size");
            var edge = (size.ValueKind == JsonValueKind.Object ? size.GetProperty("shortest_edge") : size).GetInt32();
            var crop = config.GetProperty("crop_size");
            var (width, height) = crop.ValueKind == JsonValueKind.Object
                ? (crop.GetProperty("width").GetInt32(), crop.GetProperty("height").GetInt32())
                : (crop.GetInt32(), crop.GetInt32());
            if (edge < width || edge < height || width < 1 || height < 1)
                throw new ModelException($"{file}: crop_size {width} x {height} does not fit in shortest_edge {edge}.");
            // OpenAI's own configs are older than the field.
            var scale = config.TryGetProperty("rescale_factor", out var factor) ? factor.GetSingle() : 1 / 255f;
            return new ClipPreprocessing(edge, width, height, scale, Three("image_mean"), Three("image_std"));
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ModelException(
                $"{file}: needs size, crop_size, image_mean and image_std of the right types: {e.Message}", e);
        }

        float[] Three(string name)
        {
            var values = config.GetProperty(name).EnumerateArray().Select(v => v.GetSingle()).ToArray();
            return values.Length == 3 ? values : throw new ModelException($"{file}: {name} has {values.Length} values, not 3.");
        }
    }

    /// <param name="target">3 * Width * Height values, channel by channel.</param>
    public void Write(RgbImage image, Span<float> target)
    {
        // int() truncates here, as transformers does it.
        var (w, h) = (image.Width, image.Height);
        var size = w <= h ? (_edge, (int)((double)((long)_edge * h) / w)) : ((int)((double)((long)_edge * w) / h), _edge);
        var window = ((size.Item1 - Width) / 2, (size.Item2 - Height) / 2, Width, Height);
        var pixels = PillowBicubic.Resize(image.Pixels, w, h, size, window);
        var plane = Width * Height;
        for (var i = 0; i < plane; i++)
        {
            for (var c = 0; c < 3; c++)
                target[c * plane + i] = (pixels[3 * i + c] * _scale - _mean[c]) / _deviation[c];
        }
    }
}
