using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MoDM.Onnx;

namespace MoDM.Worker.Pipelines;

/// <summary>
/// The network that is run at every step, over memory that is kept between runs: rows of latents and text states in,
/// rows of predictions out.
/// </summary>
internal sealed class Denoiser : IDisposable
{
    private readonly OnnxModel model;
    private readonly string[] inputNames;
    private readonly string output;
    private readonly TensorSpec timestep;
    private readonly int textLength;

    // Values of one shape, replaced when rows or size change.
    private readonly float[] floatTime = new float[64];
    private readonly long[] wholeTime = new long[64];
    private float[] input = [], states = [], prediction = [];
    private (int Rows, int Height, int Width) shape;
    private OrtValue[] inputs = [], outputs = [];

    public Denoiser(OnnxModel model, ModelFamily family, int channels, int textLength)
    {
        (this.model, this.textLength, Channels) = (model, textLength, channels);
        var latents = family == ModelFamily.Flow ? "hidden_states" : "sample";
        inputNames = [latents, "timestep", "encoder_hidden_states"];
        var names = model.Inputs.Select(i => i.Name).ToArray();
        if (names.Length != 3 || inputNames.Except(names).Any())
        {
            throw new ModelException(
                $"{model.File}: has the inputs {string.Join(", ", names)}; supported is exactly {string.Join(", ", inputNames)}.");
        }
        Latents = model.Input(latents)!;
        timestep = model.Input("timestep")!;
        var text = model.Input("encoder_hidden_states")!;
        if (Latents.Type != TensorElementType.Float || text.Type != TensorElementType.Float)
            throw new ModelException($"{model.File}: has inputs of {Latents.Type}; float32 is supported.");
        if (timestep.Type is not (TensorElementType.Float or TensorElementType.Int64) || timestep.Dimensions.Count > 1)
            throw new ModelException($"{model.File}: timestep must be a float or int64 scalar or vector.");
        if (Latents.Dimensions is not [_, var c, _, _] || (c > 0 && c != channels))
            throw new ModelException($"{model.File}: {latents} must be (N, {channels}, height, width).");
        if (text.Dimensions is not [_, var l, > 0 and var width] || (l > 0 && l != textLength))
            throw new ModelException($"{model.File}: encoder_hidden_states must be (N, {textLength}, fixed width).");
        TextWidth = width;
        output = model.Outputs[0].Name;
    }

    public int Channels { get; }
    public TensorSpec Latents { get; }
    public int TextWidth { get; }

    private int RowSize => Channels * shape.Height * shape.Width;
    private int TextSize => textLength * TextWidth;

    /// <summary>The most rows of one run.</summary>
    public int MaxRows => floatTime.Length;

    public Span<float> Input(int row) => input.AsSpan(row * RowSize, RowSize);

    public Span<float> States(int row) => states.AsSpan(row * TextSize, TextSize);

    public ReadOnlySpan<float> Prediction(int row) => prediction.AsSpan(row * RowSize, RowSize);

    /// <summary>Makes room for rows of latents; what was written before is lost.</summary>
    public void Prepare(int rows, int height, int width)
    {
        if (shape == (rows, height, width))
            return;
        Release();
        shape = (rows, height, width);
        if (input.Length < rows * RowSize)
            (input, prediction) = (new float[rows * RowSize], new float[rows * RowSize]);
        if (states.Length < rows * TextSize)
            states = new float[rows * TextSize];
        inputs =
        [
            Over(input, rows * RowSize, [rows, Channels, height, width]),
            Time(rows),
            Over(states, rows * TextSize, [rows, textLength, TextWidth]),
        ];
        outputs = [Over(prediction, rows * RowSize, [rows, Channels, height, width])];
    }

    public TimeSpan Run(float time)
    {
        floatTime.AsSpan().Fill(time);
        wholeTime.AsSpan().Fill((long)time);
        return model.Run(inputNames, inputs, [output], outputs);
    }

    public void Dispose()
    {
        Release();
        model.Dispose();
    }

    private OrtValue Time(int rows)
    {
        long[] axes = timestep.Dimensions is [] ? [] : [timestep.Dimensions[0] == 1 ? 1 : rows];
        var count = axes is [var n] ? (int)n : 1;
        return timestep.Type == TensorElementType.Float
            ? Over(floatTime, count, axes)
            : OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, wholeTime.AsMemory(0, count), axes);
    }

    private static OrtValue Over(float[] memory, int count, long[] axes) =>
        OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, memory.AsMemory(0, count), axes);

    private void Release()
    {
        foreach (var value in inputs.Concat(outputs))
            value.Dispose();
        (inputs, outputs) = ([], []);
    }
}
