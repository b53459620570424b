namespace MoDM.Onnx;

/// <summary>Pictures as networks see them: float, channel by channel (CHW), from -1 to 1.</summary>
public static class ImageTensor
{
    /// <param name="target">3 * width * height values.</param>
    public static void Write(RgbImage image, Span<float> target)
    {
        var plane = image.Width * image.Height;
        var pixels = image.Pixels;
        for (var i = 0; i < plane; i++)
        {
            target[i] = pixels[3 * i] / 127.5f - 1;
            target[plane + i] = pixels[3 * i + 1] / 127.5f - 1;
            target[2 * plane + i] = pixels[3 * i + 2] / 127.5f - 1;
        }
    }

    /// <param name="source">3 * width * height values; those outside -1 to 1 are clipped.</param>
    public static RgbImage Read(ReadOnlySpan<float> source, int width, int height)
    {
        var plane = width * height;
        var pixels = new byte[3 * plane];
        for (var i = 0; i < plane; i++)
        {
            for (var c = 0; c < 3; c++)
                pixels[3 * i + c] = (byte)MathF.Round(Math.Clamp(source[c * plane + i] / 2 + .5f, 0, 1) * 255);
        }
        return new RgbImage(width, height, pixels);
    }
}
