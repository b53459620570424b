using System.Net;
using System.Text.Json;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Worker.Tests;

public sealed class GenerationTests(SmallWorker small) : IClassFixture<SmallWorker>
{
    private readonly WorkerProcess _worker = small.Worker;

    [Fact]
    public async Task An_answer_has_the_picture_its_seed_and_its_cost()
    {
        var response = await _worker.GenerateAsync(new { model = "postcards-small", prompt = "a red kite", num_inference_steps = 4 });
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var body = await WorkerProcess.BodyAsync(response);
        var data = body.GetProperty("data")[0];
        var picture = RgbImage.Decode(data.GetProperty("b64_json").GetBytesFromBase64());
        Assert.Equal((128, 128), (picture.Width, picture.Height));
        Assert.Equal("postcards-small", Assert.Single(response.Headers.GetValues("x-modm-model")));
        Assert.Equal(data.GetProperty("seed").ToString(), Assert.Single(response.Headers.GetValues("x-modm-seed")));
        var part = body.GetProperty("modm").GetProperty("images")[0];
        Assert.Equal((4, 0), (part.GetProperty("steps").GetInt32(), part.GetProperty("skipped_steps").GetInt32()));
        Assert.InRange(part.GetProperty("inference_ms").GetDouble(), 0.001, part.GetProperty("generation_ms").GetDouble());
    }

    // Complaint row 23: the image must not change with the batch, and every seed must be known.
    [Fact]
    public async Task Four_images_of_one_request_equal_four_requests_with_the_reported_seeds_byte_for_byte()
    {
        var four = await Data(new { prompt = "a green cabin", n = 4, seed = 40, num_inference_steps = 6, guidance_scale = 3 });
        Assert.Equal([40, 41, 42, 43], four.Select(d => d.GetProperty("seed").GetInt64()));
        Assert.Equal(4, four.Select(d => d.GetProperty("b64_json").GetString()).Distinct().Count());
        foreach (var image in four)
        {
            var alone = await Data(new
            {
                prompt = "a green cabin",
                seed = image.GetProperty("seed").GetInt64(),
                num_inference_steps = 6,
                guidance_scale = 3,
            });
            Assert.Equal(image.GetProperty("b64_json").GetString(), alone[0].GetProperty("b64_json").GetString());
        }
    }

    // Complaint row 18: every accepted option changes the result.
    [Theory]
    [InlineData("prompt", "a blue castle")]
    [InlineData("negative_prompt", "kite")]
    [InlineData("seed", 2)]
    [InlineData("num_inference_steps", 5)]
    [InlineData("guidance_scale", 5.5)]
    [InlineData("guidance_scale", 1.0)]
    [InlineData("output_format", "webp")]
    [InlineData("output_format", "jpeg")]
    public async Task Every_option_changes_the_picture(string field, object value)
    {
        var usual = new Dictionary<string, object>
        {
            ["prompt"] = "a red kite",
            ["seed"] = 1,
            ["num_inference_steps"] = 4,
            ["guidance_scale"] = 3,
        };
        var before = await Data(usual);
        var after = await Data(new Dictionary<string, object>(usual) { [field] = value });
        Assert.NotEqual(before[0].GetProperty("b64_json").GetString(), after[0].GetProperty("b64_json").GetString());
    }

    [Fact]
    public async Task Compression_is_honoured()
    {
        var sizes = new List<int>();
        foreach (var quality in new[] { 10, 95 })
        {
            var data = await Data(new
            {
                prompt = "a kite",
                seed = 1,
                num_inference_steps = 2,
                output_format = "jpeg",
                output_compression = quality,
            });
            sizes.Add(data[0].GetProperty("b64_json").GetString()!.Length);
        }
        Assert.True(sizes[0] < sizes[1]);
    }

    [Theory]
    [InlineData("""{"prompt": "a"}x""", 400, "body")]
    [InlineData("""{"prompt": ""}""", 400, "prompt")]
    [InlineData("""{"prompt": "a", "size": "256x256"}""", 400, "128x128")]
    [InlineData("""{"prompt": "a", "size": "big"}""", 400, "WIDTHxHEIGHT")]
    [InlineData("""{"prompt": "a", "response_format": "url"}""", 400, "b64_json")]
    [InlineData("""{"prompt": "a", "strength": 0.5}""", 400, "strength")]
    [InlineData("""{"prompt": "a", "skip_steps": 5}""", 400, "skip_steps")]
    [InlineData("""{"prompt": "a", "cache": "auto"}""", 400, "cache")]
    [InlineData("""{"prompt": "a", "tiles": 5}""", 400, "tiles")]
    [InlineData("""{"prompt": "a", "n": 11, "seed": -1}""", 400, "seed")]
    [InlineData("""{"prompt": "a", "num_inference_steps": 0}""", 400, "num_inference_steps")]
    [InlineData("""{"prompt": "a", "partial_images": 2}""", 400, "stream")]
    [InlineData("""{"prompt": "a", "quality": "hd"}""", 400, "quality")]
    [InlineData("""{"prompt": "a", "negative_prompt": "b", "guidance_scale": 1}""", 400, "negative_prompt")]
    [InlineData("""{"prompt": "a", "\ud800": 1}""", 400, "Unicode")]
    [InlineData("""{"prompt": "a", "output_format": "\ud800"}""", 400, "Unicode")]
    [InlineData("""{"prompt": "a\ud800"}""", 400, "prompt")]
    [InlineData("""{"prompt": "a", "model": "other"}""", 404, "postcards-small")]
    public async Task What_cannot_be_honoured_is_refused_with_what_would_be_right(string body, int status, string says)
    {
        var response = await _worker.GenerateAsync(body);
        await Refused(response, status, says);
    }

