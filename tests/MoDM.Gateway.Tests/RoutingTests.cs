using MoDM.Fakes;

namespace MoDM.Gateway.Tests;

/// <summary>The way of a request, against workers on the wire.</summary>
public sealed class RoutingTests : IAsyncLifetime
{
    private FakeWorker _large = null!, _small = null!;
    private GatewayProcess _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _large = await FakeWorker.StartAsync("postcards-large");
        _small = await FakeWorker.StartAsync("postcards-small");
        _gateway = await GatewayProcess.StartAsync([_large, _small]);
        await _gateway.StatusAsync(s => s["workers"]!.AsArray().All(w => (string)w!["state"]! == "ready"));
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _large.DisposeAsync();
        await _small.DisposeAsync();
    }

    [Fact]
    public async Task A_miss_goes_to_the_large_model_with_the_request_as_it_was_said()
    {
        var response = await _gateway.GenerateAsync(new
        {
            model = "postcards",
            prompt = "a red kite",
            negative_prompt = "rain",
            seed = 41,
            num_inference_steps = 20,
            guidance_scale = 2.5,
            size = "128x128",
        });

        var job = Assert.Single(_large.Jobs).Request;
        Assert.Equal(("a red kite", "rain", 41L, 20, 2.5, "128x128"), (job.Prompt, job.NegativePrompt, job.Seed, job.NumInferenceSteps, job.GuidanceScale, job.Size));
        Assert.Empty(_small.Jobs);
        Assert.Equal("miss", Header(response, "x-modm-route"));
        Assert.Equal("postcards-large", Header(response, "x-modm-model"));
        Assert.Equal("41", Header(response, "x-modm-seed"));
        var json = await GatewayProcess.JsonAsync(response);
        Assert.Equal("the cache holds no image to compare with", (string)json["modm"]!["reason"]!);
        Assert.Equal(41, (long)json["data"]![0]!["seed"]!);
    }

    [Fact]
    public async Task The_pools_own_guidance_is_sent_when_the_request_says_none()
    {
        await _gateway.GenerateAsync(new { prompt = "a red kite" });

        Assert.Equal((3.0, 50), (Assert.Single(_large.Jobs).Request.GuidanceScale, _large.Jobs[0].Request.NumInferenceSteps));
    }

    [Fact]
    public async Task An_unknown_worker_never_gets_what_the_cache_ruled_out()
    {
        // Complaint 17: auto, bypass and refresh, per request.
        var bypassed = await _gateway.GenerateAsync(new { prompt = "a red kite", cache = "bypass" });
        var json = await GatewayProcess.JsonAsync(bypassed);
        Assert.Null(json["modm"]!["images"]![0]!["id"]);

        await _gateway.GenerateAsync(new { prompt = "a red kite", cache = "refresh" });
        await _gateway.StatusAsync(s => (int)s["cache"]!["entries"]! == 1);
    }

    [Fact]
    public async Task A_worker_that_dies_while_drawing_costs_the_request_nothing_but_time()
    {
        await using var second = await FakeWorker.StartAsync("postcards-large");
        await using var gateway = await GatewayProcess.StartAsync([_large, second]);
        await gateway.StatusAsync(s => s["workers"]!.AsArray().All(w => (string)w!["state"]! == "ready"));
        _large.DiesAtStep = 10;

        for (var i = 0; i < 2; i++)
        {
            var response = await gateway.GenerateAsync(new { prompt = "a red kite", seed = i, cache = "bypass" });
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        }

        Assert.Equal(10 - 1, _large.Jobs[0].StepsDone);
        Assert.Equal(2, second.Jobs.Count);
    }

    [Fact]
    public async Task When_every_worker_dies_the_error_says_so()
    {
        _large.DiesAtStep = 1;

        var response = await _gateway.GenerateAsync(new { prompt = "a red kite" });

        Assert.Equal(502, (int)response.StatusCode);
        Assert.Equal("worker_failed", (string)(await GatewayProcess.JsonAsync(response))["error"]!["code"]!);
        Assert.Equal(3, _large.Jobs.Count);
    }

    [Fact]
    public async Task A_busy_worker_is_asked_again_and_the_image_keeps_its_place()
    {
        _large.BusyAnswers = 2;

        var response = await _gateway.GenerateAsync(new { prompt = "a red kite" });

        Assert.True(response.IsSuccessStatusCode);
        Assert.Single(_large.Jobs);
    }

    [Fact]
    public async Task Sizes_follow_what_the_models_say_that_they_draw()
    {
        await using var free = await FakeWorker.StartAsync("postcards-large");
        free.Sizes = new Api.SizeRule(512, 512, 64);
        await using var small = await FakeWorker.StartAsync("postcards-small");
        small.Sizes = new Api.SizeRule(1024, 1024, 128);
        await using var gateway = await GatewayProcess.StartAsync([free, small]);
        await gateway.StatusAsync(s => s["workers"]!.AsArray().All(w => (string)w!["state"]! == "ready"));

        // The large model could draw its own default, but the small one could not refine it.
        Assert.Equal("1024x1024", (string)(await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite" })))["size"]!);
        Assert.True((await gateway.GenerateAsync(new { prompt = "a red kite", size = "1024x1152" })).IsSuccessStatusCode);
        var refused = await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite", size = "576x576" }));
        Assert.Contains("multiples of 128", (string)refused["error"]!["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_negative_prompt_that_no_model_would_look_at_is_refused()
    {
        // Complaint 18: whether it is a hit or a miss must not decide whether it is honoured.
        var response = await _gateway.GenerateAsync(new { prompt = "a red kite", negative_prompt = "rain", guidance_scale = 1 });

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("negative_prompt", (string)(await GatewayProcess.JsonAsync(response))["error"]!["param"]!);
        Assert.Empty(_large.Jobs);
    }

    [Fact]
    public async Task What_a_worker_refuses_reaches_the_client_in_its_words()
    {
        _large.Error = Api.ApiError.BadRequest("negative_prompt", "is not understood by this model.");

        var response = await _gateway.GenerateAsync(new { prompt = "a red kite", negative_prompt = "x" });

        Assert.Equal(400, (int)response.StatusCode);
        var error = (await GatewayProcess.JsonAsync(response))["error"]!;
        Assert.Equal(("negative_prompt: is not understood by this model.", "negative_prompt"), ((string)error["message"]!, (string)error["param"]!));
    }

    [Fact]
    public async Task A_client_that_leaves_stops_its_own_image_and_no_other()
    {
        // Complaints 21 and 22.
        _large.StepTime = TimeSpan.FromMilliseconds(40);
        await using var second = await FakeWorker.StartAsync("postcards-large");
        second.StepTime = _large.StepTime;
        await using var gateway = await GatewayProcess.StartAsync([_large, second]);
        await gateway.StatusAsync(s => s["workers"]!.AsArray().All(w => (string)w!["state"]! == "ready"));
        using var leave = new CancellationTokenSource();
        var leaving = gateway.Http.PostAsync("/v1/images/generations", System.Net.Http.Json.JsonContent.Create(new { prompt = "a red kite", seed = 1 }), leave.Token);
        var staying = gateway.GenerateAsync(new { prompt = "a green kite", seed = 2 });
        await GatewayProcess.Eventually(() => Task.FromResult(_large.Jobs.Count + second.Jobs.Count == 2));

        await leave.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);
        Assert.True((await staying).IsSuccessStatusCode);
        var jobs = _large.Jobs.Concat(second.Jobs).ToList();
        await GatewayProcess.Eventually(() => Task.FromResult(jobs.Single(j => j.Request.Seed == 1).Cancelled));
        Assert.InRange(jobs.Single(j => j.Request.Seed == 1).StepsDone, 0, 45);
        Assert.False(jobs.Single(j => j.Request.Seed == 2).Cancelled);
    }

    [Fact]
    public async Task Of_many_waiting_clients_only_those_who_stay_are_drawn_for()
    {
        // Complaint 21: every third of many leaves while it waits.
        _large.StepTime = TimeSpan.FromMilliseconds(1);
        var requests = Enumerable.Range(0, 60).Select(async i =>
        {
            using var leave = new CancellationTokenSource();
            var request = _gateway.Http.PostAsync("/v1/images/generations",
                System.Net.Http.Json.JsonContent.Create(new { prompt = "a red kite", seed = i, num_inference_steps = 5, cache = "bypass" }), leave.Token);
            if (i % 3 == 0 && i > 0)
            {
                await Task.Delay(20, TestContext.Current.CancellationToken);
                await leave.CancelAsync();
            }
            try { return (int)(await request).StatusCode; }
            catch (OperationCanceledException) { return 499; }
        }).ToList();

        var codes = await Task.WhenAll(requests);

        Assert.All(codes.Where((_, i) => i % 3 != 0), c => Assert.Equal(200, c));
        await _gateway.StatusAsync(s => (int)s["queue"]!["miss"]! == 0 && s["workers"]!.AsArray().All(w => (int)w!["in_flight"]! == 0));
    }

    [Fact]
    public async Task Metrics_and_status_count_what_happened()
    {
        await _gateway.GenerateAsync(new { prompt = "a red kite" });
        await _gateway.GenerateAsync(new { prompt = "" });

        var metrics = await _gateway.Http.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        Assert.Contains("""modm_requests_total{mixture="postcards",route="miss",model="postcards-large",code="200"} 1""", metrics, StringComparison.Ordinal);
        Assert.Contains("""modm_requests_total{mixture="postcards",route="none",model="none",code="400"} 1""", metrics, StringComparison.Ordinal);
        Assert.Contains("""modm_queue_length{mixture="postcards",queue="miss"} 0""", metrics, StringComparison.Ordinal);
        Assert.Contains("""modm_arrived_images_total{mixture="postcards",route="miss"} 1""", metrics, StringComparison.Ordinal);
        Assert.Contains("""modm_arrived_work_total{mixture="postcards",route="miss"} 1""", metrics, StringComparison.Ordinal);
        Assert.Matches("""modm_draw_seconds{mixture="postcards",model="postcards-large"} [0-9.E-]+\n""", metrics);
        await _gateway.StatusAsync(s => (int)s["requests"]!["misses"]! == 1);
    }

    [Fact]
    public async Task What_the_operator_reads_is_there_before_the_first_request()
    {
        var metrics = await _gateway.Http.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        foreach (var series in new[]
        {
            """modm_arrived_images_total{mixture="postcards",route="miss"} 0""", """modm_arrived_images_total{mixture="postcards",route="hit"} 0""",
            """modm_arrived_work_total{mixture="postcards",route="miss"} 0""", """modm_arrived_work_total{mixture="postcards",route="hit"} 0""",
            """modm_arrived_work_total{mixture="postcards",route="hit_raised"} 0""",
            """modm_queue_work{mixture="postcards",queue="miss"} 0""", """modm_queue_work{mixture="postcards",queue="hit"} 0""",
            """modm_queue_length{mixture="postcards",queue="hit"} 0""",
            """modm_in_flight{mixture="postcards",pool="large",model="postcards-large"} 0""",
            """modm_in_flight{mixture="postcards",pool="small",model="postcards-small"} 0""",
            """modm_draw_seconds{mixture="postcards",model="postcards-large"} NaN""",
            """modm_draw_seconds{mixture="postcards",model="postcards-small"} NaN""",
            """modm_slo_misses_total{mixture="postcards"} 0""",
            """modm_request_seconds_count{mixture="postcards",route="miss"} 0""", """modm_request_seconds_count{mixture="postcards",route="hit"} 0""",
        })
            Assert.Contains(series + "\n", metrics, StringComparison.Ordinal);
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.Single() : null;
}
