using Microsoft.ML.OnnxRuntime;

namespace MoDM.Bench.Stories;

/// <summary>
/// What ONNX Runtime alone needs for the steps of a story model: a session, memory bound once, the states taking turns as input and
/// output, no token chosen. Written without MoDM.Onnx, to be compared with it.
/// </summary>
internal sealed class BareSteps : IDisposable
{
    private static readonly string[] Inputs = ["input_ids", "logits_from", "conv_state", "ssm_state"];
    private static readonly string[] Outputs = ["logits", "conv_state_out", "ssm_state_out"];

    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();
    private readonly OrtValue[][] _inputs, _outputs;
    private int _turn;

    public BareSteps(string file, int threads, int batch)
    {
        using var options = new Microsoft.ML.OnnxRuntime.SessionOptions { IntraOpNumThreads = threads, InterOpNumThreads = 1 };
        _session = new InferenceSession(file, options);
        var sizes = _session.ModelMetadata.CustomMetadataMap.Where(p => p.Key != "model_type").ToDictionary(p => p.Key, p => long.Parse(p.Value, System.Globalization.CultureInfo.InvariantCulture));
        long[] conv = [batch, sizes["layers"], sizes["kernel"] - 1, sizes["d_inner"]], ssm = [batch, sizes["layers"], sizes["d_inner"], sizes["state"]];
        var tokens = OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(260L, batch).ToArray(), [batch, 1]);
        var last = OrtValue.CreateTensorValueFromMemory([-1L], [1]);
        var logits = Zeros([batch, 1, sizes["vocab"]]);
        OrtValue[] convs = [Zeros(conv), Zeros(conv)], ssms = [Zeros(ssm), Zeros(ssm)];
        _inputs = [[tokens, last, convs[0], ssms[0]], [tokens, last, convs[1], ssms[1]]];
        _outputs = [[logits, convs[1], ssms[1]], [logits, convs[0], ssms[0]]];
    }

    public void Step()
    {
        _session.Run(_run, Inputs, _inputs[_turn], Outputs, _outputs[_turn]);
        _turn = 1 - _turn;
    }

    public void Dispose()
    {
        foreach (var value in _inputs.Concat(_outputs).SelectMany(v => v).Distinct())
            value.Dispose();
        _run.Dispose();
        _session.Dispose();
    }

    private static OrtValue Zeros(long[] shape) => OrtValue.CreateTensorValueFromMemory(new float[shape.Aggregate(1L, (a, b) => a * b)], shape);
}
