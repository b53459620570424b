using System.Diagnostics;
using System.Globalization;
using MoDM.Gateway.Fleet;
using MoDM.Onnx;
using MoDM.Worker.Stories;

namespace MoDM.Bench.Stories;

/// <summary>bench stories: what the story worker adds to ONNX Runtime's steps, and what streams gain by being written together.</summary>
internal static class StoriesCommand
{
    public const string Usage = "stories [--json FILE] [--model FOLDER] [--rounds 15] [--threads 2] [--streams 16]";

    /// <summary>Steps timed of a text; those of the demo model last longer.</summary>
    private const int Steps = 12;
    private const int WarmUp = 20;
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(1);
    private static readonly HashSet<string> Names = ["--json", "--model", "--rounds", "--threads", "--streams"];

    /// <returns>The exit code: 2 for bad options.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, string demoModels, CancellationToken cancel)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var (rounds, threads, streams) = (line.Whole("--rounds", 1, 1000, 15), line.Whole("--threads", 1, 256, 2), line.Whole("--streams", 2, 16, 16));
        var folder = line.Text("--model") ?? Path.Combine(demoModels, "postcards-mamba");
        if (!StoryFolder.Is(folder))
            line.Report($"{folder} is no folder of a story model.");
        if (line.Problems.Count > 0)
        {
            await Console.Error.WriteLineAsync(string.Join('\n', [.. line.Problems, $"usage: {Usage}"]));
            return 2;
        }

        var steps = new[] { (1, 1), (1, streams), (threads, streams) }.Distinct()
            .Select(s => MeasureSteps(folder, s.Item1, s.Item2, 10 * rounds, cancel)).ToList();
        var throughput = new List<StreamThroughput>();
        foreach (var (name, prompts) in StoryLoad.Prompts)
        {
            throughput.Add(await InProcessAsync(folder, name, prompts, threads, streams, rounds, cancel));
            throughput.Add(await HttpAsync(folder, name, prompts, threads, streams, rounds, cancel));
        }
        Console.WriteLine(Render(steps, throughput));
        if (line.Text("--json") is { } file)
            ResultFile.Write(file, new StoriesReport(steps, throughput, Environs.Here()));
        return 0;
    }

    private static StepOverhead MeasureSteps(string folder, int threads, int texts, int samples, CancellationToken cancel)
    {
        var tokenizer = NeoxTokenizer.Load(folder);
        using var model = MambaModel.Load(Path.Combine(folder, "model.onnx"), new OnnxOptions { Threads = threads });
        using var bare = new BareSteps(Path.Combine(folder, "model.onnx"), threads, texts);
        using var writer = new StoryWriter(model, tokenizer, texts, new StoryMetrics(Prometheus.Metrics.NewCustomRegistry(), "m"), _ => { });
        var (ours, others) = (new List<double>(), new List<double>());
        for (var seed = 0; ours.Count < samples; seed++)
        {
            cancel.ThrowIfCancellationRequested();
            using var done = new CancellationTokenSource();
            StoryJob? next = new(new StoryTask
            {
                Prompt = tokenizer.Encode(StoryLoad.Prompts["first words"][0]),
                Count = texts,
                Seed = seed * texts,
                Rule = StoryLoad.Rule,
                MaxTokens = StoryLoad.MaxTokens,
                Progress = (_, _) => { },
                Cancelled = done.Token,
            });
            var job = next;
            // The first turn reads the prompt.
            writer.Turn(() => (next, next = null).Item1);
            var mine = Timed(() => writer.Turn(() => null));
            var complete = job.Drafts.All(d => !d.Done.IsCompleted);
            var its = Timed(bare.Step);
            done.Cancel();
            writer.Turn(() => null);
            // The first rounds warm both up; a text that ended early left fewer rows.
            if (!complete || seed < WarmUp)
                continue;
            ours.Add(mine);
            others.Add(its);
        }
        return new(threads, texts, ours.Count, Percentiles.Of(others, 50), Percentiles.Of(ours, 50), Percentiles.Of(others.Zip(ours, (b, o) => b / o), 50));
    }

    private static double Timed(Action step)
    {
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < Steps; i++)
            step();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / Steps;
    }

    private static async Task<StreamThroughput> InProcessAsync(
        string folder, string name, string[] prompts, int threads, int streams, int rounds, CancellationToken cancel)
    {
        using var model = MambaModel.Load(Path.Combine(folder, "model.onnx"), new OnnxOptions { Threads = 1 });
        var tokenizer = NeoxTokenizer.Load(folder);
        using var loop = new StoryLoop(streams, streams, new StoryMetrics(Prometheus.Metrics.NewCustomRegistry(), "m"));
        loop.Start(model, tokenizer, threads);
        return await CompareAsync("in process", name, threads, streams, rounds, StoryLoad.InProcess(loop, tokenizer, prompts), cancel);
    }

    private static async Task<StreamThroughput> HttpAsync(
        string folder, string name, string[] prompts, int threads, int streams, int rounds, CancellationToken cancel)
    {
        using var worker = new ChildServer(
            Path.Combine(AppContext.BaseDirectory, "MoDM.Worker.dll"),
            ["--model", folder, "--urls", "http://127.0.0.1:0", "--max-batch", $"{streams}", "--threads", threads.ToString(CultureInfo.InvariantCulture)]);
        using var http = new HttpClient { BaseAddress = await worker.AddressAsync(cancel) };
        while (!(await http.GetAsync("/readyz", cancel)).IsSuccessStatusCode)
            await Task.Delay(50, cancel);
        return await CompareAsync("HTTP streams", name, threads, streams, rounds, StoryLoad.Http(http, prompts), cancel);
    }

    // In turn, so that both see the same machine.
    private static async Task<StreamThroughput> CompareAsync(
        string way, string name, int threads, int streams, int rounds, Func<int, CancellationToken, Task<int>> request, CancellationToken cancel)
    {
        await StoryLoad.RunAsync(streams, Time, request, cancel);
        var (one, many) = (new List<double>(), new List<double>());
        for (var round = 0; round < rounds; round++)
        {
            one.Add(await StoryLoad.RunAsync(1, Time, request, cancel));
            many.Add(await StoryLoad.RunAsync(streams, Time, request, cancel));
        }
        return new(way, name, threads, streams, rounds, Percentiles.Of(one, 50), Percentiles.Of(many, 50), Percentiles.Of(many.Zip(one, (m, o) => m / o), 50));
    }

    private static string Render(List<StepOverhead> steps, List<StreamThroughput> streams) =>
        Table.Render(["one step, median", "ONNX Runtime ms", "worker ms", "ratio"],
            [.. steps.Select(s => (IReadOnlyList<string>)[$"{s.Threads} thread(s), {s.Texts} text(s)", Number(s.BareMs, "0.000"), Number(s.OursMs, "0.000"), Number(s.Ratio, "0.00")])])
        + "\n" + Table.Render(["tokens/s, median", "one stream", $"{streams[0].Streams} streams", "ratio"],
            [.. streams.Select(s => (IReadOnlyList<string>)[$"{s.Way}, prompts of {s.Prompts}, {s.Threads} threads", Number(s.One, "0"), Number(s.Many, "0"), Number(s.Ratio, "0.00")])]);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
