using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Worker.Pipelines;

/// <summary>Reads off a denoiser's input which pictures the model can draw.</summary>
internal static class LatentSizes
{
    /// <param name="latents">The denoiser's input, (N, channels, height, width).</param>
    public static SizeRule RuleOf(TensorSpec latents, VaeShape vae, DenoiserShape shape, string file) => latents.Dimensions switch
    {
        [_, _, > 0 and var h, > 0 and var w] => new SizeRule(w * vae.Factor, h * vae.Factor, 0),
        [_, _, -1, -1] => new SizeRule(shape.SampleSize * vae.Factor, shape.SampleSize * vae.Factor, vae.Factor * shape.Patch),
        _ => throw new ModelException(
            $"{file}: the input {latents.Name} has the axes {string.Join(", ", latents.Dimensions)}; "
            + "(N, channels, height, width) is supported."),
    };
}
