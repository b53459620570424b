using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Microsoft.ML.Tokenizers;
using MoDM.Bench.Scoring;
using MoDM.Onnx;

namespace MoDM.Bench.Stories;

/// <summary>
/// An encoder of BERT's kind in a folder: <c>vocab.txt</c> (WordPiece) and <c>model.onnx</c>, int64 <c>input_ids</c>,
/// <c>attention_mask</c> and, if it wants them, <c>token_type_ids</c> (1, N) to <c>last_hidden_state</c> (1, N, D). Texts are cut to
/// <c>max_position_embeddings</c> of config.json (512), and keep their letters' case if tokenizer_config.json has
/// <c>do_lower_case</c> false.
/// </summary>
internal sealed class BertEncoder : ITokenEncoder
{
    private static readonly string[] Known = ["input_ids", "attention_mask", "token_type_ids"];

    private readonly OnnxModel _model;
    private readonly BertTokenizer _tokenizer;
    private readonly string[] _inputs;
    private readonly int _width, _most;
    private readonly bool _lower;

    /// <exception cref="ModelException">A file is missing or does not fit.</exception>
    public BertEncoder(string folder)
    {
        _lower = Setting(folder, "tokenizer_config.json", "do_lower_case") is not { ValueKind: JsonValueKind.False };
        _most = Setting(folder, "config.json", "max_position_embeddings") is { ValueKind: JsonValueKind.Number } most ? most.GetInt32() : 512;
        var vocabulary = Path.Combine(folder, "vocab.txt");
        try
        {
            _tokenizer = BertTokenizer.Create(vocabulary, new BertOptions { LowerCaseBeforeTokenization = _lower, RemoveNonSpacingMarks = _lower });
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or KeyNotFoundException or IOException)
        {
            throw new ModelException($"{vocabulary}: is no WordPiece vocabulary: {e.Message}");
        }
        _model = OnnxModel.Load(Path.Combine(folder, "model.onnx"), new OnnxOptions());
        _inputs = [.. _model.Inputs.Select(i => i.Name)];
        try
        {
            if (!_inputs.Contains("input_ids") || _model.Inputs.Any(i => !Known.Contains(i.Name) || i.Type != TensorElementType.Int64))
                throw new ModelException($"{_model.File}: has inputs {string.Join(", ", _model.Inputs.Select(i => $"{i.Name} ({i.Type})"))}; supported are {string.Join(", ", Known)}, of int64.");
            _width = _model.RequireOutput("last_hidden_state").Dimensions is [_, _, > 0 and var width]
                ? width
                : throw new ModelException($"{_model.File}: last_hidden_state is not (1, N, D) with a fixed D.");
        }
        catch
        {
            _model.Dispose();
            throw;
        }
    }

    public int[] Bordered(string text)
    {
        // The tokenizer takes accents off by string.Normalize, which does nothing where globalization is invariant.
        var ids = _tokenizer.EncodeToIds(_lower ? UnicodeNfc.Decompose(text) : text, addSpecialTokens: true);
        return ids.Count <= _most ? [.. ids] : [.. ids.Take(_most - 1), ids[^1]];
    }

    public EmbeddedText Embed(int[] ids, double[] weights)
    {
        var hidden = new float[ids.Length * _width];
        long[] shape = [1, ids.Length];
        var inputs = _inputs.Select(name => OrtValue.CreateTensorValueFromMemory(
            [.. ids.Select(id => name switch { "input_ids" => id, "attention_mask" => 1L, _ => 0L })], shape)).ToList();
        using var output = OrtValue.CreateTensorValueFromMemory(hidden, [.. shape, _width]);
        try
        {
            _model.Run(_inputs, inputs, ["last_hidden_state"], [output]);
        }
        finally
        {
            inputs.ForEach(i => i.Dispose());
        }
        return new EmbeddedText([.. hidden.Chunk(_width)], weights);
    }

    public void Dispose() => _model.Dispose();

    private static JsonElement? Setting(string folder, string name, string field)
    {
        var file = Path.Combine(folder, name);
        return File.Exists(file) && JsonFile.Read(file).TryGetProperty(field, out var value) ? value : null;
    }
}
