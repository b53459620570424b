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
    private readonly OnnxModel _model;
    private readonly string[] _inputNames;
    private readonly string _output;
    private readonly TensorSpec _timestep;
    private readonly int _textLength;

    // One a row; twice the largest batch.
    private readonly float[] _floatTime = new float[2 * WorkerOptions.BatchLimit];
    private readonly long[] _wholeTime = new long[2 * WorkerOptions.BatchLimit];
    private float[] _input = [], _states = [], _prediction = [];

    // Values of one shape, replaced when rows or size change.
    private (int Rows, int Height, int Width) _shape;
    private OrtValue[] _inputs = [], _outputs = [];

    public Denoiser(OnnxModel model, ModelFamily family, int channels, int textLength)
    {
        (_model, _textLength, Channels) = (model, textLength, channels);
        var latents = family == ModelFamily.Flow ? "hidden_states" : "sample";
        _inputNames = [latents, "timestep", "encoder_hidden_states"];
        var names = model.Inputs.Select(i => i.Name).ToArray();
        if (names.Length != 3 || _inputNames.Except(names).Any())
        {
            throw new ModelException(
                $"{model.File}: has the inputs {string.Join(", ", names)}; "
                + $"supported is exactly {string.Join(", ", _inputNames)}.");
        }
        Latents = model.Input(latents)!;
        _timestep = model.Input("timestep")!;
        var text = model.Input("encoder_hidden_states")!;
        if (Latents.Type != TensorElementType.Float || text.Type != TensorElementType.Float)
            throw new ModelException($"{model.File}: has inputs of {Latents.Type}; export the model as float32.");
        if (_timestep.Type is not (TensorElementType.Float or TensorElementType.Int64) || _timestep.Dimensions.Count > 1)
            throw new ModelException($"{model.File}: timestep must be a float or int64 scalar or vector.");
        if (Latents.Dimensions is not [_, var c, _, _] || (c > 0 && c != channels))
            throw new ModelException($"{model.File}: {latents} must be (N, {channels}, height, width).");
        if (text.Dimensions is not [_, var l, > 0 and var width] || (l > 0 && l != textLength))
            throw new ModelException($"{model.File}: encoder_hidden_states must be (N, {textLength}, fixed width).");
        TextWidth = width;
        _output = model.RequireOutput(model.Outputs[0].Name).Name;
    }

    public int Channels { get; }
    public TensorSpec Latents { get; }
    public int TextWidth { get; }

    private int RowSize => Channels * _shape.Height * _shape.Width;
    private int TextSize => _textLength * TextWidth;

    public Span<float> Input(int row) => _input.AsSpan(row * RowSize, RowSize);

    public Span<float> States(int row) => _states.AsSpan(row * TextSize, TextSize);

    public ReadOnlySpan<float> Prediction(int row) => _prediction.AsSpan(row * RowSize, RowSize);

    /// <summary>Makes room for rows of latents; what was written before is lost.</summary>
    public void Prepare(int rows, int height, int width)
    {
        if (_shape == (rows, height, width))
            return;
        Release();
        _shape = (rows, height, width);
        if (_input.Length < rows * RowSize)
            (_input, _prediction) = (new float[rows * RowSize], new float[rows * RowSize]);
        if (_states.Length < rows * TextSize)
            _states = new float[rows * TextSize];
        _inputs =
        [
            Over(_input, rows * RowSize, [rows, Channels, height, width]),
            Time(rows),
            Over(_states, rows * TextSize, [rows, _textLength, TextWidth]),
        ];
        _outputs = [Over(_prediction, rows * RowSize, [rows, Channels, height, width])];
    }

    public TimeSpan Run(float time)
    {
        _floatTime.AsSpan().Fill(time);
        _wholeTime.AsSpan().Fill((long)time);
        return _model.Run(_inputNames, _inputs, [_output], _outputs);
    }

    public void Dispose()
    {
        _model.Dispose(); // First: it waits for a run, which reads and writes the values.
        Release();
    }

    private OrtValue Time(int rows)
    {
        long[] axes = _timestep.Dimensions is [] ? [] : [_timestep.Dimensions[0] == 1 ? 1 : rows];
        var count = axes is [var n] ? (int)n : 1;
        return _timestep.Type == TensorElementType.Float
            ? Over(_floatTime, count, axes)
            : OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, _wholeTime.AsMemory(0, count), axes);
    }

    private static OrtValue Over(float[] memory, int count, long[] axes) =>
        OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, memory.AsMemory(0, count), axes);

    private void Release()
    {
        foreach (var value in _inputs.Concat(_outputs))
            value.Dispose();
        (_inputs, _outputs) = ([], []);
    }
}
