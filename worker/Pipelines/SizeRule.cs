using MoDM.Onnx;

namespace MoDM.Worker.Pipelines;

/// <summary>The pictures a model can draw.</summary>
/// <param name="Width">Pixels, when a request does not say.</param>
/// <param name="Multiple">Other sizes are multiples of it; 0 when the file fixes the size.</param>
internal sealed record SizeRule(int Width, int Height, int Multiple)
{
    /// <summary>Longest side of a picture, where the file leaves it free.</summary>
    public const int MaxSide = 2048;

    public string Default => $"{Width}x{Height}";

    /// <param name="latents">The denoiser's input, (N, channels, height, width).</param>
    public static SizeRule For(TensorSpec latents, VaeShape vae, DenoiserShape shape, string file) => latents.Dimensions switch
    {
        [_, _, > 0 and var h, > 0 and var w] => new SizeRule(w * vae.Factor, h * vae.Factor, 0),
        [_, _, -1, -1] => new SizeRule(shape.SampleSize * vae.Factor, shape.SampleSize * vae.Factor, vae.Factor * shape.Patch),
        _ => throw new ModelException(
            $"{file}: the input {latents.Name} has the axes {string.Join(", ", latents.Dimensions)}; (N, channels, height, width) is supported."),
    };

    /// <summary>Why a size cannot be drawn, or null.</summary>
    public string? Refuse(int width, int height)
    {
        if (width == Width && height == Height)
            return null;
        if (Multiple == 0)
            return $"{width}x{height} cannot be drawn by this model; it draws {Default}.";
        var fits = width % Multiple == 0 && height % Multiple == 0
            && width >= 8 * Multiple && height >= 8 * Multiple && width <= MaxSide && height <= MaxSide;
        return fits ? null : $"{width}x{height} cannot be drawn by this model; it draws {Default} and other sizes whose sides are "
            + $"multiples of {Multiple} from {8 * Multiple} to {MaxSide}.";
    }
}
