using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.EndToEnd.Tests;

/// <summary>kill -9, of either side, at the worst moment.</summary>
public sealed class CrashTests
{
    private readonly string _cache = TempFolder.New();

    [Fact]
    public async Task A_worker_killed_while_drawing_costs_nobody_an_answer_and_is_replaced()
    {
        await using var gateway = await RunningGateway.StartAsync(_cache);
        var request = gateway.Http.PostAsJsonAsync("/v1/images/generations", new { prompt = "a red kite", cache = "bypass", seed = 1 }, Cancel);
        await gateway.StatusAsync(s => s["workers"]!.AsArray().Any(w => (string)w!["pool"]! == "large" && (int)w["in_flight"]! == 1));
        var killed = gateway.Workers().Single(w => w.Model == "postcards-large").ProcessId;

        Process.GetProcessById(killed).Kill();

        var response = await request;
        var text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.Equal(128, RgbImage.Decode(Convert.FromBase64String((string)JsonNode.Parse(text)!["data"]![0]!["b64_json"]!)).Width);
        Assert.NotEqual(killed, gateway.Workers().Single(w => w.Model == "postcards-large").ProcessId);
    }

    [Fact]
    public async Task A_gateway_killed_while_writing_keeps_every_image_that_it_acknowledged()
    {
        var acknowledged = new ConcurrentBag<string>();
        for (var round = 0; round < 3; round++)
        {
            var gateway = await RunningGateway.StartAsync(_cache);
            await CheckAsync(gateway.Http, acknowledged);
            using var clients = new CancellationTokenSource();
            var drawing = Task.WhenAll(Enumerable.Range(0, 4).Select(c => DrawAsync(gateway.Http, $"{round} {c}", acknowledged, clients.Token)));
            var enough = acknowledged.Count + 6;
            await RunningGateway.EventuallyAsync(() => Task.FromResult(acknowledged.Count >= enough));

            gateway.Kill();

            await clients.CancelAsync();
            await drawing;
            await gateway.DisposeAsync();
        }

        await using var last = await RunningGateway.StartAsync(_cache);
        await CheckAsync(last.Http, acknowledged);
        Assert.True(acknowledged.Count >= 18);
        Assert.DoesNotContain(Directory.EnumerateFiles(_cache, "*.png", SearchOption.AllDirectories), f => !IsWhole(f));
    }

    [Fact]
    public async Task Workers_do_not_outlive_a_killed_gateway()
    {
        var gateway = await RunningGateway.StartAsync(_cache);
        var workers = gateway.Workers();
        Assert.Equal(2, workers.Count);

        gateway.Kill();

        await RunningGateway.EventuallyAsync(() => Task.FromResult(workers.All(w => !Directory.Exists($"/proc/{w.ProcessId}"))));
        await gateway.DisposeAsync();
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Draws until told to stop, and notes each image once the gateway has said that it is cached.</summary>
    private static async Task DrawAsync(HttpClient http, string words, ConcurrentBag<string> acknowledged, CancellationToken stop)
    {
        try
        {
            for (var i = 0; ; i++)
            {
                var response = await http.PostAsJsonAsync("/v1/images/generations", new { prompt = $"a red kite {words} {i}", cache = "refresh", num_inference_steps = 50 }, stop);
                var id = (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync(stop))!["modm"]?["images"]?[0]?["id"];
                if (id is null) continue;
                var image = await http.GetAsync($"/v1/images/{id}", stop);
                while (image.Headers.GetValues("x-modm-cached").Single() == "false")
                {
                    await Task.Delay(10, stop);
                    image = await http.GetAsync($"/v1/images/{id}", stop);
                }
                acknowledged.Add(id);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or HttpRequestException or IOException)
        {
            // The gateway was killed.
        }
    }

    private static async Task CheckAsync(HttpClient http, IEnumerable<string> acknowledged)
    {
        foreach (var id in acknowledged)
        {
            var response = await http.GetAsync($"/v1/images/{id}", Cancel);
            Assert.True(response.IsSuccessStatusCode, $"{id} is gone");
            Assert.Equal("true", response.Headers.GetValues("x-modm-cached").Single());
            Assert.StartsWith(id, Convert.ToHexStringLower(SHA256.HashData(AsStored(await response.Content.ReadAsByteArrayAsync(Cancel)))), StringComparison.Ordinal);
        }
    }

    /// <summary>Without the text chunk before the last one, IEND: the bytes that the id is of.</summary>
    private static byte[] AsStored(byte[] png)
    {
        var chunk = png.AsSpan().LastIndexOf("tEXtmodm\0"u8) - 4;
        Assert.True(chunk > 0, "there is no text chunk");
        return [.. png.AsSpan(0, chunk), .. png.AsSpan(png.Length - 12)];
    }

    private static bool IsWhole(string file) =>
        Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))).StartsWith(Path.GetFileNameWithoutExtension(file), StringComparison.Ordinal);
}
