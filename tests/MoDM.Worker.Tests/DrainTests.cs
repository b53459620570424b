using System.Diagnostics;
using System.Net;
using MoDM.Fakes;

namespace MoDM.Worker.Tests;

/// <summary>Complaints 6 and 7: a worker that is to go finishes what it draws, and takes nothing new.</summary>
public class DrainTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_drained_worker_is_not_ready_and_refuses_as_busy_and_finishes_what_it_draws()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        var drawing = worker.GenerateAsync(new { prompt = "a red kite", seed = 1, num_inference_steps = 200 });
        await UntilItDrawsAsync(worker);

        (await worker.Http.PostAsync("/drain", null, Cancel)).EnsureSuccessStatusCode();

        var ready = await worker.Http.GetAsync("/readyz", Cancel);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "draining"), (ready.StatusCode, (await WorkerProcess.BodyAsync(ready)).GetProperty("phase").GetString()));
        var refused = await worker.GenerateAsync(new { prompt = "a green kite", seed = 1 });
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "true"), (refused.StatusCode, refused.Headers.GetValues("x-modm-busy").Single()));
        Assert.Equal(HttpStatusCode.OK, (await drawing).StatusCode);
    }

    [Fact]
    public async Task SIGTERM_while_it_draws_costs_nobody_an_image_and_ends_it_then()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        var drawing = worker.GenerateAsync(new { prompt = "a red kite", seed = 1, num_inference_steps = 1000 });
        await UntilItDrawsAsync(worker);

        using (Process.Start("kill", ["-TERM", $"{worker.Process.Id}"])) { }
        // It still listens, and says that it is busy rather than nothing.
        while ((await worker.Http.GetAsync("/readyz", Cancel)).StatusCode == HttpStatusCode.OK) await Task.Delay(10, Cancel);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await worker.GenerateAsync(new { prompt = "a green kite" })).StatusCode);

        var answer = await drawing;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.NotEmpty((await WorkerProcess.BodyAsync(answer)).GetProperty("data")[0].GetProperty("b64_json").GetString()!);
        await worker.Process.WaitForExitAsync(Cancel);
        Assert.Equal(0, worker.Process.ExitCode);
    }

    private static async Task UntilItDrawsAsync(WorkerProcess worker)
    {
        while (!(await worker.Http.GetStringAsync("/metrics", Cancel)).Contains("modm_in_flight{pool=\"postcards-small\"} 1", StringComparison.Ordinal))
            await Task.Delay(10, Cancel);
    }
}
