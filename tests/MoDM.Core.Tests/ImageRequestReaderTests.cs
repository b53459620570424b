using System.Text;
using MoDM.Api;

namespace MoDM.Core.Tests;

public class ImageRequestReaderTests
{
    private static readonly HashSet<string> Nothing = [];

    [Fact]
    public void A_full_request_is_read()
    {
        var (request, error) = Read("""
            {"model": "m", "prompt": "a red kite", "n": 2, "size": "128x128", "response_format": "url", "output_format": "webp",
             "output_compression": 80, "user": "u", "stream": true, "partial_images": 2, "negative_prompt": "rain", "seed": 7,
             "num_inference_steps": 20, "guidance_scale": 3.5, "cache": "refresh", "quality": "auto", "background": null}
            """);

        Assert.Null(error);
        Assert.Equal(("m", "a red kite", 2, "128x128"), (request!.Model, request.Prompt, request.N, request.Size));
        Assert.Equal((7L, 20, 3.5, "refresh"), (request.Seed, request.NumInferenceSteps, request.GuidanceScale, request.Cache));
    }

    [Theory]
    [InlineData("""{"prompt": "x", "n": 0}""", "n")]
    [InlineData("""{"prompt": "x", "n": 100}""", "n")]
    [InlineData("""{"prompt": "x", "n": "two"}""", "n")]
    [InlineData("""{"prompt": "x", "num_inference_steps": 0}""", "num_inference_steps")]
    [InlineData("""{"prompt": "x", "num_inference_steps": 10000}""", "num_inference_steps")]
    [InlineData("""{"prompt": "x", "size": "big"}""", "size")]
    [InlineData("""{"prompt": "x", "seed": -1}""", "seed")]
    [InlineData("""{"prompt": "x", "seed": 1.5}""", "seed")]
    [InlineData("""{"prompt": "x", "stream": "yes"}""", "stream")]
    [InlineData("""{"prompt": "x", "guidance_scale": 1e999}""", "guidance_scale")]
    [InlineData("""{"prompt": "x", "cache": "maybe"}""", "cache")]
    [InlineData("""{"prompt": "x", "output_compression": 50}""", "output_compression")]
    [InlineData("""{"prompt": "x", "partial_images": 2}""", "partial_images")]
    [InlineData("""{"prompt": "x", "quality": "hd"}""", "quality")] // Complaint 18: an option that cannot be honoured.
    [InlineData("""{"prompt": "x", "style": "vivid"}""", "style")]
    [InlineData("""{"prompt": "x", "sampler": "ddim"}""", "sampler")]
    [InlineData("""{"prompt": "x", "prompt": "y"}""", "prompt")]
    [InlineData("""{"prompt": "   "}""", "prompt")]
    [InlineData("""{"prompt": "\ud800"}""", "prompt")]
    [InlineData("{}", "prompt")]
    [InlineData("[1]", "body")]
    [InlineData("""{"prompt": "x"} {""", "body")]
    [InlineData("""{"prompt": """, "body")]
    [InlineData("", "body")]
    public void A_wrong_field_is_named(string json, string field)
    {
        var (request, error) = Read(json);

        Assert.Null(request);
        Assert.Equal((400, "invalid_request_error", field), (error!.Status, error.Type, error.Param));
        Assert.Contains($"{field}: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_wrong_fields_are_named_at_once()
    {
        var (_, error) = Read("""{"prompt": 3, "n": 0, "size": "x", "colour": 1}""");

        foreach (var field in new[] { "prompt", "n", "size", "colour" })
            Assert.Contains($"{field}: ", error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_enormous_prompt_is_refused_with_both_lengths()
    {
        var (_, error) = Read($$"""{"prompt": "{{new string('x', 100_000)}}"}""");

        Assert.Contains("100000 characters; at most 32000", error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Form_fields_are_read_as_their_types()
    {
        var (request, error) = ImageRequestReader.ReadForm(
            [new("prompt", "42"), new("n", "3"), new("strength", "0.5"), new("stream", "true")], Nothing);

        Assert.Null(error);
        Assert.Equal(("42", 3, 0.5, true), (request!.Prompt, request.N, request.Strength, request.Stream));
    }

    [Theory]
    [InlineData("n", "NaN")]
    [InlineData("n", "+1")]
    [InlineData("strength", "1.5")]
    [InlineData("stream", "yes")]
    public void A_wrong_form_field_is_named(string field, string value)
    {
        var (_, error) = ImageRequestReader.ReadForm([new("prompt", "x"), new(field, value)], Nothing);

        Assert.Equal(field, error!.Param);
    }

    private static (ImageRequest? Request, ApiError? Error) Read(string json) =>
        ImageRequestReader.ReadJson(Encoding.UTF8.GetBytes(json), Nothing);
}
