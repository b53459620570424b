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
