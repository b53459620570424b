namespace MoDM.Onnx;

/// <summary>
/// Pillow's bicubic resampling of 8-bit pictures (src/libImaging/Resample.c), bit for bit, since CLIP's preprocessing is
/// defined by it: a = -0.5, the kernel widened when shrinking, weights in fixed point of 22 bits, and rounding to 8 bits
/// between the horizontal and the vertical pass.
/// </summary>
internal static class PillowBicubic
{
    private const int Bits = 32 - 8 - 2;
    private const double Support = 2;

    /// <summary>The first source index and the weights of each target index.</summary>
    private readonly record struct Kernel(int[] Start, int[][] Weights);

    /// <summary>
    /// A window of the picture resized to <paramref name="size"/>; only what the window needs is computed, so that
    /// pictures of extreme proportions cost no more than others.
    /// </summary>
    /// <param name="pixels">RGB, row-major, <paramref name="width"/> times <paramref name="height"/>.</param>
    /// <param name="window">Left, top, width and height within the resized picture.</param>
    public static byte[] Resize(
        ReadOnlySpan<byte> pixels, int width, int height, (int Width, int Height) size,
        (int Left, int Top, int Width, int Height) window)
    {
        var across = Weights(width, size.Width, window.Left, window.Width);
        var down = Weights(height, size.Height, window.Top, window.Height);
        var firstRow = down.Start[0];
        var rows = down.Start[^1] + down.Weights[^1].Length - firstRow;

        var middle = new byte[rows * window.Width * 3];
        for (var y = 0; y < rows; y++)
        {
            var source = pixels.Slice((firstRow + y) * width * 3, width * 3);
            for (var x = 0; x < window.Width; x++)
                Sum(source, across.Start[x] * 3, 3, across.Weights[x], middle.AsSpan((y * window.Width + x) * 3, 3));
        }
        var result = new byte[window.Height * window.Width * 3];
        for (var y = 0; y < window.Height; y++)
        {
            for (var x = 0; x < window.Width; x++)
            {
                Sum(middle, ((down.Start[y] - firstRow) * window.Width + x) * 3, window.Width * 3, down.Weights[y],
                    result.AsSpan((y * window.Width + x) * 3, 3));
            }
        }
        return result;
    }

    private static void Sum(ReadOnlySpan<byte> source, int at, int stride, int[] weights, Span<byte> pixel)
    {
        int r = 1 << (Bits - 1), g = r, b = r;
        foreach (var weight in weights)
        {
            r += source[at] * weight;
            g += source[at + 1] * weight;
            b += source[at + 2] * weight;
            at += stride;
        }
        pixel[0] = (byte)Math.Clamp(r >> Bits, 0, 255);
        pixel[1] = (byte)Math.Clamp(g >> Bits, 0, 255);
        pixel[2] = (byte)Math.Clamp(b >> Bits, 0, 255);
    }

    private static Kernel Weights(int inSize, int outSize, int first, int count)
    {
        var scale = (double)inSize / outSize;
        var widened = Math.Max(scale, 1);
        var support = Support * widened;
        var kernel = new Kernel(new int[count], new int[count][]);
        for (var i = 0; i < count; i++)
        {
            var center = (first + i + 0.5) * scale;
            var from = Math.Max((int)(center - support + 0.5), 0);
            var to = Math.Min((int)(center + support + 0.5), inSize);
            // Pillow leaves a picture alone along an axis that keeps its length.
            if (inSize == outSize)
                (from, to) = (first + i, first + i + 1);
            var weights = new double[to - from];
            var sum = 0.0;
            for (var k = 0; k < weights.Length; k++)
            {
                weights[k] = Cubic((k + from - center + 0.5) / widened);
                sum += weights[k];
            }
            kernel.Start[i] = from;
            kernel.Weights[i] = Array.ConvertAll(weights, w => Fixed(w / sum));
        }
        return kernel;
    }

    private static int Fixed(double weight) => (int)(weight * (1 << Bits) + (weight < 0 ? -0.5 : 0.5));

    private static double Cubic(double x)
    {
        const double A = -0.5;
        x = Math.Abs(x);
        return x < 1 ? ((A + 2) * x - (A + 3)) * x * x + 1
            : x < 2 ? (((x - 5) * x + 8) * x - 4) * A
            : 0;
    }
}
