using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.EndToEnd.Tests;

/// <summary>Real models, real processes: what the mixture promises.</summary>
public sealed class MixtureTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private readonly HttpClient _http = fixture.Gateway.Http;

    [Fact]
    public async Task A_prompt_like_an_earlier_one_is_a_hit_that_the_small_model_refines()
    {
        var first = await GenerateAsync(new { prompt = "a purple windmill over rolling hills at noon", seed = 1 });
        Assert.Equal(("miss", "postcards-large"), RouteOf(first));
        var id = (string)first["modm"]!["images"]![0]!["id"]!;
        await CachedAsync(id);

        var second = await GenerateAsync(new { prompt = "at noon, a purple windmill over rolling hills", seed = 2 });

        Assert.Equal(("hit", "postcards-small"), RouteOf(second));
        Assert.Equal(id, (string)second["modm"]!["source_image"]!);
        Assert.InRange((double)second["modm"]!["similarity"]!, 0.519, 1);
        Assert.InRange((int)second["modm"]!["skipped_steps"]!, 5, 30);
        using var clip = ClipEmbedder.Load(Repo.Model("postcards-clip"), 1);
        var (text, image) = (clip.EmbedText("a purple windmill over rolling hills at noon").Vector, clip.EmbedImage(ImageOf(second)));
        Assert.InRange(text.Zip(image, (a, b) => a * b).Sum(), 0.5f, 1);
    }

    [Fact]
    public async Task Four_images_of_one_request_equal_four_requests_with_the_reported_seeds()
    {
        // Complaint 23, through gateway and workers, byte for byte.
        var four = await GenerateAsync(new { prompt = "a white cat by a red canyon at dusk", seed = 100, n = 4, cache = "bypass", num_inference_steps = 10 });

        for (var i = 0; i < 4; i++)
        {
            var seed = (long)four["data"]![i]!["seed"]!;
            var one = await GenerateAsync(new { prompt = "a white cat by a red canyon at dusk", seed, cache = "bypass", num_inference_steps = 10 });
            Assert.Equal((string)four["data"]![i]!["b64_json"]!, (string)one["data"]![0]!["b64_json"]!);
        }
        Assert.Equal(4, four["data"]!.AsArray().Select(d => (string)d!["b64_json"]!).Distinct().Count());
    }

    [Fact]
    public async Task Every_option_changes_the_picture()
    {
        // Complaint 18.
        var prompts = new object[]
        {
            new { prompt = "a red tent", seed = 1, cache = "bypass", num_inference_steps = 8 },
            new { prompt = "a red tent", seed = 2, cache = "bypass", num_inference_steps = 8 },
            new { prompt = "a blue tent", seed = 1, cache = "bypass", num_inference_steps = 8 },
            new { prompt = "a red tent", seed = 1, cache = "bypass", num_inference_steps = 9 },
            new { prompt = "a red tent", seed = 1, cache = "bypass", num_inference_steps = 8, guidance_scale = 1.0 },
            new { prompt = "a red tent", seed = 1, cache = "bypass", num_inference_steps = 8, guidance_scale = 5.0 },
            new { prompt = "a red tent", seed = 1, cache = "bypass", num_inference_steps = 8, negative_prompt = "night" },
        };

        var images = new HashSet<string>();
        foreach (var prompt in prompts)
            images.Add((string)(await GenerateAsync(prompt))["data"]![0]!["b64_json"]!);

        Assert.Equal(prompts.Length, images.Count);
    }

    [Fact]
    public async Task An_edit_keeps_more_of_the_picture_the_less_strength_it_has()
    {
        var picture = await File.ReadAllBytesAsync(Path.Combine(Repo.Root, "tests", "golden", "source-0.png"), TestContext.Current.CancellationToken);
        var original = RgbImage.Decode(picture);
        var distances = new List<double>();
        foreach (var strength in new[] { "0.2", "0.95" })
        {
            using var form = new MultipartFormDataContent
            {
                { new StringContent("a green castle in the desert at night"), "prompt" }, { new StringContent(strength), "strength" },
                { new StringContent("3"), "seed" }, { new ByteArrayContent(picture), "image", "a.png" },
            };
            var response = await _http.PostAsync("/v1/images/edits", form, TestContext.Current.CancellationToken);
            var edited = ImageOf(JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!);
            distances.Add(original.Pixels.Zip(edited.Pixels, (a, b) => Math.Abs(a - b)).Average());
        }

        Assert.True(distances[0] * 2 < distances[1], $"{distances[0]} and {distances[1]}");
    }

    private async Task<JsonNode> GenerateAsync(object body)
    {
        var response = await _http.PostAsJsonAsync("/v1/images/generations", body, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    private Task CachedAsync(string id) => RunningGateway.EventuallyAsync(async () =>
        (await _http.GetAsync($"/v1/images/{id}", TestContext.Current.CancellationToken)).Headers.GetValues("x-modm-cached").Single() == "true");

    private static (string, string) RouteOf(JsonNode response) =>
        ((string)response["modm"]!["route"]!, (string)response["modm"]!["images"]![0]!["model"]!);

    private static RgbImage ImageOf(JsonNode response) => RgbImage.Decode(Convert.FromBase64String((string)response["data"]![0]!["b64_json"]!));
}
