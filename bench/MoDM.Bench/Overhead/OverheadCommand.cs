using System.Globalization;
using MoDM.Bench.Load;
using MoDM.Bench.Traces;
using MoDM.Gateway.Fleet;

namespace MoDM.Bench.Overhead;

internal sealed record OverheadReport(int Seed, int Threads, IReadOnlyList<WorkerOverhead> Workers, GatewayOverhead Gateway, double GatewayMs, Environs Environment);

/// <summary>bench overhead: what worker and gateway add to the networks' own time, with one request at a time.</summary>
internal static class OverheadCommand
{
    public const string Usage = "overhead [--json FILE] [--seed 1] [--requests 40] [--threads 1] [--mixture FILE.yaml]";
    private const int WarmUp = 10;
    private static readonly HashSet<string> Names = ["--json", "--seed", "--requests", "--threads", "--mixture"];

    /// <returns>The exit code: 2 for bad options.</returns>
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

        var random = new Random(seed);
        IReadOnlyList<TraceEntry> trace =
        [
            .. Enumerable.Range(0, WarmUp + requests)
                .Select(i => new TraceEntry(Caption.Of(Scene.Sample(random), random, drop: 0).Text, TraceGenerator.SeedOf(seed, i))),
        ];
        using var reader = File.OpenText(mixture);
        var document = MixtureDocument.Read(reader, Path.GetDirectoryName(Path.GetFullPath(mixture))!);
        var workers = new List<WorkerOverhead>();
        foreach (var (name, folder) in document.Models)
            workers.Add(await MeasureWorkerAsync(name, folder, threads, trace, cancel));
        var gateway = await MeasureGatewayAsync(mixture, document.Name, document.Models[0], threads, trace, cancel);

        Console.WriteLine(Render(workers, gateway));
        if (line.Text("--json") is { } file)
            ResultFile.Write(file, new OverheadReport(seed, threads, workers, gateway, gateway.GatewayMs, Environs.Here()));
        return 0;
    }

    private static async Task<WorkerOverhead> MeasureWorkerAsync(
        string name, string folder, int threads, IReadOnlyList<TraceEntry> trace, CancellationToken cancel)
    {
        using var worker = StartWorker(name, folder, threads);
        using var http = await ReadyAsync(await worker.AddressAsync(cancel), cancel);
        var client = new GatewayClient(http, name, null);
        return WorkerOverhead.Of(name, (await Replay.ClosedLoopAsync(trace, 1, client.DrawAsync, TimeProvider.System, cancel)).Skip(WarmUp));
    }

    private static async Task<GatewayOverhead> MeasureGatewayAsync(
        string mixture, string name, (string Name, string Folder) model, int threads, IReadOnlyList<TraceEntry> trace, CancellationToken cancel)
    {
        using var worker = StartWorker(model.Name, model.Folder, threads);
        var address = await worker.AddressAsync(cancel);
        using var direct = await ReadyAsync(address, cancel);
        await using var gateway = await GatewayProcess.StartAsync(
            mixture, threads, TimeSpan.FromMinutes(3), TimeProvider.System, cancel, "--worker", $"{model.Name}={address}");
        var (toWorker, toGateway) = (new GatewayClient(direct, model.Name, null), new GatewayClient(gateway.Http, name, "bypass"));
        var (one, other) = (new List<Outcome>(), new List<Outcome>());
        // In turn, so that both see the same machine.
        foreach (var entry in trace)
        {
            one.AddRange(await Replay.ClosedLoopAsync([entry], 1, toWorker.DrawAsync, TimeProvider.System, cancel));
            other.AddRange(await Replay.ClosedLoopAsync([entry], 1, toGateway.DrawAsync, TimeProvider.System, cancel));
        }
        return GatewayOverhead.Of(one[WarmUp..], other[WarmUp..]);
    }

    private static ChildServer StartWorker(string name, string folder, int threads) => new(
        Path.Combine(AppContext.BaseDirectory, "MoDM.Worker.dll"),
        ["--model", folder, "--name", name, "--urls", "http://127.0.0.1:0", "--guidance", "3", "--threads", threads.ToString(CultureInfo.InvariantCulture)]);

    private static async Task<HttpClient> ReadyAsync(Uri address, CancellationToken cancel)
    {
        var http = new HttpClient { BaseAddress = address };
        while (!(await http.GetAsync("/readyz", cancel)).IsSuccessStatusCode)
            await Task.Delay(50, cancel);
        return http;
    }

    private static string Render(IReadOnlyList<WorkerOverhead> workers, GatewayOverhead gateway) =>
        Table.Render(["median", "requests", "generation ms", "inference ms", "worker adds"],
            [.. workers.Select(w => (IReadOnlyList<string>)[w.Model, $"{w.Requests}", Ms(w.GenerationMs), Ms(w.InferenceMs), (100 * w.WorkerShare).ToString("0.00", CultureInfo.InvariantCulture) + " %"])])
        + "\n" + Table.Render(["beyond generation, median ms", "direct", "through gateway", "embedding", "look-up", "gateway adds"],
            [[$"{gateway.Requests} requests each", Ms(gateway.DirectMs), Ms(gateway.ThroughMs), Ms(gateway.EmbedMs), Ms(gateway.LookUpMs), Ms(gateway.GatewayMs)]]);

    private static string Ms(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}
