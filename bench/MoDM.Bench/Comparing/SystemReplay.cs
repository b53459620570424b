using MoDM.Bench.Load;
using MoDM.Bench.Traces;
using MoDM.Onnx;

namespace MoDM.Bench.Comparing;

/// <summary>The parts of a trace, in its order.</summary>
internal sealed record TraceParts(IReadOnlyList<TraceEntry> Warm, IReadOnlyList<TraceEntry> Saturated, IReadOnlyList<TraceEntry> AtRate)
{
    /// <summary>
    /// Two thirds of what is counted for throughput, one third for latency: at a rate that the large model can serve, the
    /// latter takes the same time for every system.
    /// </summary>
    public static TraceParts Of(IReadOnlyList<TraceEntry> trace, int warm)
    {
        var saturated = trace.Count - warm - (trace.Count - warm) / 3;
        return new([.. trace.Take(warm)], [.. trace.Skip(warm).Take(saturated)], [.. trace.Skip(warm + saturated)]);
    }
}

/// <summary>What one system made of a trace.</summary>
/// <param name="Split">Its workers at the end of the saturated part, as its gateway counts them.</param>
/// <param name="Arrivals">Of the last part, in seconds.</param>
internal sealed record Replays(
    SystemSetup Setup, string Split, IReadOnlyList<Outcome> Warm, IReadOnlyList<Outcome> Saturated, IReadOnlyList<Outcome> AtRate,
    IReadOnlyList<double> Arrivals);

/// <summary>Replays a trace on a system: whole processes over HTTP, on an empty cache.</summary>
internal sealed class SystemReplay(int slots, int threads, Action<string> log, TimeProvider time)
{
    private const int ClientsPerSlot = 4;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <param name="arrivals">Of the last part, from the images a second of the saturated one.</param>
    public async Task<Replays> RunAsync(
        SystemSetup setup, TraceParts parts, Func<double, IReadOnlyList<double>> arrivals, CancellationToken cancel)
    {
        var file = Path.GetTempFileName();
        try
        {
            setup.Document.Save(file);
            log($"{setup.Name}: starting {slots} workers, threads each: {threads}");
            await using var gateway = await GatewayProcess.StartAsync(file, threads, Patience, time, cancel);
            var client = new GatewayClient(gateway.Http, setup.Document.Name, setup.Cache);
            if (setup.System != CompareSystem.Retrieval)
                return await RunAsync(setup, gateway, client.DrawAsync, parts, arrivals, cancel);

            using var embedder = ClipEmbedder.Load(setup.Document.EmbedderFolder, threads: 1); // As the gateway's.
            await using var retrieval = new RetrievalClient(
                embedder, new RetrievalCache(setup.Document.Capacity, setup.Document.TopThreshold), client.DrawAsync);
            return await RunAsync(setup, gateway, retrieval.DrawAsync, parts, arrivals, cancel);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task<Replays> RunAsync(
        SystemSetup setup, GatewayProcess gateway, Func<TraceEntry, CancellationToken, Task<Answer>> draw, TraceParts parts,
        Func<double, IReadOnlyList<double>> arrivals, CancellationToken cancel)
    {
        var warm = setup.LearnsFromWarmUp ? parts.Warm : [.. parts.Warm.Take(2 * slots)];
        log($"{setup.Name}: {warm.Count} requests to warm up");
        var warmed = await Replay.ClosedLoopAsync(warm, ClientsPerSlot * slots, draw, time, cancel);
        log($"{setup.Name}: {parts.Saturated.Count} requests, {ClientsPerSlot * slots} at a time");
        var saturated = await Replay.ClosedLoopAsync(parts.Saturated, ClientsPerSlot * slots, draw, time, cancel);
        var split = await gateway.SplitAsync(cancel);
        var times = arrivals(ReplayFigures.Of(saturated).ImagesPerSecond);
        log($"{setup.Name}: {parts.AtRate.Count} requests over {times[^1]:0} s");
        return new(setup, split, warmed, saturated, await Replay.OpenLoopAsync(parts.AtRate, times, draw, time, cancel), times);
    }
}