    [Fact]
    public async Task All_that_is_wrong_is_named_at_once() => await Refused(
        await _worker.GenerateAsync("""{"prompt": "a", "size": "64x64", "response_format": "url"}"""), 400, "response_format", "size");

    [Fact]
    public async Task Bytes_that_are_no_UTF_8_are_refused()
    {
        using var body = new ByteArrayContent([.. "{\"prompt\": \"a"u8, 0xff, .. "\"}"u8]);
        body.Headers.ContentType = new("application/json");
        await Refused(await _worker.Http.PostAsync("/v1/images/generations", body, Cancel), 400, "UTF-8");
    }

    [Fact]
    public async Task Strange_prompts_are_drawn_like_others()
    {
        foreach (var prompt in new[] { "a\0b", "\ud83d\ude80", "<|endoftext|>", new string('x', 30_000) })
        {
            var response = await _worker.GenerateAsync(new { prompt, num_inference_steps = 1 });
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    [Fact]
    public async Task Routes_methods_types_and_sizes_that_do_not_fit_are_errors_in_the_usual_shape()
    {
        await Refused(await _worker.Http.GetAsync("/v1/nothing", Cancel), 404, "/v1/nothing");
        await Refused(await _worker.Http.GetAsync("/v1/images/generations", Cancel), 405, "GET");
        await Refused(await _worker.Http.PostAsync("/v1/images/generations", new StringContent("prompt=a"), Cancel), 415, "application/json");
        await Refused(await _worker.Http.PostAsync("/v1/images/edits", new StringContent("prompt=a"), Cancel), 415, "multipart/form-data");
        await Refused(await _worker.GenerateAsync($$"""{"prompt": "{{new string('a', 2 << 20)}}"}"""), 413, "too large");
        await Refused(await _worker.EditAsync(new byte[33 << 20], ("prompt", "a")), 413, "too large");
    }

    [Fact]
    public async Task Metrics_tell_of_generations_steps_and_loading()
    {
        await Data(new { prompt = "a kite", num_inference_steps = 2 });
        var metrics = await _worker.Http.GetStringAsync("/metrics", Cancel);
        Assert.Contains($$"""{{MetricNames.GenerationSeconds}}_count{model="postcards-small"}""", metrics, StringComparison.Ordinal);
        Assert.Contains($$"""{{MetricNames.StepSeconds}}_count{model="postcards-small"}""", metrics, StringComparison.Ordinal);
        Assert.Contains($$"""{{MetricNames.InFlight}}{pool="postcards-small"} 0""", metrics, StringComparison.Ordinal);
        // Complaint row 10: where a cold start spends its time.
        Assert.Contains($$"""{{MetricNames.ModelLoadSeconds}}{phase="load"}""", metrics, StringComparison.Ordinal);
        Assert.Contains($$"""{{MetricNames.ModelLoadSeconds}}{phase="warm_up"}""", metrics, StringComparison.Ordinal);
    }

    // Complaint row 24 (on a CPU): memory levels off.
    [Fact]
    public async Task Memory_levels_off()
    {
        async Task Draw(int count)
        {
            for (var i = 0; i < count; i++)
                await Data(new { prompt = $"kite {i}", n = 1 + i % 3, num_inference_steps = 1 + i % 2, guidance_scale = 1 + i % 3 });
            _worker.Process.Refresh();
        }
        await Draw(30);
        var before = _worker.Process.WorkingSet64;
        await Draw(60);
        Assert.True(_worker.Process.WorkingSet64 < before + (60 << 20), $"{before} -> {_worker.Process.WorkingSet64}");
    }

    internal static async Task Refused(HttpResponseMessage response, int status, params string[] says)
    {
        var text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(status == (int)response.StatusCode, $"{response.StatusCode}: {text}");
        var error = JsonDocument.Parse(text).RootElement.GetProperty("error");
        Assert.False(string.IsNullOrEmpty(error.GetProperty("type").GetString()));
        Assert.All(says, s => Assert.Contains(s, error.GetProperty("message").GetString(), StringComparison.Ordinal));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private async Task<JsonElement[]> Data(object body)
    {
        var response = await _worker.GenerateAsync(body);
        var json = await WorkerProcess.BodyAsync(response);
        Assert.True(response.StatusCode == HttpStatusCode.OK, json.ToString());
        return [.. json.GetProperty("data").EnumerateArray()];
    }
}
