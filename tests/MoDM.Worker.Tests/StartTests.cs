using System.Diagnostics;
using System.Net;
using Microsoft.ML.OnnxRuntime.Tensors;
using MoDM.Fakes;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker.Tests;

public sealed class StartTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Complaint row 9: alive from the start, ready only when loaded and warmed up.
    [Fact]
    public async Task A_worker_is_alive_at_once_and_ready_when_its_model_is()
    {
        var watch = Stopwatch.StartNew();
        await using var worker = await WorkerProcess.ListenAsync("--model", Repo.Model("postcards-large"), "--name", "large", "--threads", "2");
        Assert.Equal(HttpStatusCode.OK, (await worker.Http.GetAsync("/livez", Cancel)).StatusCode);
        var phases = new List<string>();
        while (true)
        {
            var response = await worker.Http.GetAsync("/readyz", Cancel);
            var status = await WorkerProcess.BodyAsync(response);
            var phase = status.GetProperty("phase").GetString()!;
            Assert.Equal("large", status.GetProperty("model").GetString());
            Assert.Equal(phase == "ready", response.StatusCode == HttpStatusCode.OK);
            if (phases.LastOrDefault() != phase)
                phases.Add(phase);
            if (phase == "ready")
            {
                Assert.Equal((128, 128, 0), (status.GetProperty("sizes").GetProperty("width").GetInt32(), status.GetProperty("sizes").GetProperty("height").GetInt32(), status.GetProperty("sizes").GetProperty("multiple").GetInt32()));
                Assert.Equal(1, status.GetProperty("capacity").GetInt32());
                break;
            }
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            if (phase == "loading")
                await GenerationTests.Refused(await worker.GenerateAsync(new { prompt = "a kite" }), 503, "loading");
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30));
        }
        // A phase may pass between two questions, but none comes twice.
        Assert.Equal(((string[])["loading", "warming", "ready"]).Intersect(phases), phases);
    }

    [Fact]
    public async Task Wrong_options_end_it_with_code_2_and_all_of_them_named()
    {
        var errors = await ExitsWith2("--modle", "x", "--threads", "0", "--device", "tpu", "--max-batch", "many", "--urls", "ftp://x");
        Assert.All(["--modle", "--threads", "--device", "--max-batch", "--urls", "--model is missing", "usage:"],
            s => Assert.Contains(s, errors, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_folder_that_is_no_pipeline_ends_it_with_code_2()
    {
        Assert.Contains("is no folder", await ExitsWith2("--model", "/nowhere"), StringComparison.Ordinal);
        Assert.Contains("model_index.json: is missing", await ExitsWith2("--model", Repo.Model("postcards-clip")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_that_a_folder_lacks_is_named_at_once()
    {
        var folder = Copy("postcards-small");
        File.Delete(Path.Combine(folder, "unet", "model.onnx"));
        File.Delete(Path.Combine(folder, "tokenizer", "merges.txt"));
        File.WriteAllText(Path.Combine(folder, "vae_decoder", "config.json"), "{");
        Edit(Path.Combine(folder, "scheduler", "scheduler_config.json"), "\"v_prediction\"", "\"sample\"");
        Edit(Path.Combine(folder, "model_index.json"), "\"tokenizer\":", "\"text_encoder_2\": [\"transformers\", \"T5EncoderModel\"], \"tokenizer\":");
        var errors = await ExitsWith2("--model", folder);
        Assert.All(["unet/model.onnx: is missing", "merges.txt: is missing", "not valid JSON", "prediction_type is \"sample\"", "text_encoder_2"],
            s => Assert.Contains(s, errors, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_scheduler_that_the_index_names_counts_as_in_diffusers()
    {
        var folder = Copy("postcards-small");
        var index = Path.Combine(folder, "model_index.json");
        Edit(index, "\"EulerDiscreteScheduler\"", "\"EulerAncestralDiscreteScheduler\"");
        Assert.Equal("EulerAncestralDiscreteScheduler", ModelFolder.Read(folder).Scheduling.Name);
        Edit(index, "\"EulerAncestralDiscreteScheduler\"", "\"PNDMScheduler\"");
        Assert.Contains("_class_name is \"PNDMScheduler\"", await ExitsWith2("--model", folder), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_in_use_ends_it_with_code_2()
    {
        await using var worker = await WorkerProcess.ListenAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        var errors = await ExitsWith2("--model", Repo.Model("postcards-small"), "--urls", worker.Http.BaseAddress!.ToString().TrimEnd('/'));
        Assert.Contains("address already in use", errors, StringComparison.OrdinalIgnoreCase);
    }

    // Complaint row 18.
    [Fact]
    public async Task A_family_that_it_cannot_run_is_refused_by_name()
    {
        var folder = Copy("postcards-small");
        Edit(Path.Combine(folder, "model_index.json"), "StableDiffusionPipeline", "FluxPipeline");
        var errors = await ExitsWith2("--model", folder);
        Assert.Contains("_class_name is \"FluxPipeline\"", errors, StringComparison.Ordinal);
        Assert.Contains("StableDiffusion3Pipeline", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_network_that_cannot_be_loaded_ends_it_with_code_2_though_it_listened()
    {
        var folder = Copy("postcards-small");
        File.WriteAllText(Path.Combine(folder, "unet", "model.onnx"), "not a model");
        Assert.Contains("unet/model.onnx: cannot be loaded", await ExitsWith2("--model", folder), StringComparison.Ordinal);
        // Parts of two models: the files are fine, and do not fit together.
        File.Copy(Repo.File("models", "postcards-large", "transformer", "model.onnx"), Path.Combine(folder, "unet", "model.onnx"), overwrite: true);
        Assert.Contains("has the inputs hidden_states", await ExitsWith2("--model", folder), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_ends_when_standard_input_does_even_while_it_draws_and_not_before()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1", "--exit-with-stdin");
        await worker.Process.StandardInput.WriteLineAsync("still here");
        await Task.Delay(100, Cancel);
        Assert.False(worker.Process.HasExited);
        using var response = await worker.GenerateAsync(new { prompt = "a kite", num_inference_steps = 1000, n = 10, stream = true });
        var watch = Stopwatch.StartNew();
        worker.Process.StandardInput.Close();
        await Exit(worker);
        Assert.Equal(0, worker.Process.ExitCode);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(3), $"{watch.Elapsed}");
    }

    // Complaint row 6: a pod that is taken down finishes what it draws.
    [Fact]
    public async Task Asked_to_end_it_finishes_its_images_first()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        var response = await worker.GenerateAsync(new { prompt = "a kite", num_inference_steps = 150, stream = true });
        await TerminateAsync(worker);
        var events = await WorkerProcess.EventsAsync(response).ToListAsync(Cancel);
        Assert.Equal("image_generation.completed", events[^1].Name);
        await Exit(worker);
        Assert.Equal(0, worker.Process.ExitCode);
        Assert.Equal("", worker.Errors.Trim());
    }

    // Complaint rows 6 and 7: it says that it will end before it does.
    [Fact]
    public async Task Asked_to_end_it_still_listens_and_refuses_what_is_new()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        var watch = Stopwatch.StartNew();
        await TerminateAsync(worker);
        HttpResponseMessage ready;
        while ((ready = await worker.Http.GetAsync("/readyz", Cancel)).StatusCode == HttpStatusCode.OK)
            await Task.Delay(20, Cancel);
        Assert.Equal("draining", (await WorkerProcess.BodyAsync(ready)).GetProperty("phase").GetString());
        await Refused(worker);
        await Exit(worker);
        Assert.Equal(0, worker.Process.ExitCode);
        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task Asked_twice_it_ends_at_once()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        using var response = await worker.GenerateAsync(new { prompt = "a kite", num_inference_steps = 1000, n = 10, stream = true });
        await TerminateAsync(worker);
        while ((await worker.Http.GetAsync("/readyz", Cancel)).StatusCode == HttpStatusCode.OK)
            await Task.Delay(20, Cancel);
        var watch = Stopwatch.StartNew();
        await TerminateAsync(worker);
        await Exit(worker);
        Assert.NotEqual(0, worker.Process.ExitCode);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
    }

    [Fact]
    public async Task A_drained_worker_finishes_its_images_takes_nothing_new_and_goes_on_listening()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1", "--max-batch", "2");
        var response = await worker.GenerateAsync(new { prompt = "a kite", num_inference_steps = 150, stream = true });
        for (var i = 0; i < 2; i++)
        {
            var drained = await worker.Http.PostAsync("/drain", null, Cancel);
            Assert.Equal(HttpStatusCode.OK, drained.StatusCode);
            Assert.Equal("draining", (await WorkerProcess.BodyAsync(drained)).GetProperty("phase").GetString());
        }
        await Refused(worker);
        Assert.Equal("image_generation.completed", (await WorkerProcess.EventsAsync(response).ToListAsync(Cancel))[^1].Name);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await worker.Http.GetAsync("/readyz", Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await worker.Http.GetAsync("/livez", Cancel)).StatusCode);

        // Whoever drained it thought better of it.
        Assert.Equal("ready", (await WorkerProcess.BodyAsync(await worker.Http.DeleteAsync("/drain", Cancel))).GetProperty("phase").GetString());
        Assert.Equal(HttpStatusCode.OK, (await worker.GenerateAsync(new { prompt = "a kite", num_inference_steps = 1 })).StatusCode);
        await TerminateAsync(worker);
        await Exit(worker);
        Assert.Equal(0, worker.Process.ExitCode);
    }

    [Theory]
    [InlineData(false, OnnxDevice.Cpu, 1)]
    [InlineData(true, OnnxDevice.Cuda, 4)]
    public void Defaults_follow_the_machine(bool hasCuda, OnnxDevice device, int batch)
    {
        var (options, problems) = WorkerOptions.Parse(["--model=/models/postcards-small/"], cores: 8, hasCuda);
        Assert.Empty(problems);
        Assert.Equal(("postcards-small", 8, device, batch), (options!.Name, options.Threads, options.Device, options.MaxBatch));
        Assert.Null(options.Guidance);
    }

    [Fact]
    public void Sizes_are_fixed_by_the_file_or_multiples_of_what_a_token_covers()
    {
        var (vae, shape) = (new VaeShape(4, 8, 1, 0), new DenoiserShape(4, 64, 2));
        var free = LatentSizes.RuleOf(new TensorSpec("sample", TensorElementType.Float, [-1, 4, -1, -1]), vae, shape, "f");
        Assert.Equal("512x512", free.Default());
        Assert.Null(free.Refuse(640, 512));
        Assert.Contains("multiples of 16", free.Refuse(520, 512), StringComparison.Ordinal);
        Assert.NotNull(free.Refuse(4096, 512));
        Assert.NotNull(free.Refuse(0, 512));
        var set = LatentSizes.RuleOf(new TensorSpec("sample", TensorElementType.Float, [-1, 4, 16, 32]), vae, shape, "f");
        Assert.Equal("256x128", set.Default());
        Assert.Contains("256x128", set.Refuse(128, 128), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_that_option_standard_input_means_nothing()
    {
        await using var worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");
        worker.Process.StandardInput.Close();
        await Task.Delay(300, Cancel);
        Assert.False(worker.Process.HasExited);
    }

    private static async Task<string> ExitsWith2(params string[] arguments)
    {
        await using var worker = WorkerProcess.Launch(arguments);
        await Exit(worker);
        Assert.True(worker.Process.ExitCode == 2, $"{worker.Process.ExitCode}: {worker.Errors}");
        return worker.Errors;
    }

    private static async Task Exit(WorkerProcess worker)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        await worker.Process.WaitForExitAsync(limit.Token);
    }

    private static async Task TerminateAsync(WorkerProcess worker)
    {
        using var kill = Process.Start("kill", ["-TERM", $"{worker.Process.Id}"]);
        await kill.WaitForExitAsync(Cancel);
    }

    private static async Task Refused(WorkerProcess worker)
    {
        var refused = await worker.GenerateAsync(new { prompt = "a cabin", num_inference_steps = 1 });
        Assert.Equal("true", Assert.Single(refused.Headers.GetValues("x-modm-busy")));
        await GenerationTests.Refused(refused, 503, "takes nothing new");
    }

    private static string Copy(string model)
    {
        var target = TempFolder.New();
        foreach (var file in Directory.EnumerateFiles(Repo.Model(model), "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(target, Path.GetRelativePath(Repo.Model(model), file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        return target;
    }

    private static void Edit(string file, string from, string to)
    {
        var text = File.ReadAllText(file);
        Assert.Contains(from, text, StringComparison.Ordinal);
        File.WriteAllText(file, text.Replace(from, to, StringComparison.Ordinal));
    }
}
