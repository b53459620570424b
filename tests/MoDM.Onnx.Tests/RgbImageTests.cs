using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using MoDM.Fakes;

namespace MoDM.Onnx.Tests;

public class RgbImageTests
{
    private static RgbImage Source(int i = 0) => RgbImage.Decode(Golden.Bytes($"source-{i}.png"));

    [Fact]
    public void Pictures_of_every_small_size_come_back_as_they_were()
    {
        var random = new Random(1);
        for (var size = 1; size <= 40; size++)
        {
            var pixels = new byte[3 * size * 3];
            random.NextBytes(pixels);
            Assert.Equal(pixels, RgbImage.Decode(new RgbImage(size, 3, pixels).Encode(ImageEncoding.Png)).Pixels);
        }
    }

    [Fact]
    public void Png_loses_nothing_and_is_the_same_each_time()
    {
        var image = Source();
        var bytes = image.Encode(ImageEncoding.Png);
        Assert.Equal(image.Pixels, RgbImage.Decode(bytes).Pixels);
        Assert.Equal(bytes, Source().Encode(ImageEncoding.Png));
    }

    [Theory]
    [InlineData(ImageEncoding.Webp)]
    [InlineData(ImageEncoding.Jpeg)]
    public void Webp_and_jpeg_keep_the_picture_and_honour_quality(ImageEncoding encoding)
    {
        var image = Source();
        var good = image.Encode(encoding, 95);
        Assert.True(good.Length > image.Encode(encoding, 20).Length);
        var back = RgbImage.Decode(good);
        Assert.Equal((image.Width, image.Height), (back.Width, back.Height));
        Assert.True(image.Pixels.Zip(back.Pixels, (a, b) => Math.Abs(a - b)).Average() < 4);
    }

    [Fact]
    public void A_decompression_bomb_is_refused_from_its_header()
    {
        // 60,000 x 60,000 pixels would be 14 GB; the file has no pixel at all.
        var before = GC.GetAllocatedBytesForCurrentThread();
        var e = Assert.Throws<ImageFormatException>(() => RgbImage.Decode(Png(60_000, 60_000)));
        Assert.Contains("60000 x 60000", e.Message, StringComparison.Ordinal);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1_000_000);
    }

    [Fact]
    public void What_is_no_picture_is_refused()
    {
        Assert.Throws<ImageFormatException>(() => RgbImage.Decode("hello"u8));
        Assert.Throws<ImageFormatException>(() => RgbImage.Decode([]));
        Assert.Throws<ImageFormatException>(() => RgbImage.Decode("GIF89a\x01\0\x01\0\0\0\0;"u8));
        Assert.Throws<ImageFormatException>(() => RgbImage.Decode(Golden.Bytes("source-0.png").AsSpan(0, 3000)));
    }

    [Fact]
    public void Transparency_is_laid_on_white()
    {
        var image = RgbImage.Decode(Png(1, 1, [0, 255, 0, 0, 0]));
        Assert.Equal([255, 255, 255], image.Pixels);
        Assert.Equal([255, 127, 127], RgbImage.Decode(Png(1, 1, [0, 255, 0, 0, 128])).Pixels);
    }

    [Fact]
    public void Cover_keeps_the_middle_and_the_proportions()
    {
        // Left third red, middle third green, right third blue.
        var pixels = new byte[3 * 30 * 10];
        for (var i = 0; i < 300; i++)
            pixels[3 * i + i % 30 / 10] = 255;
        var covered = new RgbImage(30, 10, pixels).Cover(20, 20);
        Assert.Equal((20, 20), (covered.Width, covered.Height));
        Assert.All(Enumerable.Range(0, 400), i => Assert.Equal([0, 255, 0], covered.Pixels[(3 * i)..(3 * i + 3)]));
    }

    [Fact]
    public void Cover_of_extreme_proportions_is_cheap() =>
        Assert.Equal(128, new RgbImage(1, 500_000, new byte[1_500_000]).Cover(128, 128).Height);

    [Fact]
    public void Cover_of_the_same_size_changes_nothing()
    {
        var image = Source();
        Assert.Same(image, image.Cover(image.Width, image.Height));
    }

    [Fact]
    public void Tensors_and_pictures_turn_into_each_other()
    {
        var image = Source(1);
        var tensor = new float[image.Pixels.Length];
        ImageTensor.Write(image, tensor);
        Assert.InRange(tensor.Min(), -1, 1);
        Assert.Equal(image.Pixels, ImageTensor.Read(tensor, image.Width, image.Height).Pixels);
    }

    // A PNG of colour type 6 with the given rows (each with its filter byte), or without any data.
    private static byte[] Png(int width, int height, byte[]? rows = null)
    {
        using var file = new MemoryStream();
        file.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (8, 6);
        Chunk(file, "IHDR", header);
        using var data = new MemoryStream();
        using (var zlib = new ZLibStream(data, CompressionLevel.Fastest, leaveOpen: true))
            zlib.Write(rows ?? []);
        Chunk(file, "IDAT", data.ToArray());
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    private static void Chunk(MemoryStream file, string type, byte[] data)
    {
        byte[] body = [.. Encoding.ASCII.GetBytes(type), .. data];
        var number = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc(body));
        file.Write(number);
    }

    private static uint Crc(byte[] data)
    {
        var crc = 0xFFFFFFFFu;
        foreach (var b in data)
        {
            crc ^= b;
            for (var k = 0; k < 8; k++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        }
        return ~crc;
    }
}
