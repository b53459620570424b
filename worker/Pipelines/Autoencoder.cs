using Microsoft.ML.OnnxRuntime;
using MoDM.Onnx;

namespace MoDM.Worker.Pipelines;

/// <summary>Pictures to the denoiser's latents and back.</summary>
internal sealed class Autoencoder : IDisposable
{
    private readonly OnnxModel encoder, decoder;
    private readonly VaeShape shape;

    public Autoencoder(OnnxModel encoder, OnnxModel decoder, VaeShape shape)
    {
        (this.encoder, this.decoder, this.shape) = (encoder, decoder, shape);
        encoder.RequireOutput("latent_parameters");
        decoder.RequireOutput("sample");
        if (encoder.Inputs is not [{ Name: "sample" }] || decoder.Inputs is not [{ Name: "latent_sample" }])
            throw new ModelException($"{encoder.File}: must read sample, and {decoder.File} latent_sample, and nothing else.");
    }

    /// <summary>
    /// The mode of the encoder's distribution, not a draw from it: a cached picture is always the same latents.
    /// </summary>
    public float[] Encode(RgbImage image, ref TimeSpan inside)
    {
        var pixels = new float[3 * image.Width * image.Height];
        ImageTensor.Write(image, pixels);
        int width = image.Width / shape.Factor, height = image.Height / shape.Factor;
        var count = shape.Channels * width * height;
        // Means, then log variances.
        var parameters = new float[2 * count];
        using var input = OrtValue.CreateTensorValueFromMemory(pixels, [1, 3, image.Height, image.Width]);
        using var output = OrtValue.CreateTensorValueFromMemory(parameters, [1, 2 * shape.Channels, height, width]);
        inside += encoder.Run(["sample"], [input], ["latent_parameters"], [output]);
        var latents = parameters[..count];
        for (var i = 0; i < count; i++)
            latents[i] = (latents[i] - shape.Shift) * shape.Scaling;
        return latents;
    }

    /// <param name="width">Of the picture, in pixels.</param>
    public RgbImage Decode(ReadOnlySpan<float> latents, int width, int height, ref TimeSpan inside)
    {
        var scaled = latents.ToArray();
        for (var i = 0; i < scaled.Length; i++)
            scaled[i] = scaled[i] / shape.Scaling + shape.Shift;
        var pixels = new float[3 * width * height];
        using var input = OrtValue.CreateTensorValueFromMemory(
            scaled, [1, shape.Channels, height / shape.Factor, width / shape.Factor]);
        using var output = OrtValue.CreateTensorValueFromMemory(pixels, [1, 3, height, width]);
        inside += decoder.Run(["latent_sample"], [input], ["sample"], [output]);
        return ImageTensor.Read(pixels, width, height);
    }

    public void Dispose()
    {
        encoder.Dispose();
        decoder.Dispose();
    }
}
