using System.Globalization;

namespace MoDM.Onnx;

/// <summary>Sizes of a Mamba network (Gu and Dao 2023), as its exporter wrote them into the file.</summary>
/// <param name="Model">d_model, the width of hidden states.</param>
/// <param name="Inner">d_inner, channels of a layer.</param>
/// <param name="State">State values of a channel.</param>
/// <param name="Kernel">Taps of the causal convolution.</param>
public sealed record MambaShape(int Layers, int Model, int Inner, int State, int Kernel, int Vocabulary, int EndToken)
{
    /// <summary>Floats that one text's convolution remembers: (layers, kernel - 1, inner).</summary>
    public int ConvSize => Layers * (Kernel - 1) * Inner;

    /// <summary>Floats of one text's recurrent state: (layers, inner, state).</summary>
    public int SsmSize => Layers * Inner * State;

    public long[] ConvShape(int batch) => [batch, Layers, Kernel - 1, Inner];

    public long[] SsmShape(int batch) => [batch, Layers, Inner, State];

    /// <exception cref="ModelException">A size is missing, or does not fit the network's inputs and outputs.</exception>
    internal static MambaShape Of(OnnxModel model)
    {
        var shape = new MambaShape(
            Whole("layers", 1), Whole("d_model", 1), Whole("d_inner", 1), Whole("state", 1), Whole("kernel", 2),
            Whole("vocab", 1), Whole("eos_token_id", 0));
        Check("conv_state", shape.ConvShape(-1));
        Check("ssm_state", shape.SsmShape(-1));
        Check("input_ids", [-1, -1]);
        Check("logits_from", [1]);
        foreach (var name in new[] { "logits", "conv_state_out", "ssm_state_out" })
            model.RequireOutput(name);
        return shape;

        int Whole(string name, int min) =>
            model.Metadata.TryGetValue(name, out var text)
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= min
                ? value
                : throw new ModelException($"{model.File}: its metadata names no {name}; export it as models/README.md says.");

        void Check(string name, long[] dimensions)
        {
            var found = model.Input(name)?.Dimensions.Select(d => (long)d).ToArray();
            if (found is null || !found.SequenceEqual(dimensions))
            {
                throw new ModelException($"{model.File}: the input {name} is "
                    + $"{(found is null ? "missing" : $"({string.Join(", ", found)})")}, not ({string.Join(", ", dimensions)}).");
            }
        }
    }
}
