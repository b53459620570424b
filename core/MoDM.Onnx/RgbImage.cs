using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using SkiaSharp;

namespace MoDM.Onnx;

public enum ImageEncoding
{
    Png,
    Webp,
    Jpeg,
}

/// <summary>An opaque picture in memory, 8 bits a channel.</summary>
public sealed class RgbImage
{
    /// <param name="pixels">RGB, row-major, 3 * width * height bytes; kept, not copied.</param>
    public RgbImage(int width, int height, byte[] pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfNotEqual(pixels.Length, 3 * width * height);
        (Width, Height, Pixels) = (width, height, pixels);
    }

    public int Width { get; }
    public int Height { get; }

    /// <summary>RGB, row-major.</summary>
    public byte[] Pixels { get; }

    /// <summary>
    /// Reads PNG, JPEG or WebP. The size in the header is checked before anything is unpacked, so that a small file
    /// cannot ask for gigabytes. Transparency is laid on white; colour profiles and rotation marks are not applied.
    /// </summary>
    /// <exception cref="ImageFormatException">
    /// Not such a picture, cut off, or of more than <paramref name="maxPixels"/>.
    /// </exception>
    public static RgbImage Decode(ReadOnlySpan<byte> bytes, int maxPixels = 4096 * 4096)
    {
        using var data = SKData.CreateCopy(bytes);
        using var codec = bytes.IsEmpty ? null : SKCodec.Create(data);
        if (codec?.EncodedFormat is not (SKEncodedImageFormat.Png or SKEncodedImageFormat.Jpeg or SKEncodedImageFormat.Webp))
            throw new ImageFormatException("is not a PNG, JPEG or WebP picture.");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height > maxPixels)
        {
            var side = (int)Math.Sqrt(maxPixels);
            throw new ImageFormatException(
                $"has {width} x {height} pixels; at most {maxPixels} are taken, such as {side} x {side}.");
        }
        var opaque = codec.Info.AlphaType == SKAlphaType.Opaque;
        var rgba = new byte[4 * width * height];
        var handle = GCHandle.Alloc(rgba, GCHandleType.Pinned);
        try
        {
            var info = new SKImageInfo(width, height, SKColorType.Rgba8888, opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul);
            var result = codec.GetPixels(info, handle.AddrOfPinnedObject());
            if (result != SKCodecResult.Success)
                throw new ImageFormatException($"is damaged or cut off ({result}).");
        }
        finally
        {
            handle.Free();
        }
        return new RgbImage(width, height, opaque ? WithoutAlpha(rgba) : OnWhite(rgba));
    }

    /// <summary>The same bytes for the same pixels, whatever the machine's load or the time.</summary>
    /// <param name="quality">1 to 100, for WebP and JPEG only.</param>
    public byte[] Encode(ImageEncoding encoding, int quality = 90)
    {
        var rgba = new byte[4 * Width * Height];
        for (int from = 0, to = 0; from < Pixels.Length; from += 3, to += 4)
        {
            rgba[to] = Pixels[from];
            rgba[to + 1] = Pixels[from + 1];
            rgba[to + 2] = Pixels[from + 2];
            rgba[to + 3] = 255;
        }
        var handle = GCHandle.Alloc(rgba, GCHandleType.Pinned);
        try
        {
            var info = new SKImageInfo(Width, Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
            using var pixmap = new SKPixmap(info, handle.AddrOfPinnedObject(), info.RowBytes);
            using var data = encoding switch
            {
                ImageEncoding.Webp => pixmap.Encode(new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossy, quality)),
                ImageEncoding.Jpeg => pixmap.Encode(new SKJpegEncoderOptions(quality)),
                _ => pixmap.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.AllFilters, 1)),
            };
            return data?.ToArray()
                ?? throw new ImageFormatException($"of {Width} x {Height} pixels cannot be written as {encoding}.");
        }
        finally
        {
            handle.Free();
        }
    }

    /// <summary>
    /// This picture at another size: the largest centred part of the right proportions, resized with antialiased bicubic.
    /// Returns itself when the size is already right.
    /// </summary>
    public RgbImage Cover(int width, int height)
    {
        if (width == Width && height == Height)
            return this;
        // width : height of the part equals the target's, and one of its sides is the whole picture's.
        var wide = (long)Width * height >= (long)Height * width;
        var partWidth = wide ? Math.Max((int)Math.Round((double)Height * width / height), 1) : Width;
        var partHeight = wide ? Height : Math.Max((int)Math.Round((double)Width * height / width), 1);
        var part = Crop((Width - partWidth) / 2, (Height - partHeight) / 2, partWidth, partHeight);
        return new RgbImage(width, height, PillowBicubic.Resize(
            part, partWidth, partHeight, (width, height), (0, 0, width, height)));
    }

    private byte[] Crop(int left, int top, int width, int height)
    {
        var part = new byte[3 * width * height];
        for (var y = 0; y < height; y++)
            Pixels.AsSpan(3 * ((top + y) * Width + left), 3 * width).CopyTo(part.AsSpan(3 * y * width));
        return part;
    }

    private static byte[] WithoutAlpha(byte[] rgba)
    {
        var rgb = new byte[rgba.Length / 4 * 3];
        var (from, to) = (0, 0);
        // Four pixels at a time; the last four bytes of a vector are written over by the next.
        var colours = Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0);
        for (; to + Vector128<byte>.Count <= rgb.Length; from += 16, to += 12)
            Vector128.Shuffle(Vector128.Create(rgba, from), colours).CopyTo(rgb, to);
        for (; to < rgb.Length; from += 4, to += 3)
            (rgb[to], rgb[to + 1], rgb[to + 2]) = (rgba[from], rgba[from + 1], rgba[from + 2]);
        return rgb;
    }

    private static byte[] OnWhite(byte[] rgba)
    {
        var rgb = new byte[rgba.Length / 4 * 3];
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            int alpha = rgba[from + 3];
            if (alpha == 255)
            {
                (rgb[to], rgb[to + 1], rgb[to + 2]) = (rgba[from], rgba[from + 1], rgba[from + 2]);
                continue;
            }
            for (var c = 0; c < 3; c++)
                rgb[to + c] = (byte)((rgba[from + c] * alpha + 255 * (255 - alpha) + 127) / 255);
        }
        return rgb;
    }
}
