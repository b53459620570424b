using System.Numerics.Tensors;
using Microsoft.ML.OnnxRuntime;

namespace MoDM.Onnx;

/// <summary>
/// What a network remembers of one text: convolution and recurrent state in one block (95 KB in the demo model). Two blocks
/// take turns, one read while the other is written. Starts as the beginning of a text.
/// </summary>
public sealed class MambaState(MambaShape shape)
{
    private readonly float[][] _blocks = [new float[shape.ConvSize + shape.SsmSize], new float[shape.ConvSize + shape.SsmSize]];
    private int _current;

    internal Memory<float> Conv => _blocks[_current].AsMemory(0, shape.ConvSize);
    internal Memory<float> Ssm => _blocks[_current].AsMemory(shape.ConvSize);
    internal Memory<float> NextConv => _blocks[1 - _current].AsMemory(0, shape.ConvSize);
    internal Memory<float> NextSsm => _blocks[1 - _current].AsMemory(shape.ConvSize);

    /// <summary>Back to the beginning of a text.</summary>
    public void Clear() => Array.Clear(_blocks[_current]);

    internal void Turn() => _current = 1 - _current;
}

/// <summary>
/// A Mamba language model: one recurrent network for texts of any length and for single tokens. Its cost a token does not
/// grow with the text. Safe for concurrent use, each text with its own state.
/// </summary>
public sealed class MambaModel : IDisposable
{
    /// <summary>Tokens read at a time where all logits are wanted; bounds their memory.</summary>
    private const int Piece = 64;

    private static readonly long[] All = [0], Last = [-1];

    private readonly OnnxModel _model;

    private MambaModel(OnnxModel model)
    {
        _model = model;
        Shape = MambaShape.Of(model);
    }

    public MambaShape Shape { get; }

    /// <param name="file">As <c>models/README.md</c> describes: inputs input_ids, logits_from, conv_state, ssm_state.</param>
    /// <exception cref="ModelException">The file is missing, or is another kind of network.</exception>
    public static MambaModel Load(string file, OnnxOptions options)
    {
        var model = OnnxModel.Load(file, options);
        try
        {
            return new MambaModel(model);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Texts that are written on together, up to <paramref name="capacity"/>.</summary>
    public MambaBatch NewBatch(int capacity) => new(_model, Shape, capacity);

    /// <summary>Reads on in a text and moves its state; a long text may be read in pieces, with the same outcome.</summary>
    /// <param name="ids">At least one token.</param>
    /// <param name="logits">(vocabulary) of the last token, or (ids, vocabulary) of each: its length decides.</param>
    /// <param name="hidden">(ids, d_model), or empty: final normalised hidden states, embeddings of the tokens.</param>
    /// <returns>The time spent inside ONNX Runtime.</returns>
    public TimeSpan Read(ReadOnlySpan<int> ids, MambaState state, Memory<float> logits, Memory<float> hidden = default)
    {
        var all = ids.Length > 1 && logits.Length == ids.Length * Shape.Vocabulary;
        if (ids.IsEmpty || !all && logits.Length != Shape.Vocabulary)
            throw new ArgumentException($"{logits.Length} logits cannot be those of {ids.Length} tokens.", nameof(logits));
        var tokens = new long[ids.Length];
        TensorPrimitives.ConvertTruncating(ids, tokens);
        List<string> outputs = ["logits", "conv_state_out", "ssm_state_out"];
        List<OrtValue> results = [];
        List<OrtValue> inputs = [];
        try
        {
            inputs.Add(OrtValue.CreateTensorValueFromMemory(tokens, [1, ids.Length]));
            inputs.Add(OrtValue.CreateTensorValueFromMemory(all ? All : Last, [1]));
            inputs.Add(Value(state.Conv, Shape.ConvShape(1)));
            inputs.Add(Value(state.Ssm, Shape.SsmShape(1)));
            results.Add(Value(logits, [1, all ? ids.Length : 1, Shape.Vocabulary]));
            results.Add(Value(state.NextConv, Shape.ConvShape(1)));
            results.Add(Value(state.NextSsm, Shape.SsmShape(1)));
            if (!hidden.IsEmpty)
            {
                outputs.Add("hidden");
                results.Add(Value(hidden, [1, ids.Length, Shape.Model]));
            }
            var time = _model.Run(MambaBatch.Inputs, inputs, outputs, results);
            state.Turn();
            return time;
        }
        finally
        {
            foreach (var value in inputs.Concat(results))
                value.Dispose();
        }
    }

    /// <summary>-ln p of each token but the first, given those before it; exp of their mean is the text's perplexity.</summary>
    public double[] Losses(ReadOnlySpan<int> ids)
    {
        var losses = new double[Math.Max(ids.Length - 1, 0)];
        var state = new MambaState(Shape);
        var logits = new float[Piece * Shape.Vocabulary];
        for (var from = 0; from < losses.Length; from += Piece)
        {
            var piece = ids[from..Math.Min(from + Piece, losses.Length)];
            Read(piece, state, logits.AsMemory(0, piece.Length * Shape.Vocabulary));
            for (var i = 0; i < piece.Length; i++)
                losses[from + i] = Loss(logits.AsSpan(i * Shape.Vocabulary, Shape.Vocabulary), ids[from + i + 1]);
        }
        return losses;
    }

    public void Dispose() => _model.Dispose();

    internal static OrtValue Value(Memory<float> memory, long[] shape) =>
        OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, memory, shape);

    private static double Loss(ReadOnlySpan<float> logits, int token)
    {
        var max = TensorPrimitives.Max(logits);
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - max);
        return max + Math.Log(sum) - logits[token];
    }
}
