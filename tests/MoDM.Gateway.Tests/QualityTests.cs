using System.Globalization;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Gateway.Callers;
using MoDM.Onnx;

namespace MoDM.Gateway.Tests;

/// <summary>Hits that idle large workers draw once more, and what follows from it, on the wire.</summary>
public sealed class QualityTests : IAsyncLifetime
{
    private static readonly (string, string)[] AllHitsAreSampled =
        [("similarity: 0.519", "similarity: -0.9"), ("capacity: 10000", "quality: {sample: 1}\n    capacity: 10000")];

    private FakeWorker _large = null!, _small = null!;

    public async ValueTask InitializeAsync()
    {
        _large = await FakeWorker.StartAsync("postcards-large");
        _small = await FakeWorker.StartAsync("postcards-small");
    }

    public async ValueTask DisposeAsync()
    {
        await _large.DisposeAsync();
        await _small.DisposeAsync();
    }

    [Fact]
    public async Task A_hit_is_drawn_once_more_as_a_miss_would_be_and_enters_neither_cache_nor_load()
    {
        await using var gateway = await StartAsync(AllHitsAreSampled);
        await MissAsync(gateway);

        var hit = await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new
        {
            prompt = "a red kite",
            seed = 41,
            num_inference_steps = 60,
            stream = false,
        }));
        Assert.Equal("hit", (string)hit["modm"]!["route"]!);
        await SampledAsync(gateway, 1);

        var audit = Assert.Single(_large.BackgroundJobs);
        Assert.Null(audit.Source);
        Assert.Equal(("a red kite", 41L, 60, 3.0, "128x128"),
            (audit.Request.Prompt, audit.Request.Seed, audit.Request.NumInferenceSteps, audit.Request.GuidanceScale, audit.Request.Size));
        Assert.Null(audit.Request.SkipSteps);
        Assert.Single(_large.Jobs);

        // The miss and the hit are in the cache and among the arrivals, the audit is in neither.
        await gateway.StatusAsync(s => (int)s["cache"]!["entries"]! == 2);
        await Task.Delay(500, TestContext.Current.CancellationToken);
        Assert.Equal(2, (int)(await StatusAsync(gateway))["cache"]!["entries"]!);
        Assert.Equal((1, 1), (await MetricAsync(gateway, """modm_arrived_images_total{mixture="postcards",route="miss"}"""),
            await MetricAsync(gateway, """modm_arrived_images_total{mixture="postcards",route="hit"}""")));

        var quality = (await StatusAsync(gateway))["quality"]!;
        Assert.Equal((1, 0.95, 0.0), ((int)quality["samples"]!, (double)quality["floor"]!, (double)quality["raised_by"]!));
        Assert.InRange((double)quality["ratio"]!, 0.5, 2);
        Assert.Null(quality["low"]);
        Assert.Contains("of the large model's CLIP score", (string)quality["reason"]!, StringComparison.Ordinal);
        Assert.Equal((double)quality["ratio"]!, await MetricAsync(gateway, "modm_quality_ratio"), 4);
        Assert.Equal((1, 1), (await MetricAsync(gateway, "modm_quality_samples_total"), await MetricAsync(gateway, """modm_audits_total{outcome="completed"}""")));
    }

    [Theory]
    [InlineData("sample: 0")]
    [InlineData("floor: 0, sample: 1")]
    public async Task Without_a_floor_or_a_sample_nothing_is_drawn_twice_and_nothing_shown(string quality)
    {
        await using var gateway = await StartAsync(AllHitsAreSampled[0], ("capacity: 10000", $"quality: {{{quality}}}\n    capacity: 10000"));
        await MissAsync(gateway);
        await HitAsync(gateway, 1);
        await Task.Delay(1000, TestContext.Current.CancellationToken);

        Assert.Empty(_large.BackgroundJobs);
        Assert.Null((await StatusAsync(gateway))["quality"]);
    }

    [Fact]
    public async Task While_the_large_worker_draws_a_hit_waits_to_be_drawn_again()
    {
        await using var gateway = await StartAsync(AllHitsAreSampled);
        await MissAsync(gateway);
        _large.StepTime = TimeSpan.FromMilliseconds(40);
        var miss = gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" });
        await GatewayProcess.Eventually(() => Task.FromResult(_large.Jobs.Count == 2));

        await HitAsync(gateway, 1);

        // As many looks for an idle worker as fit in a second and a half.
        await GatewayProcess.Eventually(() => Task.FromResult(_large.Jobs[1].StepsDone >= 45 || miss.IsCompleted));
        Assert.False(miss.IsCompleted);
        Assert.Empty(_large.BackgroundJobs);
        await miss;
        await GatewayProcess.Eventually(() => Task.FromResult(_large.BackgroundJobs.Count == 1));
    }

    [Fact]
    public async Task A_request_takes_the_worker_from_an_audit_which_is_cancelled_and_tried_again()
    {
        await using var gateway = await StartAsync(AllHitsAreSampled);
        await MissAsync(gateway);
        _large.StepTime = TimeSpan.FromMilliseconds(400); // 20 s a drawing.
        await HitAsync(gateway, 1);
        await GatewayProcess.Eventually(() => Task.FromResult(_large.BackgroundJobs is [{ StepsDone: >= 1 }]));

        _large.StepTime = TimeSpan.Zero;
        var response = await gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" });

        Assert.True(response.IsSuccessStatusCode);
        Assert.True(_large.BackgroundJobs[0].Cancelled);
        Assert.Equal((2, 0), (_large.Jobs.Count, _large.Refused)); // It was sent once, and not told that the worker is busy.
        await SampledAsync(gateway, 1);
        Assert.Equal(2, _large.BackgroundJobs.Count);
        Assert.Equal(1, await MetricAsync(gateway, """modm_audits_total{outcome="cancelled"}"""));
    }

    [Fact]
    public async Task A_worker_that_fails_an_audit_costs_a_sample_and_nothing_else()
    {
        await using var gateway = await StartAsync(AllHitsAreSampled);
        await MissAsync(gateway);
        _large.DiesAtStep = 3;

        await HitAsync(gateway, 1);
        await GatewayProcess.Eventually(async () => await MetricAsync(gateway, """modm_audits_total{outcome="failed"}""") == 1);

        _large.DiesAtStep = null;
        Assert.All((await StatusAsync(gateway))["workers"]!.AsArray(), w => Assert.Equal("ready", (string)w!["state"]!));
        await HitAsync(gateway, 2);
        await SampledAsync(gateway, 1);
        Assert.Equal(2, _large.BackgroundJobs.Count);
    }

    [Fact]
    public async Task Of_many_hits_while_the_large_worker_is_busy_the_newest_are_kept()
    {
        await using var gateway = await StartAsync(AllHitsAreSampled);
        await MissAsync(gateway);
        _large.StepTime = TimeSpan.FromMinutes(1);
        using var leave = new CancellationTokenSource();
        var miss = gateway.Http.PostAsync("/v1/images/generations",
            new StringContent("""{"prompt": "a red kite", "cache": "bypass"}""", System.Text.Encoding.UTF8, "application/json"), leave.Token);
        await GatewayProcess.Eventually(() => Task.FromResult(_large.Jobs.Count == 2));
        for (var i = 1; i <= 10; i++)
            await HitAsync(gateway, i);

        _large.StepTime = TimeSpan.Zero;
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => miss);
        await SampledAsync(gateway, 8);

        Assert.Equal([3, 4, 5, 6, 7, 8, 9, 10], _large.BackgroundJobs.Where(j => j.Completed).Select(j => j.Request.Seed));
    }

    [Fact]
    public async Task Bad_hits_raise_the_thresholds_and_the_next_miss_says_so()
    {
        // A single threshold just below what the cached picture comes to, so that one raise makes a miss of it.
        var drawn = RgbImage.Decode(await File.ReadAllBytesAsync(Repo.File("tests", "golden", "source-0.png"), TestContext.Current.CancellationToken));
        _large.Draws = _ => drawn;
        _small.Draws = request => Noise((int)request.Seed!.Value);
        var similarity = await SimilarityAsync();
        await using var gateway = await StartAsync(
            ("similarity: 0.519", string.Create(CultureInfo.InvariantCulture, $"similarity: {similarity - 0.003:0.0000}")), AllHitsAreSampled[1],
            ("admit: All", "admit: Large"));
        await MissAsync(gateway);

        for (var i = 1; i <= 20; i++)
        {
            await HitAsync(gateway, i);
            await GatewayProcess.Eventually(async () => await MetricAsync(gateway, "modm_quality_samples_total") == i);
        }

        var after = await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite", seed = 99 }));
        Assert.Equal("miss", (string)after["modm"]!["route"]!);
        Assert.Contains("which is raised by 0.005 to keep the quality floor", (string)after["modm"]!["reason"]!, StringComparison.Ordinal);
        var quality = (await StatusAsync(gateway))["quality"]!;
        Assert.Equal((0.005, 0), ((double)quality["raised_by"]!, (int)quality["samples"]!));
        Assert.Contains("thresholds are raised to 0.005", (string)quality["reason"]!, StringComparison.Ordinal);
        Assert.Equal(0.005, await MetricAsync(gateway, "modm_quality_raised"));
    }

    [Fact]
    public async Task Hits_are_in_the_ledger_with_the_steps_and_the_measured_seconds_that_they_saved()
    {
        _large.StepTime = TimeSpan.FromMilliseconds(10);
        await using var gateway = await StartAsync(AllHitsAreSampled[0]);
        var before = (await StatusAsync(gateway))["ledger"]!;
        Assert.Equal((0, 0), ((int)before["hits"]!, (int)before["steps_saved"]!));
        Assert.Null(before["gpu_seconds_saved"]);

        await MissAsync(gateway);
        var skipped = 0;
        for (var i = 1; i <= 2; i++)
            skipped += (int)(await HitAsync(gateway, i))["modm"]!["skipped_steps"]!;

        var ledger = (await StatusAsync(gateway))["ledger"]!;
        Assert.Equal((2, skipped), ((int)ledger["hits"]!, (int)ledger["steps_saved"]!));
        // Twice what the miss took, 50 steps of 10 ms or a little more each, less the millisecond that the fake says it needs.
        Assert.InRange((double)ledger["gpu_seconds_saved"]!, 2 * 0.5 - 0.01, 4);
        Assert.Equal(skipped, await MetricAsync(gateway, """modm_saved_steps_total{tenant=""}"""));
        Assert.Equal((double)ledger["gpu_seconds_saved"]!, await MetricAsync(gateway, """modm_saved_gpu_seconds_total{tenant=""}"""), 3);
    }

    [Fact]
    public async Task Each_tenant_sees_what_its_own_hits_saved_and_an_admin_all_of_it()
    {
        var file = Path.Combine(TempFolder.New(), "keys.jsonl");
        string[] keys = [NewKey("alice"), NewKey("bob"), NewKey("root", "--admin")];
        await using var gateway = await GatewayProcess.StartAsync(
            [_large, _small], "--mixture", await OverloadTests.MixtureWithAsync([AllHitsAreSampled[0]]), "--keys", file);

        // Of alice one hit, of bob two: of their own pictures, since tenants do not share them.
        for (var i = 0; i < 2; i++)
        {
            Use(keys[i]);
            await GatewayProcess.Eventually(async () => (await gateway.GenerateAsync(new { prompt = "a red kite", seed = 0 })).IsSuccessStatusCode);
            await gateway.StatusAsync(s => (int)s["cache"]!["entries"]! == 2 * i + 1);
            for (var hit = 1; hit <= i + 1; hit++)
                await HitAsync(gateway, hit);
        }

        var hits = new List<int>();
        foreach (var key in keys)
        {
            Use(key);
            hits.Add((int)(await StatusAsync(gateway))["ledger"]!["hits"]!);
        }
        Assert.Equal([1, 2, 3], hits);
        Assert.Equal(2, await MetricAsync(gateway, """modm_saved_steps_total{tenant="bob"}""") / await MetricAsync(gateway, """modm_saved_steps_total{tenant="alice"}"""));

        void Use(string key) => gateway.Http.DefaultRequestHeaders.Authorization = new("Bearer", key);

        string NewKey(string name, params string[] more)
        {
            using var said = new StringWriter();
            using var complaints = new StringWriter();
            Assert.Equal(0, KeysCommand.Run(["add", name, "--keys", file, .. more], said, complaints));
            return said.ToString().Trim();
        }
    }

    private async Task<GatewayProcess> StartAsync(params (string, string)[] changes)
    {
        var gateway = await GatewayProcess.StartAsync([_large, _small], "--mixture", await OverloadTests.MixtureWithAsync(changes));
        await gateway.StatusAsync(s => s["workers"]!.AsArray().All(w => (string)w!["state"]! == "ready"));
        return gateway;
    }

    private static async Task MissAsync(GatewayProcess gateway)
    {
        await gateway.GenerateAsync(new { prompt = "a red kite", seed = 0 });
        await gateway.StatusAsync(s => (int)s["cache"]!["entries"]! == 1);
    }

    private static async Task<JsonNode> HitAsync(GatewayProcess gateway, int seed)
    {
        var answer = await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite", seed }));
        Assert.Equal("hit", (string)answer["modm"]!["route"]!);
        return answer;
    }

    /// <summary>Of the prompt to the picture that the large worker draws for it.</summary>
    private async Task<double> SimilarityAsync()
    {
        await using var gateway = await StartAsync(AllHitsAreSampled[0]);
        await MissAsync(gateway);
        return (double)(await HitAsync(gateway, 1))["modm"]!["similarity"]!;
    }

    private static Task SampledAsync(GatewayProcess gateway, int samples) =>
        gateway.StatusAsync(s => (int)s["quality"]!["samples"]! == samples);

    private static async Task<JsonNode> StatusAsync(GatewayProcess gateway) =>
        JsonNode.Parse(await gateway.Http.GetStringAsync("/v1/status", TestContext.Current.CancellationToken))!;

    private static async Task<double> MetricAsync(GatewayProcess gateway, string series)
    {
        var text = await gateway.Http.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        return text.Split('\n').FirstOrDefault(l => l.StartsWith(series + " ", StringComparison.Ordinal)) is { } line
            ? double.Parse(line[(series.Length + 1)..], CultureInfo.InvariantCulture) : double.NaN;
    }

    private static RgbImage Noise(int seed)
    {
        var pixels = new byte[128 * 128 * 3];
        new Random(seed).NextBytes(pixels);
        return new RgbImage(128, 128, pixels);
    }
}
