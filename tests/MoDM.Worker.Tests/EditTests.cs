using System.Net;
using System.Text.Json;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Worker.Tests;

public sealed class EditTests(SmallWorker small) : IClassFixture<SmallWorker>
{
    private readonly WorkerProcess _worker = small.Worker;
    private static readonly byte[] Source = Golden.Bytes("source-0.png");

    [Fact]
    public async Task The_more_steps_are_skipped_the_closer_the_picture_stays_to_its_source()
    {
        var source = RgbImage.Decode(Source).Pixels;
        var distances = new List<double>();
        foreach (var skip in new[] { "2", "10", "18" })
        {
            var picture = await Picture(("skip_steps", skip), ("num_inference_steps", "20"));
            distances.Add(picture.Pixels.Zip(source, (a, b) => Math.Abs(a - b)).Average());
        }
        Assert.Equal(distances.OrderDescending(), distances);
        Assert.True(distances[2] < 12, $"{distances[2]}");
    }

    [Fact]
    public async Task Strength_rounds_as_diffusers_does_and_skip_steps_is_exact()
    {
        var strength = await Picture(("strength", "0.7"), ("num_inference_steps", "10"));
        Assert.Equal(strength.Pixels, (await Picture(("skip_steps", "3"), ("num_inference_steps", "10"))).Pixels);
        Assert.Equal(15, DrawingPlan.Skipped(50, 0.7));
        // int(20 * 0.29) = 5 steps are run.
        Assert.Equal(15, DrawingPlan.Skipped(20, 0.29));
        Assert.Equal(0, DrawingPlan.Skipped(50, 1));
    }

    [Fact]
    public async Task A_picture_of_another_size_is_cut_to_the_model_s_own()
    {
        var wide = RgbImage.Decode(Source).Cover(300, 200).Encode(ImageEncoding.Jpeg);
        var response = await _worker.EditAsync(wide, ("prompt", "a red balloon"), ("num_inference_steps", "4"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("skip_steps", "4", "at most 3")]
    [InlineData("skip_steps", "9", "at most 3")]
    [InlineData("skip_steps", "-1", "skip_steps")]
    [InlineData("strength", "0.1", "less than one")]
    [InlineData("strength", "1.5", "from 0.001 to 1")]
    [InlineData("strength", "NaN", "strength")]
    [InlineData("size", "512x512", "128x128")]
    [InlineData("cache", "bypass", "cache")]
    [InlineData("mask", "x", "mask")]
    public async Task What_an_edit_cannot_do_is_refused(string field, string value, string says) => await GenerationTests.Refused(
        await _worker.EditAsync(Source, ("prompt", "a kite"), ("num_inference_steps", "4"), (field, value)), 400, says);

    [Fact]
    public async Task What_is_no_picture_or_a_bomb_is_refused()
    {
        await GenerationTests.Refused(await _worker.EditAsync(null, ("prompt", "a kite")), 400, "image");
        await GenerationTests.Refused(await _worker.EditAsync("hello"u8.ToArray(), ("prompt", "a kite")), 400, "PNG, JPEG or WebP");
        await GenerationTests.Refused(await _worker.EditAsync(Source[..2000], ("prompt", "a kite")), 400, "cut off");
        await GenerationTests.Refused(await _worker.EditAsync(Bomb(), ("prompt", "a kite")), 400, "65535 x 65535");
        using var broken = new ByteArrayContent("--x\r\nbroken"u8.ToArray());
        broken.Headers.TryAddWithoutValidation("content-type", "multipart/form-data; boundary=x");
        await GenerationTests.Refused(await _worker.Http.PostAsync("/v1/images/edits", broken, TestContext.Current.CancellationToken), 400, "body");
    }

    [Fact]
    public async Task Two_images_or_a_mask_are_refused()
    {
        foreach (var other in new[] { "image", "mask" })
        {
            using var form = new MultipartFormDataContent
            {
                { new ByteArrayContent(Source), "image", "a.png" },
                { new ByteArrayContent(Source), other, "b.png" },
                { new StringContent("a kite"), "prompt" },
            };
            var response = await _worker.Http.PostAsync("/v1/images/edits", form, TestContext.Current.CancellationToken);
            await GenerationTests.Refused(response, 400, other);
        }
    }

    // The source with a header that claims 65,535 x 65,535 pixels, and the header's checksum made right again.
    private static byte[] Bomb()
    {
        var bytes = Source.ToArray();
        for (var i = 16; i < 24; i += 4)
            (bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]) = (0, 0, 255, 255);
        var crc = 0xFFFFFFFFu;
        foreach (var b in bytes.AsSpan(12, 17))
        {
            crc ^= b;
            for (var k = 0; k < 8; k++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        }
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(29), ~crc);
        return bytes;
    }

    private async Task<RgbImage> Picture(params (string, string)[] fields)
    {
        var response = await _worker.EditAsync(Source, [("prompt", "a red balloon over mountains"), ("seed", "3"), ("guidance_scale", "3"), .. fields]);
        var body = await WorkerProcess.BodyAsync(response);
        Assert.True(response.StatusCode == HttpStatusCode.OK, body.ToString());
        return RgbImage.Decode(body.GetProperty("data")[0].GetProperty("b64_json").GetBytesFromBase64());
    }
}
