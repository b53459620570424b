using System.Text;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Gateway.Tests;

/// <summary>Images by id: what they say of themselves, and that they can be removed.</summary>
public sealed class KeptImagesTests : IAsyncLifetime
{
    private FakeWorker _large = null!, _small = null!;
    private GatewayProcess _gateway = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _large = await FakeWorker.StartAsync("postcards-large");
        _small = await FakeWorker.StartAsync("postcards-small");
        var mixture = Path.Combine(TempFolder.New(), "postcards.yaml");
        // Whatever is in the bucket is a hit.
        await File.WriteAllTextAsync(mixture, $$"""
            apiVersion: modm.dev/v1alpha1
            kind: ModelMixture
            metadata: {name: postcards}
            spec:
              steps: 10
              large: {model: {path: {{Repo.File("models")}}/postcards-large}, guidanceScale: 3}
              small: [{name: postcards-small, model: {path: {{Repo.File("models")}}/postcards-small}, guidanceScale: 3}]
              gpuBudget: 2
              cache:
                embedder: {path: {{Repo.File("models")}}/postcards-clip}
                hits: [{similarity: -1, skip: 0.3}]
            """, Cancel);
        _gateway = await GatewayProcess.StartAsync([_large, _small], "--mixture", mixture);
        await _gateway.StatusAsync(s => s["workers"]!.AsArray().All(w => (string)w!["state"]! == "ready"));
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _large.DisposeAsync();
        await _small.DisposeAsync();
    }

    [Fact]
    public async Task An_image_says_where_it_comes_from_as_json_and_in_its_png()
    {
        var root = await DrawAsync("a red kite", seed: 1);
        await CachedAsync(root);
        var child = await DrawAsync("a red kite", seed: 2);

        var said = await ProvenanceAsync(child);

        Assert.Equal((child, root, 0.3 * 10, 10, 2L, "postcards", "postcards-small"),
            ((string)said["id"]!, (string)said["source_image"]!, (double)said["skipped_steps"]!, (int)said["steps"]!, (long)said["seed"]!,
            (string)said["mixture"]!, (string)said["model"]!));
        Assert.Equal([root], said["lineage"]!.AsArray().Select(i => (string)i!));
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes("a red kite"))), (string)said["prompt_sha256"]!);
        Assert.DoesNotContain("kite", said.ToJsonString(), StringComparison.Ordinal);
        var png = await _gateway.Http.GetByteArrayAsync($"/v1/images/{child}", Cancel);
        var text = TextOf(png)!;
        // Whoever gets to see the picture can fetch no other by it, and can check what it is said to go back to.
        Assert.DoesNotContain(root, text.ToJsonString(), StringComparison.Ordinal);
        var hash = "sha256:" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.ASCII.GetBytes(root)));
        said.AsObject().Remove("created");
        (said["source_image"], said["lineage"]) = (hash, new JsonArray(hash));
        Assert.Equal(said.ToJsonString(), text.ToJsonString());
        MoDM.Onnx.RgbImage.Decode(png);
    }

    [Fact]
    public async Task The_png_of_an_answer_says_it_too()
    {
        var body = await GatewayProcess.JsonAsync(await _gateway.GenerateAsync(new { prompt = "a red kite", seed = 1 }));
        var said = TextOf(Convert.FromBase64String((string)body["data"]![0]!["b64_json"]!))!;
        Assert.Equal((string)body["modm"]!["images"]![0]!["id"]!, (string)said["id"]!);
    }

    [Fact]
    public async Task A_chain_of_twenty_hits_goes_back_to_an_image_from_noise_in_two_steps_at_most()
    {
        var first = await DrawAsync("a red kite", seed: 1);
        await CachedAsync(first);
        var depths = new List<int>();
        for (var i = 0; i < 20; i++)
        {
            var id = await DrawAsync("a red kite", seed: 10 + i, url: true);
            var said = await ProvenanceAsync(id);
            var lineage = said["lineage"]!.AsArray().Select(n => (string)n!).ToList();
            depths.Add(lineage.Count);
            Assert.NotEmpty(lineage);
            Assert.Equal(first, lineage[^1]);
            Assert.Equal(lineage.Count < 2, (bool)said["is_source"]!);
            if (lineage.Count < 2) await CachedAsync(id);
        }
        Assert.True(depths.Max() <= 2, string.Join(", ", depths));
    }

    [Fact]
    public async Task A_removed_image_is_no_hit_and_its_descendants_go_with_it()
    {
        var root = await DrawAsync("a red kite", seed: 1);
        await CachedAsync(root);
        var child = await DrawAsync("a red kite", seed: 2);
        await CachedAsync(child);

        var gone = await GatewayProcess.JsonAsync(await _gateway.Http.DeleteAsync($"/v1/images/{root}?descendants=true", Cancel));

        Assert.Equal((true, 2), ((bool)gone["deleted"]!, gone["removed"]!.AsArray().Count));
        Assert.Equal(404, (int)(await _gateway.Http.GetAsync($"/v1/images/{root}", Cancel)).StatusCode);
        Assert.Equal(404, (int)(await _gateway.Http.GetAsync($"/v1/images/{child}", Cancel)).StatusCode);
        Assert.Equal(404, (int)(await _gateway.Http.DeleteAsync($"/v1/images/{root}", Cancel)).StatusCode);
        var next = await GatewayProcess.JsonAsync(await _gateway.GenerateAsync(new { prompt = "a red kite", seed = 3 }));
        Assert.Equal("miss", (string)next["modm"]!["route"]!);
    }

    [Fact]
    public async Task All_images_of_a_user_can_be_removed_and_nobody_elses()
    {
        var (mine, other) = (await DrawAsync("a red kite", seed: 1, user: "mia"), await DrawAsync("a green kite", seed: 2, user: "tom"));
        await CachedAsync(mine);
        await CachedAsync(other);

        var gone = await GatewayProcess.JsonAsync(await _gateway.Http.DeleteAsync("/v1/images?user=mia", Cancel));

        Assert.Equal(1, (int)gone["count"]!);
        Assert.Equal(404, (int)(await _gateway.Http.GetAsync($"/v1/images/{mine}", Cancel)).StatusCode);
        Assert.True((await _gateway.Http.GetAsync($"/v1/images/{other}", Cancel)).IsSuccessStatusCode);
        Assert.Equal(400, (int)(await _gateway.Http.DeleteAsync("/v1/images", Cancel)).StatusCode);
        Assert.Equal(400, (int)(await _gateway.Http.DeleteAsync("/v1/images?tenant=acme", Cancel)).StatusCode);
    }

    [Fact]
    public async Task Guidance_of_another_kind_starts_from_none_of_these()
    {
        await CachedAsync(await DrawAsync("a red kite", seed: 1));

        async Task<string> RouteAsync(double guidance) =>
            (string)(await GatewayProcess.JsonAsync(await _gateway.GenerateAsync(new { prompt = "a red kite", guidance_scale = guidance })))["modm"]!["route"]!;
        Assert.Equal("miss", await RouteAsync(1));
        Assert.Equal("miss", await RouteAsync(12));
    }

    [Fact]
    public async Task A_copy_is_good_as_long_as_the_image_is_there()
    {
        var id = await DrawAsync("a red kite", seed: 1, url: true);
        var first = await _gateway.Http.GetAsync($"/v1/images/{id}", Cancel);
        Assert.True(first.Headers.CacheControl!.NoCache);
        using var again = new HttpRequestMessage(HttpMethod.Get, $"/v1/images/{id}");
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        Assert.Equal(304, (int)(await _gateway.Http.SendAsync(again, Cancel)).StatusCode);
    }

    private async Task<string> DrawAsync(string prompt, long seed, bool url = false, string? user = null)
    {
        var body = await GatewayProcess.JsonAsync(await _gateway.GenerateAsync(new { prompt, seed, user = user ?? "x", response_format = url ? "url" : "b64_json" }));
        return (string)body["modm"]!["images"]![0]!["id"]!;
    }

    private Task CachedAsync(string id) => GatewayProcess.Eventually(async () =>
        (await _gateway.Http.GetAsync($"/v1/images/{id}", Cancel)).Headers.TryGetValues("x-modm-cached", out var cached) && cached.First() == "true");

    private async Task<JsonNode> ProvenanceAsync(string id)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/images/{id}");
        request.Headers.Accept.ParseAdd("application/json");
        return await GatewayProcess.JsonAsync(await _gateway.Http.SendAsync(request, Cancel));
    }

    /// <summary>What a PNG's tEXt chunk "modm" holds, read as any reader does.</summary>
    private static JsonNode? TextOf(byte[] png)
    {
        for (var at = 8; at < png.Length;)
        {
            var length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at));
            var type = Encoding.ASCII.GetString(png, at + 4, 4);
            var data = png.AsSpan(at + 8, length);
            Assert.Equal(System.IO.Hashing.Crc32.HashToUInt32(png.AsSpan(at + 4, length + 4)),
                System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(at + 8 + length)));
            if (type == "tEXt" && data.StartsWith("modm\0"u8)) return JsonNode.Parse(Encoding.Latin1.GetString(data[5..]));
            at += 12 + length;
        }
        return null;
    }
}
