using System.ClientModel;
using MoDM.Fakes;
using MoDM.Onnx;
using OpenAI;
using OpenAI.Images;

namespace MoDM.EndToEnd.Tests;

/// <summary>The official client, unchanged, with nothing but the address set.</summary>
public sealed class OpenAIClientTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private readonly OpenAIClient _client = new(new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = new Uri(fixture.Address, "/v1") });

    [Fact]
    public async Task It_generates_an_image()
    {
        var image = await _client.GetImageClient("postcards").GenerateImageAsync("a red hot air balloon over snowy mountains at sunset",
            new ImageGenerationOptions { ResponseFormat = GeneratedImageFormat.Bytes }, Cancel);

        Assert.Equal((128, 128), SizeOf(image.Value.ImageBytes));
    }

    [Fact]
    public async Task It_generates_several_and_follows_their_urls()
    {
        var images = await _client.GetImageClient("postcards").GenerateImagesAsync("a blue sailboat on the sea at noon", 2,
            new ImageGenerationOptions { ResponseFormat = GeneratedImageFormat.Uri, Size = new GeneratedImageSize(128, 128) }, Cancel);

        Assert.Equal(2, images.Value.Count);
        foreach (var image in images.Value)
            Assert.Equal((128, 128), SizeOf(BinaryData.FromBytes(await fixture.Gateway.Http.GetByteArrayAsync(image.ImageUri, Cancel))));
        Assert.NotEqual(images.Value[0].ImageUri, images.Value[1].ImageUri);
    }

    [Fact]
    public async Task It_edits_a_picture()
    {
        await using var picture = File.OpenRead(Path.Combine(Repo.Root, "tests", "golden", "source-0.png"));
        var image = await _client.GetImageClient("postcards").GenerateImageEditAsync(picture, "source-0.png", "a green hot air balloon over snowy mountains at night",
            new ImageEditOptions { ResponseFormat = GeneratedImageFormat.Bytes }, Cancel);

        Assert.Equal((128, 128), SizeOf(image.Value.ImageBytes));
    }

    [Fact]
    public async Task It_lists_the_models()
    {
        var models = await _client.GetOpenAIModelClient().GetModelsAsync(Cancel);

        Assert.Equal("postcards", Assert.Single(models.Value).Id);
    }

    [Fact]
    public async Task Errors_reach_it_as_its_own()
    {
        var unknown = await Assert.ThrowsAsync<ClientResultException>(() => _client.GetImageClient("dall-e-3").GenerateImageAsync("x", cancellationToken: Cancel));
        Assert.Equal(404, unknown.Status);
        Assert.Contains("There is no model \"dall-e-3\" here; there is postcards.", unknown.Message, StringComparison.Ordinal);

        var empty = await Assert.ThrowsAsync<ClientResultException>(() => _client.GetImageClient("postcards").GenerateImageAsync(" ", cancellationToken: Cancel));
        Assert.Equal(400, empty.Status);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static (int, int) SizeOf(BinaryData bytes)
    {
        var image = RgbImage.Decode(bytes.ToMemory().Span);
        return (image.Width, image.Height);
    }
}
