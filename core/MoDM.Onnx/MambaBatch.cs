using Microsoft.ML.OnnxRuntime;

namespace MoDM.Onnx;

/// <summary>
/// Texts that are written on together, a token each a step. A text joins and leaves by copying its block of state; steps in
/// between copy and allocate nothing on a CPU: two sets of states take turns as input and output. For one thread.
/// </summary>
public sealed class MambaBatch : IDisposable
{
    internal static readonly string[] Inputs = ["input_ids", "logits_from", "conv_state", "ssm_state"];
    private static readonly string[] Outputs = ["logits", "conv_state_out", "ssm_state_out"];

    private readonly OnnxModel _model;
    private readonly MambaShape _shape;
    private readonly long[] _tokens;
    private readonly float[] _logits;
    private readonly float[][] _conv, _ssm;
    private readonly OrtValue _last = OrtValue.CreateTensorValueFromMemory(new long[] { -1 }, [1]);

    // Of each number of texts, made when first needed; the second index is the set that is read.
    private readonly (OrtValue[] Inputs, OrtValue[] Outputs)?[,] _bound;
    private int _current;

    internal MambaBatch(OnnxModel model, MambaShape shape, int capacity)
    {
        (_model, _shape, Capacity) = (model, shape, capacity);
        _tokens = new long[capacity];
        _logits = new float[capacity * shape.Vocabulary];
        _conv = [new float[capacity * shape.ConvSize], new float[capacity * shape.ConvSize]];
        _ssm = [new float[capacity * shape.SsmSize], new float[capacity * shape.SsmSize]];
        _bound = new (OrtValue[], OrtValue[])?[capacity + 1, 2];
    }

    public int Capacity { get; }

    /// <summary>Texts in it, in rows from 0.</summary>
    public int Count { get; private set; }

    /// <summary>Takes in a text that has been read so far; its row is the last. The state may be used again.</summary>
    public void Join(MambaState state)
    {
        if (Count == Capacity)
            throw new InvalidOperationException($"The batch has its {Capacity} texts.");
        state.Conv.Span.CopyTo(Row(_conv[_current], Count, _shape.ConvSize));
        state.Ssm.Span.CopyTo(Row(_ssm[_current], Count, _shape.SsmSize));
        Count++;
    }

    /// <summary>Lets go of a text; the one in the last row takes its place.</summary>
    public void Leave(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Count);
        Count--;
        if (row == Count)
            return;
        Row(_conv[_current], Count, _shape.ConvSize).CopyTo(Row(_conv[_current], row, _shape.ConvSize));
        Row(_ssm[_current], Count, _shape.SsmSize).CopyTo(Row(_ssm[_current], row, _shape.SsmSize));
    }

    /// <summary>One step of all texts.</summary>
    /// <param name="tokens">The next token of each row.</param>
    /// <returns>The time spent inside ONNX Runtime.</returns>
    public TimeSpan Step(ReadOnlySpan<int> tokens)
    {
        if (tokens.Length != Count || Count == 0)
            throw new ArgumentException($"{tokens.Length} tokens for {Count} texts.", nameof(tokens));
        for (var i = 0; i < tokens.Length; i++)
            _tokens[i] = tokens[i];
        var (inputs, outputs) = _bound[Count, _current] ??= Bind();
        var time = _model.Run(Inputs, inputs, Outputs, outputs);
        _current = 1 - _current;
        return time;
    }

    /// <summary>A row's logits (vocabulary) after a step.</summary>
    public Span<float> Logits(int row) => Row(_logits, row, _shape.Vocabulary);

    public void Dispose()
    {
        _last.Dispose();
        foreach (var bound in _bound)
        {
            if (bound is not { } values)
                continue;
            foreach (var value in values.Inputs.Concat(values.Outputs).Where(v => v != _last))
                value.Dispose();
        }
    }

    private (OrtValue[], OrtValue[]) Bind() => (
    [
        OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, _tokens.AsMemory(0, Count), [Count, 1]),
        _last,
        MambaModel.Value(_conv[_current].AsMemory(0, Count * _shape.ConvSize), _shape.ConvShape(Count)),
        MambaModel.Value(_ssm[_current].AsMemory(0, Count * _shape.SsmSize), _shape.SsmShape(Count)),
    ],
    [
        MambaModel.Value(_logits.AsMemory(0, Count * _shape.Vocabulary), [Count, 1, _shape.Vocabulary]),
        MambaModel.Value(_conv[1 - _current].AsMemory(0, Count * _shape.ConvSize), _shape.ConvShape(Count)),
        MambaModel.Value(_ssm[1 - _current].AsMemory(0, Count * _shape.SsmSize), _shape.SsmShape(Count)),
    ]);

    private static Span<float> Row(float[] values, int row, int size) => values.AsSpan(row * size, size);
}
