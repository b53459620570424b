using System.Diagnostics;
using System.Net;
using System.Text.Json;
using MoDM.Fakes;

namespace MoDM.Worker.Tests.Stories;

/// <summary>Several requests at one story worker: busy answers, clients that leave, its end.</summary>
public sealed class StorySharingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Complaint rows 21 and 23: work for clients that have gone stops, and whatever batches come about, a seed is a text.
    [Fact]
    public async Task Many_clients_of_whom_every_third_leaves_get_the_same_text_for_the_same_seed()
    {
        await using var worker = await Ready("--max-batch", "5");
        var texts = new System.Collections.Concurrent.ConcurrentDictionary<int, string>();
        await Parallel.ForAsync(0, 90, new ParallelOptions { MaxDegreeOfParallelism = 12, CancellationToken = Cancel }, async (i, cancel) =>
        {
            using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            if (i % 3 == 0)
                leaving.CancelAfter(TimeSpan.FromMilliseconds(1 + i % 20));
            try
            {
                var response = await worker.PostAsync(
                    "/v1/completions", new { prompt = $"Mia had {i % 5} red kites.", seed = i % 5, temperature = 1.2, stream = i % 2 == 0 }, leaving.Token);
                var answer = await response.Content.ReadAsStringAsync(leaving.Token);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                var text = Text(answer, i % 2 == 0);
                Assert.Equal(text, texts.GetOrAdd(i % 5, text));
            }
            catch (OperationCanceledException) when (i % 3 == 0)
            {
            }
        });
        Assert.Equal(5, texts.Count);
        await Idle(worker);
        Assert.Equal("", worker.Errors.Trim());
    }

    [Fact]
    public async Task A_busy_worker_says_so_at_once_and_is_free_again_when_a_client_has_gone()
    {
        await using var worker = await Ready("--max-batch", "2", "--max-queue", "1");
        using var leaving = new CancellationTokenSource();
        // Hundreds of texts of thousands of tokens: far more than the test's time.
        var prompts = Enumerable.Repeat("Mia had a kite.", 64).ToArray();
        var endless = new { prompt = prompts, n = 16, temperature = 2, max_tokens = 8192, stream = true, repetition_penalty = 5 };
        var first = await worker.PostAsync("/v1/completions", endless, leaving.Token);
        var busy = await worker.PostAsync("/v1/completions", new { prompt = "a", max_tokens = 1 }, Cancel);
        Assert.Equal("true", Assert.Single(busy.Headers.GetValues("x-modm-busy")));
        await GenerationTests.Refused(busy, 503, "as many wait as may");

        await leaving.CancelAsync();
        first.Dispose();
        await Idle(worker);
        Assert.Equal(HttpStatusCode.OK, (await worker.PostAsync("/v1/completions", new { prompt = "a", max_tokens = 1 }, Cancel)).StatusCode);
    }

    // Complaint row 6: a pod that is taken down finishes what it writes.
    [Fact]
    public async Task Asked_to_end_it_finishes_its_texts_refuses_what_is_new_and_ends()
    {
        await using var worker = await Ready();
        var response = await worker.PostAsync(
            "/v1/completions", new { prompt = Enumerable.Repeat("Mia had a kite.", 64), n = 4, temperature = 1, stream = true }, Cancel);
        using var kill = Process.Start("kill", ["-TERM", $"{worker.Process.Id}"]);
        await kill.WaitForExitAsync(Cancel);
        while ((await worker.Http.GetAsync("/readyz", Cancel)).StatusCode == HttpStatusCode.OK)
            await Task.Delay(10, Cancel);
        await GenerationTests.Refused(await worker.PostAsync("/v1/completions", new { prompt = "a" }, Cancel), 503, "takes nothing new");
        Assert.EndsWith("data: [DONE]\n\n", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        await worker.Process.WaitForExitAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal(0, worker.Process.ExitCode);
        Assert.Equal("", worker.Errors.Trim());
    }

    [Fact]
    public async Task A_drained_worker_can_be_told_to_go_on()
    {
        await using var worker = await Ready();
        Assert.Equal(HttpStatusCode.OK, (await worker.Http.PostAsync("/drain", null, Cancel)).StatusCode);
        await GenerationTests.Refused(await worker.PostAsync("/v1/completions", new { prompt = "a" }, Cancel), 503, "takes nothing new");
        await worker.Http.DeleteAsync("/drain", Cancel);
        Assert.Equal(HttpStatusCode.OK, (await worker.PostAsync("/v1/completions", new { prompt = "a" }, Cancel)).StatusCode);
    }

    [Fact]
    public async Task All_that_a_folder_lacks_is_named_at_once_with_exit_code_2()
    {
        var folder = TempFolder.New();
        File.Copy(Path.Combine(Repo.Model("postcards-mamba"), "config.json"), Path.Combine(folder, "config.json"));
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"temperature": -1}""");
        var errors = await ExitsWith2(folder);
        Assert.All(["model.onnx: is missing", "tokenizer.json: is missing", "temperature is -1"], s => Assert.Contains(s, errors, StringComparison.Ordinal));

        File.Copy(Repo.File("models", "judge", "model.onnx"), Path.Combine(folder, "model.onnx"));
        File.Copy(Path.Combine(Repo.Model("postcards-mamba"), "tokenizer.json"), Path.Combine(folder, "tokenizer.json"));
        File.Delete(Path.Combine(folder, "generation_config.json"));
        Assert.Contains("its metadata names no layers", await ExitsWith2(folder), StringComparison.Ordinal);
    }

    private static Task<WorkerProcess> Ready(params string[] more) =>
        WorkerProcess.ReadyAsync(["--model", Repo.Model("postcards-mamba"), "--threads", "1", .. more]);

    private static async Task Idle(WorkerProcess worker)
    {
        var watch = Stopwatch.StartNew();
        while (!(await worker.Http.GetStringAsync("/metrics", Cancel)).Contains("modm_in_flight{pool=\"postcards-mamba\"} 0\n", StringComparison.Ordinal))
        {
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5));
            await Task.Delay(20, Cancel);
        }
    }

    private static async Task<string> ExitsWith2(string folder)
    {
        await using var worker = WorkerProcess.Launch("--model", folder);
        await worker.Process.WaitForExitAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.True(worker.Process.ExitCode == 2, $"{worker.Process.ExitCode}: {worker.Errors}");
        return worker.Errors;
    }

    private static string Text(string answer, bool stream) => string.Concat(
        (stream ? answer.Split("\n\n")[..^2].Select(l => l[6..]) : [answer])
        .Select(l => JsonDocument.Parse(l).RootElement.GetProperty("choices")[0].GetProperty("text").GetString()));
}
