using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Gateway.Tests;

public sealed class StreamTests
{
    [Fact]
    public async Task A_stream_shows_the_wait_the_steps_and_the_image_with_its_story()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        large.StepTime = TimeSpan.FromMilliseconds(50);
        await using var gateway = await GatewayProcess.StartAsync([large]);
        var ahead = gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" });
        await GatewayProcess.Eventually(() => Task.FromResult(large.Jobs.Count == 1));

        var response = await gateway.GenerateAsync(new { prompt = "a red kite", seed = 5, stream = true });
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        await ahead;

        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("miss", response.Headers.GetValues("x-modm-route").Single());
        Assert.Contains(""": modm {"index":0,"queued":0}""", text, StringComparison.Ordinal);
        Assert.Contains(""": modm {"index":0,"step":50,"steps":50,"model":"postcards-large","eta_seconds":0}""", text, StringComparison.Ordinal);
        Assert.Contains(": heartbeat", text, StringComparison.Ordinal);
        var completed = Events(text).Single();
        Assert.Equal("image_generation.completed", completed.Name);
        Assert.Equal((5, "miss", "postcards-large"), ((int)completed.Data["seed"]!, (string)completed.Data["modm"]!["route"]!, (string)completed.Data["modm"]!["images"]![0]!["model"]!));
        Assert.Equal(128, RgbImage.Decode(Convert.FromBase64String((string)completed.Data["b64_json"]!)).Width);
    }

    [Fact]
    public async Task Who_waits_in_a_stream_is_told_how_long_with_a_band_and_afterwards_how_true_it_was()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        large.StepTime = TimeSpan.FromMilliseconds(40);
        await using var gateway = await GatewayProcess.StartAsync([large]);
        await gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" }); // The first one is timed.
        var ahead = gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" });
        await GatewayProcess.Eventually(() => Task.FromResult(large.Jobs.Count == 2));

        var response = await gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass", stream = true });
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        await ahead;

        var drawing = 2.0;
        Assert.InRange(double.Parse(response.Headers.GetValues("x-modm-eta-ms").Single(), null) / 1000, drawing, 6 * drawing);
        var live = text.Split('\n').Where(l => l.StartsWith(": modm ", StringComparison.Ordinal)).Select(l => JsonNode.Parse(l[7..])!).ToList();
        var queued = live.First(l => l["queued"] is not null);
        var eta = (double)queued["eta_seconds"]!;
        Assert.InRange(eta, drawing, 6 * drawing);
        Assert.InRange((double)queued["eta_low"]!, 0.1, eta);
        Assert.InRange((double)queued["eta_high"]!, eta, 2 * eta);
        var left = live.Where(l => l["step"] is not null).Select(l => (double)l["eta_seconds"]!).ToList();
        Assert.Equal(left.OrderDescending(), left);
        Assert.InRange(left[0], 0.9 * drawing, 3 * drawing);
        var part = Events(text).Single().Data["modm"]!["images"]![0]!;
        Assert.InRange((double)part["estimated_ms"]! / 1000, drawing, 6 * drawing);
    }

    [Fact]
    public async Task Several_images_are_told_apart_by_their_index()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large", capacity: 3);
        await using var gateway = await GatewayProcess.StartAsync([large]);

        var response = await gateway.GenerateAsync(new { prompt = "a red kite", seed = 10, n = 3, stream = true });
        var events = Events(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        // Complaint 23: every image reports the seed that makes it again.
        Assert.Equal([(0, 10), (1, 11), (2, 12)], events.Select(e => ((int)e.Data["index"]!, (int)e.Data["seed"]!)).Order());
    }

    [Fact]
    public async Task A_failure_after_the_start_is_an_error_event()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        large.DiesAtStep = 2;
        await using var gateway = await GatewayProcess.StartAsync([large]);

        var response = await gateway.GenerateAsync(new { prompt = "a red kite", stream = true });
        var events = Events(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("error", events.Single().Name);
        Assert.Equal("worker_failed", (string)events.Single().Data["error"]!["code"]!);
    }

    [Fact]
    public async Task A_stream_shows_life_while_a_worker_says_nothing()
    {
        // Complaint 13: a load balancer that cuts what is idle for 20 s never sees 11 s without a byte.
        await using var large = await FakeWorker.StartAsync("postcards-large");
        large.Silence = TimeSpan.FromSeconds(12);
        await using var gateway = await GatewayProcess.StartAsync([large]);

        var response = await gateway.GenerateAsync(new { prompt = "a red kite", stream = true });
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        Assert.True(text.Split(": heartbeat").Length - 1 >= 2, text);
    }

    [Theory]
    [InlineData("png", "image/png")]
    [InlineData("webp", "image/webp")]
    [InlineData("jpeg", "image/jpeg")]
    public async Task An_image_comes_in_the_format_asked_for_inline_and_by_url(string format, string mediaType)
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        await using var gateway = await GatewayProcess.StartAsync([large]);

        var inline = await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite", output_format = format, cache = "bypass" }));
        AssertRed(Convert.FromBase64String((string)inline["data"]![0]!["b64_json"]!));

        // The URL works at once, also for an image that the cache does not keep.
        var byUrl = await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite", output_format = format, response_format = "url", cache = "bypass" }));
        var picture = await gateway.Http.GetAsync((string)byUrl["data"]![0]!["url"]!, TestContext.Current.CancellationToken);
        Assert.Equal(mediaType, picture.Content.Headers.ContentType!.MediaType);
        AssertRed(await picture.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        Assert.Equal("false", picture.Headers.GetValues("x-modm-cached").Single());

        void AssertRed(byte[] bytes)
        {
            Assert.Equal(format, bytes switch { [0x89, 0x50, ..] => "png", [0xFF, 0xD8, ..] => "jpeg", [0x52, 0x49, 0x46, 0x46, ..] => "webp", _ => "?" });
            var image = RgbImage.Decode(bytes);
            var middle = image.Pixels.AsSpan((64 * 128 + 64) * 3, 3);
            Assert.True(middle[0] > 150 && middle[1] < 80 && middle[2] < 80);
        }
    }

    private static List<(string Name, JsonNode Data)> Events(string text) =>
        [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(e => e.StartsWith("event: ", StringComparison.Ordinal)).Select(e =>
        {
            var lines = e.Split('\n');
            return (lines[0]["event: ".Length..], JsonNode.Parse(lines[1]["data: ".Length..])!);
        })];
}
