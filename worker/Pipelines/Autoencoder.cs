using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MoDM.Onnx;

namespace MoDM.Worker.Pipelines;

/// <summary>Pictures to the denoiser's latents and back.</summary>
internal sealed class Autoencoder : IDisposable
{
    private readonly OnnxModel _encoder, _decoder;
    private readonly VaeShape _shape;

    public Autoencoder(OnnxModel encoder, OnnxModel decoder, VaeShape shape)
    {
        (_encoder, _decoder, _shape) = (encoder, decoder, shape);
        encoder.RequireOutput("latent_parameters");
        decoder.RequireOutput("sample");
        if (encoder.Inputs is not [{ Name: "sample", Type: TensorElementType.Float }])
            throw new ModelException($"{encoder.File}: must have sample (float32) as its only input.");
        if (decoder.Inputs is not [{ Name: "latent_sample", Type: TensorElementType.Float }])
            throw new ModelException($"{decoder.File}: must have latent_sample (float32) as its only input.");
    }

    /// <summary>
    /// The mode of the encoder's distribution, not a draw from it: a cached picture is always the same latents.
    /// </summary>
    public float[] Encode(RgbImage image, ref TimeSpan inside)
    {
        var pixels = new float[3 * image.Width * image.Height];
        ImageTensor.Write(image, pixels);
        int width = image.Width / _shape.Factor, height = image.Height / _shape.Factor;
        var count = _shape.Channels * width * height;
        // Means, then log variances.
        var parameters = new float[2 * count];
        using var input = OrtValue.CreateTensorValueFromMemory(pixels, [1, 3, image.Height, image.Width]);
        using var output = OrtValue.CreateTensorValueFromMemory(parameters, [1, 2 * _shape.Channels, height, width]);
        inside += _encoder.Run(["sample"], [input], ["latent_parameters"], [output]);
        var latents = parameters[..count];
        for (var i = 0; i < count; i++)
            latents[i] = (latents[i] - _shape.Shift) * _shape.Scaling;
        return latents;
    }

    /// <param name="width">Of the picture, in pixels.</param>
    public RgbImage Decode(ReadOnlySpan<float> latents, int width, int height, ref TimeSpan inside)
    {
        var scaled = latents.ToArray();
        for (var i = 0; i < scaled.Length; i++)
            scaled[i] = scaled[i] / _shape.Scaling + _shape.Shift;
        var pixels = new float[3 * width * height];
        using var input = OrtValue.CreateTensorValueFromMemory(
            scaled, [1, _shape.Channels, height / _shape.Factor, width / _shape.Factor]);
        using var output = OrtValue.CreateTensorValueFromMemory(pixels, [1, 3, height, width]);
        inside += _decoder.Run(["latent_sample"], [input], ["sample"], [output]);
        return ImageTensor.Read(pixels, width, height);
    }

    public void Dispose()
    {
        _encoder.Dispose();
        _decoder.Dispose();
    }
}
