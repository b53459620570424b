using System.Net;
using System.Text.Json;
using MoDM.Api;
using MoDM.Fakes;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker.Tests;

/// <summary>Several requests at one worker: busy answers, batches, clients that leave.</summary>
public sealed class SharingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_busy_worker_says_so_at_once_and_is_free_again_when_a_client_has_gone()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        using var leaving = new CancellationTokenSource();
        var first = await worker.GenerateUntilAsync(new { prompt = "a kite", num_inference_steps = 1000, n = 10, stream = true }, leaving.Token);
        await foreach (var _ in WorkerProcess.EventsAsync(first))
            break;

        var busy = await worker.GenerateAsync(new { prompt = "a cabin", num_inference_steps = 1 });
        Assert.Equal("true", Assert.Single(busy.Headers.GetValues("x-modm-busy")));
        await GenerationTests.Refused(busy, 503, "draws as many");

        // Ten thousand steps would take half a minute; a client that leaves frees the worker within some steps.
        await leaving.CancelAsync();
        first.Dispose();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        HttpResponseMessage next;
        while ((next = await worker.GenerateAsync(new { prompt = "a cabin", num_inference_steps = 1 })).StatusCode != HttpStatusCode.OK)
        {
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5));
            await Task.Delay(20, Cancel);
        }
    }

    // Complaint row 22: cancelling stops the canceller's work, and nobody else's.
    [Fact]
    public async Task Of_two_clients_one_leaves_and_the_other_gets_its_picture()
    {
        await using var worker = await WorkerProcess.ReadyAsync(
            "--model", Repo.Model("postcards-small"), "--threads", "1", "--max-batch", "2");
        using var leaving = new CancellationTokenSource();
        var first = await worker.GenerateUntilAsync(new { prompt = "a kite", num_inference_steps = 300, stream = true }, leaving.Token);
        var second = worker.GenerateAsync(new { prompt = "a cabin", num_inference_steps = 300, stream = true, seed = 9 });
        await foreach (var _ in WorkerProcess.EventsAsync(first))
            break;
        await leaving.CancelAsync();
        first.Dispose();
        var events = await WorkerProcess.EventsAsync(await second).ToListAsync(Cancel);
        Assert.Equal(ImageEvents.CompletedGeneration, events[^1].Name);
        Assert.Equal(300, events.Count(e => e.Name == ImageEvents.Progress));
    }

    // Complaint rows 21 and 23: work for clients that have gone stops, and whatever batches come about, a seed is a picture.
    [Fact]
    public async Task Many_clients_of_whom_every_third_leaves_get_the_same_picture_for_the_same_seed()
    {
        await using var worker = await WorkerProcess.ReadyAsync(
            "--model", Repo.Model("postcards-small"), "--threads", "1", "--max-batch", "4");
        var pictures = new System.Collections.Concurrent.ConcurrentDictionary<(int, int), string>();
        await Parallel.ForAsync(0, 60, new ParallelOptions { MaxDegreeOfParallelism = 6, CancellationToken = Cancel }, async (i, cancel) =>
        {
            var (seed, steps) = (i % 4, 3 + i % 2);
            var body = new { prompt = "a red kite", seed, num_inference_steps = steps, guidance_scale = 3 };
            using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            if (i % 3 == 0)
                leaving.CancelAfter(TimeSpan.FromMilliseconds(1 + i));
            try
            {
                while (true)
                {
                    using var response = await worker.GenerateUntilAsync(body, leaving.Token);
                    var answer = await response.Content.ReadAsStringAsync(leaving.Token);
                    if (response.StatusCode == HttpStatusCode.OK)
                    {
                        var picture = JsonDocument.Parse(answer).RootElement.GetProperty("data")[0].GetProperty("b64_json").GetString()!;
                        Assert.Equal(picture, pictures.GetOrAdd((seed, steps), picture));
                        return;
                    }
                    Assert.True(response.Headers.Contains("x-modm-busy"), answer);
                    await Task.Delay(5, cancel);
                }
            }
            catch (OperationCanceledException) when (i % 3 == 0)
            {
            }
        });
        Assert.Equal(4, pictures.Count);
        // Nothing is left over from those who went.
        var four = await worker.GenerateAsync(new { prompt = "a kite", n = 4, num_inference_steps = 1 });
        Assert.Equal(HttpStatusCode.OK, four.StatusCode);
        Assert.Equal("", worker.Errors.Trim());
    }

    [Fact]
    public async Task Waiting_images_that_fit_together_are_drawn_together_and_those_that_left_make_room()
    {
        using var pipeline = await DiffusionPipeline.LoadAsync(ModelFolder.Read(Repo.Model("postcards-small")), new OnnxOptions());
        using var loop = new JobLoop(capacity: 4, new WorkerMetrics(Prometheus.Metrics.NewCustomRegistry(), "small"));
        using var gone = new CancellationTokenSource();
        var order = new List<string>();
        ImageTask Noted(int i) => Image(i) with { Progress = (step, _) => order.Add($"{i}:{step}") };
        // Nothing runs before Start, so all of these wait.
        var first = loop.TryAdmit([Noted(0)])!;
        var left = loop.TryAdmit([Noted(1) with { Cancelled = gone.Token }])!;
        var other = loop.TryAdmit([Noted(2) with { Steps = 5 }])!;
        var last = loop.TryAdmit([Noted(3)])!;
        Assert.Null(loop.TryAdmit([Noted(4)]));
        await gone.CancelAsync();
        var late = loop.TryAdmit([Noted(4)])!;
        Assert.True(left[0].Done.IsCanceled);

        loop.Start(pipeline);
        await Task.WhenAll(new[] { first[0], other[0], last[0], late[0] }.Select(j => j.Done));
        var together = Enumerable.Range(1, 8).SelectMany(step => new[] { $"0:{step}", $"3:{step}", $"4:{step}" });
        var alone = Enumerable.Range(1, 5).Select(step => $"2:{step}");
        Assert.Equal(together.Concat(alone), order);
    }

    [Fact]
    public async Task An_image_that_is_cancelled_drops_out_of_its_batch_and_the_others_stay_what_they_are()
    {
        using var pipeline = await DiffusionPipeline.LoadAsync(ModelFolder.Read(Repo.Model("postcards-small")), new OnnxOptions());
        using var leaving = new CancellationTokenSource();
        var steps = new int[3];
        var tasks = Enumerable.Range(0, 3).Select(i => Image(i) with
        {
            Cancelled = i == 1 ? leaving.Token : default,
            Progress = (step, _) =>
            {
                steps[i] = step;
                if (i == 1 && step == 4)
                    leaving.Cancel();
            },
        }).ToArray();
        var drawn = pipeline.Draw(tasks);
        Assert.Null(drawn[1]);
        Assert.Equal([8, 4, 8], steps);
        foreach (var i in new[] { 0, 2 })
            Assert.Equal(pipeline.Draw([Image(i)])[0]!.Picture.Pixels, drawn[i]!.Picture.Pixels);
    }

    // Complaint row 23, with batches of more than one: equal but for the last bit of a float, if that.
    [Theory]
    [InlineData("postcards-small")]
    [InlineData("postcards-large")]
    public async Task A_batch_draws_what_each_of_its_images_is_alone(string model)
    {
        using var pipeline = await DiffusionPipeline.LoadAsync(ModelFolder.Read(Repo.Model(model)), new OnnxOptions());
        var together = pipeline.Draw([.. Enumerable.Range(0, 4).Select(Image)]);
        for (var i = 0; i < 4; i++)
        {
            var alone = pipeline.Draw([Image(i)])[0]!;
            Assert.True(alone.Latents.Zip(together[i]!.Latents, (a, b) => Math.Abs(a - b)).Max() < 1e-4);
            Assert.True(alone.Picture.Pixels.Zip(together[i]!.Picture.Pixels, (a, b) => Math.Abs(a - b)).Max() <= 1);
        }
    }

    [Fact]
    public async Task Without_guidance_the_negative_prompt_is_not_looked_at()
    {
        using var pipeline = await DiffusionPipeline.LoadAsync(ModelFolder.Read(Repo.Model("postcards-small")), new OnnxOptions());
        var plain = pipeline.Draw([Image(1) with { Guidance = 1 }])[0]!;
        var negative = pipeline.Draw([Image(1) with { Guidance = 1, Negative = "kite" }])[0]!;
        Assert.Equal(plain.Picture.Pixels, negative.Picture.Pixels);
    }

    private static ImageTask Image(int i) => new()
    {
        Prompt = i % 2 == 0 ? "a red kite over hills" : "a green cabin at night",
        Seed = i,
        Width = 128,
        Height = 128,
        Steps = 8,
        Guidance = 2 + i,
    };
}
