using System.Net;
using MoDM.Api;
using MoDM.Fakes;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker.Tests;

/// <summary>Images that nobody waits for, beside others.</summary>
public sealed class BackgroundTests
{
    private static readonly object Long = new { prompt = "a kite", num_inference_steps = 1000, stream = true };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_is_drawn_by_an_idle_worker_and_makes_way_for_whatever_comes_which_is_never_told_busy()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        var alone = await worker.GenerateInBackgroundAsync(new { prompt = "a kite", num_inference_steps = 2, stream = true, seed = 3 });
        Assert.Equal(ImageEvents.CompletedGeneration, (await WorkerProcess.EventsAsync(alone).ToListAsync(Cancel))[^1].Name);

        var background = await worker.GenerateInBackgroundAsync(Long);
        await using var events = WorkerProcess.EventsAsync(background).GetAsyncEnumerator(Cancel);
        Assert.True(await events.MoveNextAsync());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await worker.GenerateInBackgroundAsync(Long)).StatusCode);

        var image = await worker.GenerateAsync(new { prompt = "a cabin", num_inference_steps = 1 });

        Assert.Equal(HttpStatusCode.OK, image.StatusCode);
        var (last, steps) = ("", 0);
        while (await events.MoveNextAsync())
            (last, steps) = (events.Current.Name, steps + 1);
        Assert.Equal(ImageEvents.Progress, last);
        Assert.InRange(steps, 0, 900);
        Assert.Equal("", worker.Errors.Trim());
    }

    [Fact]
    public async Task A_worker_that_drains_or_draws_takes_nothing_into_the_background_and_ends_what_is_there()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        using var leaving = new CancellationTokenSource();
        var drawing = await worker.GenerateUntilAsync(Long, leaving.Token);
        Assert.Equal("true", Assert.Single((await worker.GenerateInBackgroundAsync(Long)).Headers.GetValues(WorkerApi.BusyHeader)));
        await leaving.CancelAsync();
        drawing.Dispose();

        HttpResponseMessage background;
        while ((background = await worker.GenerateInBackgroundAsync(Long)).StatusCode != HttpStatusCode.OK)
            await Task.Delay(20, Cancel);
        await worker.PostAsync("/drain", new { }, Cancel);

        Assert.All(await WorkerProcess.EventsAsync(background).ToListAsync(Cancel), e => Assert.Equal(ImageEvents.Progress, e.Name));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await worker.GenerateInBackgroundAsync(Long)).StatusCode);
    }

    [Fact]
    public async Task In_a_batch_with_what_it_makes_way_for_only_that_is_drawn_and_only_that_counts()
    {
        using var pipeline = await DiffusionPipeline.LoadAsync(ModelFolder.Read(Repo.Model("postcards-small")), new OnnxOptions());
        using var loop = new JobLoop(capacity: 1, new WorkerMetrics(Prometheus.Metrics.NewCustomRegistry(), "small"));
        var steps = new List<string>();
        ImageTask Noted(string name) => new()
        {
            Prompt = name,
            Seed = 1,
            Width = 128,
            Height = 128,
            Steps = 4,
            Guidance = 1,
            Progress = (step, _) => steps.Add($"{name}:{step}"),
        };
        // Nothing runs before Start, so both wait.
        var background = Assert.Single(loop.TryAdmitInBackground(Noted("background"))!);
        var image = Assert.Single(loop.TryAdmit([Noted("image")])!);
        Assert.Null(loop.TryAdmit([Noted("another")]));

        loop.Start(pipeline);
        await image.Done;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => background.Done);
        Assert.Equal(["image:1", "image:2", "image:3", "image:4"], steps);
        Assert.NotNull(loop.TryAdmitInBackground(Noted("background")));
        await loop.EndAsync();
    }
}
