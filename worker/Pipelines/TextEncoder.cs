using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MoDM.Onnx;

namespace MoDM.Worker.Pipelines;

/// <summary>Prompts to the states that the denoiser attends to, (1, <see cref="Length"/>, <see cref="Width"/>).</summary>
internal sealed class TextEncoder : IDisposable
{
    private readonly OnnxModel _model;
    private readonly ClipTokenizer _tokenizer;
    private readonly bool _narrow;

    public TextEncoder(OnnxModel model, ClipTokenizer tokenizer, int width)
    {
        (_model, _tokenizer, Width) = (model, tokenizer, width);
        if (model.Inputs is not [{ Name: "input_ids", Type: TensorElementType.Int32 or TensorElementType.Int64 }])
            throw new ModelException($"{model.File}: must have input_ids (int32 or int64) as its only input.");
        if (model.RequireOutput("last_hidden_state").Dimensions is not [_, _, var last] || (last > 0 && last != width))
            throw new ModelException($"{model.File}: last_hidden_state is not (N, length, {width}), which the denoiser reads.");
        _narrow = model.Inputs[0].Type == TensorElementType.Int32;
    }

    public int Length => _tokenizer.MaxLength;
    public int Width { get; }

    public float[] Encode(string prompt, ref TimeSpan inside)
    {
        var ids = _tokenizer.Encode(prompt).Ids;
        var states = new float[Length * Width];
        using var input = _narrow
            ? OrtValue.CreateTensorValueFromMemory(ids, [1, Length])
            : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(ids, i => (long)i), [1, Length]);
        using var output = OrtValue.CreateTensorValueFromMemory(states, [1, Length, Width]);
        inside += _model.Run(["input_ids"], [input], ["last_hidden_state"], [output]);
        return states;
    }

    public void Dispose() => _model.Dispose();
}
