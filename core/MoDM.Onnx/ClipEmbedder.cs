using System.Buffers;
using System.Numerics.Tensors;
using System.Security.Cryptography;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MoDM.Onnx;

/// <param name="Vector">Of length 1.</param>
/// <param name="Truncated">The prompt is longer than the model reads, so prompts that differ later look the same.</param>
public readonly record struct TextEmbedding(float[] Vector, bool Truncated);

/// <summary>
/// CLIP's two encoders (Radford et al. 2021), which put prompts and pictures into one space. Vectors have length 1, so a
/// dot product is the cosine. Safe for concurrent use.
/// </summary>
public sealed class ClipEmbedder : IDisposable
{
    private readonly OnnxModel _text, _vision;
    private readonly ClipTokenizer _tokenizer;
    private readonly ClipPreprocessing _preprocessing;
    private readonly string[] _textInputs;

    private ClipEmbedder(
        OnnxModel text, OnnxModel vision, ClipTokenizer tokenizer, ClipPreprocessing preprocessing, string revision)
    {
        (_text, _vision, _tokenizer, _preprocessing) = (text, vision, tokenizer, preprocessing);
        Revision = revision;
        _textInputs = [.. text.Inputs.Select(i => i.Name)];
        Dimension = Width(text.RequireOutput("text_embeds"), text.File);
        var other = Width(vision.RequireOutput("image_embeds"), vision.File);
        if (Dimension != other)
        {
            throw new ModelException(
                $"{vision.File}: embeds in {other} dimensions, {text.File} in {Dimension}; they are not a pair.");
        }
        if (_textInputs.Except(["input_ids", "attention_mask"]).Any() || !_textInputs.Contains("input_ids"))
        {
            throw new ModelException(
                $"{text.File}: has inputs {string.Join(", ", _textInputs)}; input_ids and attention_mask are supported.");
        }
        if (vision.Inputs.Count != 1 || vision.Inputs[0].Name != "pixel_values")
            throw new ModelException($"{vision.File}: has other inputs than pixel_values.");
    }

    public int Dimension { get; }

    /// <summary>Hash of the model files: vectors of different revisions are not comparable.</summary>
    public string Revision { get; }

    /// <summary>Reads text_model.onnx, vision_model.onnx, preprocessor_config.json and tokenizer/.</summary>
    /// <exception cref="ModelException">A file is missing or does not fit.</exception>
    public static ClipEmbedder Load(string folder, int threads)
    {
        var options = new OnnxOptions { Threads = threads, Spinning = false };
        string textFile = Path.Combine(folder, "text_model.onnx"), visionFile = Path.Combine(folder, "vision_model.onnx");
        var tokenizer = ClipTokenizer.Load(Path.Combine(folder, "tokenizer"));
        var preprocessing = ClipPreprocessing.Load(Path.Combine(folder, "preprocessor_config.json"));
        var text = OnnxModel.Load(textFile, options);
        try
        {
            var vision = OnnxModel.Load(visionFile, options);
            try
            {
                return new ClipEmbedder(text, vision, tokenizer, preprocessing, Hash(folder));
            }
            catch
            {
                vision.Dispose();
                throw;
            }
        }
        catch
        {
            text.Dispose();
            throw;
        }
    }

    public TextEmbedding EmbedText(string prompt)
    {
        var tokens = _tokenizer.Encode(prompt);
        var inputs = new OrtValue[_textInputs.Length];
        try
        {
            for (var i = 0; i < inputs.Length; i++)
                inputs[i] = Whole(tokens, _textInputs[i] == "input_ids", _text.Inputs[i].Type);
            return new TextEmbedding(Run(_text, _textInputs, inputs, "text_embeds", 1)[0], tokens.Truncated);
        }
        finally
        {
            foreach (var input in inputs)
                input?.Dispose();
        }
    }

    /// <summary>As <see cref="TextEmbedding.Truncated"/> would be, without the network.</summary>
    public bool Truncates(string prompt) => _tokenizer.MayTruncate(prompt) && _tokenizer.Encode(prompt).Truncated;

    public float[] EmbedImage(RgbImage image) => EmbedImages([Preprocess(image)])[0];

    /// <summary>What the network reads of a picture, whatever its size: resized, cut and normalised.</summary>
    /// <returns>3 * width * height values, channel by channel.</returns>
    public float[] Preprocess(RgbImage image)
    {
        var pixels = new float[3 * _preprocessing.Width * _preprocessing.Height];
        _preprocessing.Write(image, pixels);
        return pixels;
    }

    /// <summary>Several at once, which takes less time for each where the network takes a batch (its first axis is free).</summary>
    /// <param name="pictures">As <see cref="Preprocess"/> gives them.</param>
    /// <returns>A vector of each, in their order.</returns>
    public float[][] EmbedImages(IReadOnlyList<float[]> pictures)
    {
        if (pictures.Count > 1 && _vision.Inputs[0].Dimensions[0] == 1) return [.. pictures.Select(p => EmbedImages([p])[0])];
        var size = 3 * _preprocessing.Width * _preprocessing.Height;
        var all = ArrayPool<float>.Shared.Rent(pictures.Count * size);
        try
        {
            for (var i = 0; i < pictures.Count; i++)
                pictures[i].CopyTo(all, i * size);
            using var input = OrtValue.CreateTensorValueFromMemory(
                OrtMemoryInfo.DefaultInstance, all.AsMemory(0, pictures.Count * size), [pictures.Count, 3, _preprocessing.Height, _preprocessing.Width]);
            return Run(_vision, ["pixel_values"], [input], "image_embeds", pictures.Count);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(all);
        }
    }

    public void Dispose()
    {
        _text.Dispose();
        _vision.Dispose();
    }

    private float[][] Run(OnnxModel model, string[] names, OrtValue[] inputs, string output, int count)
    {
        var vectors = new float[count * Dimension];
        using var value = OrtValue.CreateTensorValueFromMemory(vectors, [count, Dimension]);
        model.Run(names, inputs, [output], [value]);
        var each = new float[count][];
        for (var i = 0; i < count; i++)
        {
            var vector = each[i] = vectors[(i * Dimension)..((i + 1) * Dimension)];
            TensorPrimitives.Divide(vector, TensorPrimitives.Norm<float>(vector), vector);
        }
        return each;
    }

    private static OrtValue Whole(ClipTokens tokens, bool ids, TensorElementType type)
    {
        long[] shape = [1, tokens.Ids.Length];
        int Value(int i) => ids ? tokens.Ids[i] : i < tokens.Length ? 1 : 0;
        if (type == TensorElementType.Int32)
            return OrtValue.CreateTensorValueFromMemory([.. Enumerable.Range(0, tokens.Ids.Length).Select(Value)], shape);
        return OrtValue.CreateTensorValueFromMemory(
            [.. Enumerable.Range(0, tokens.Ids.Length).Select(i => (long)Value(i))], shape);
    }

    private static int Width(TensorSpec output, string file) => output.Dimensions is [_, > 0 and var width]
        ? width : throw new ModelException($"{file}: the output {output.Name} is not (batch, fixed width).");

    private static string Hash(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        string[] files =
        [
            "text_model.onnx", "vision_model.onnx", "preprocessor_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
            "tokenizer/tokenizer_config.json",
        ];
        foreach (var file in files)
            hash.AppendData(File.ReadAllBytes(Path.Combine(folder, file)));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8));
    }
}
