using System.Globalization;
using MoDM.Bench.Load;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Overhead;

internal sealed record OverheadReport(int Seed, int Threads, IReadOnlyList<OverheadFigures> Models, int Failed, Environs Environment);

/// <summary>bench overhead: what gateway and worker add to the networks' own time, with one request at a time.</summary>
internal static class OverheadCommand
{
    public const string Usage = "overhead [--json FILE] [--seed 1] [--requests 40] [--threads 1] [--mixture FILE.yaml]";
    private const int WarmUp = 5;
    private static readonly HashSet<string> Names = ["--json", "--seed", "--requests", "--threads", "--mixture"];

    /// <returns>The exit code: 2 for bad options, 1 when nothing was measured.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, string demoMixture, CancellationToken cancel)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var (seed, requests) = (line.Whole("--seed", 0, 1_000_000, 1), line.Whole("--requests", 1, 10_000, 40));
        var (threads, mixture) = (line.Whole("--threads", 1, 256, 1), line.Text("--mixture") ?? demoMixture);
        if (!File.Exists(mixture))
            line.Report($"{mixture} is not a file.");
        if (line.Problems.Count > 0)
        {
            await Console.Error.WriteLineAsync(string.Join('\n', [.. line.Problems, $"usage: {Usage}"]));
            return 2;
        }

        var outcomes = await MeasureAsync(mixture, threads, requests, seed, TimeProvider.System, cancel);
        var figures = OverheadFigures.Of(outcomes);
        Console.WriteLine(Render(figures));
        if (line.Text("--json") is { } file)
            ResultFile.Write(file, new OverheadReport(seed, threads, figures, outcomes.Count(o => o.Answer.Error is not null), Environs.Here()));
        if (figures.Count > 0)
            return 0;
        await Console.Error.WriteLineAsync($"No answer had all the figures: {outcomes.FirstOrDefault(o => o.Answer.Error is not null)?.Answer.Error}");
        return 1;
    }

    /// <summary>Misses first, drawn by the large model; then the same prompts again, which are hits.</summary>
    private static async Task<IReadOnlyList<Outcome>> MeasureAsync(
        string mixture, int threads, int requests, int seed, TimeProvider time, CancellationToken cancel)
    {
        var random = new Random(seed);
        IReadOnlyList<TraceEntry> trace =
        [
            .. Enumerable.Range(0, WarmUp + requests)
                .Select(i => new TraceEntry(Caption.Of(Scene.Sample(random), random, drop: 0).Text, TraceGenerator.SeedOf(seed, i))),
        ];
        await using var gateway = await GatewayProcess.StartAsync(mixture, threads, TimeSpan.FromMinutes(3), time, cancel);
        using var reader = File.OpenText(mixture);
        var name = MixtureDocument.Read(reader, Path.GetDirectoryName(Path.GetFullPath(mixture))!).Name;
        var client = new GatewayClient(gateway.Http, name, null);
        var misses = await Replay.ClosedLoopAsync(trace, 1, client.DrawAsync, time, cancel);
        await Task.Delay(TimeSpan.FromSeconds(1), time, cancel); // The last pictures enter the cache after their answers.
        var hits = await Replay.ClosedLoopAsync(trace, 1, client.DrawAsync, time, cancel);
        return [.. misses.Skip(WarmUp), .. hits.Skip(WarmUp)];
    }

    private static string Render(IReadOnlyList<OverheadFigures> figures) => Table.Render(
        ["median ms by model", "requests", "latency", "embed", "look-up", "queue", "generation", "inference", "gateway's own", "worker adds"],
        [.. figures.Select(f => (IReadOnlyList<string>)
        [
            f.Model, $"{f.Requests}", Ms(f.LatencyMs), Ms(f.EmbedMs), Ms(f.LookUpMs), Ms(f.QueueMs), Ms(f.GenerationMs), Ms(f.InferenceMs),
            Ms(f.GatewayMs), f.WorkerShare.ToString("P2", CultureInfo.InvariantCulture),
        ])]);

    private static string Ms(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}
