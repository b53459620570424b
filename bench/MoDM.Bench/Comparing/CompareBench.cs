using MoDM.Bench.Load;
using MoDM.Bench.Quality;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Comparing;

/// <summary>
/// Replays one trace on the large model alone and on the mixture, one after the other, as whole processes over HTTP, on
/// the same number of slots and threads.
/// </summary>
internal static class CompareBench
{
    private const int ClientsPerSlot = 4;
    private const double ShareOfCapacity = 0.8;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>The parts of a trace, in its order.</summary>
    private sealed record Parts(IReadOnlyList<TraceEntry> Warm, IReadOnlyList<TraceEntry> Saturated, IReadOnlyList<TraceEntry> AtRate);

    private sealed record Replays(IReadOnlyList<Outcome> Saturated, IReadOnlyList<Outcome> AtRate);

    public static async Task<CompareReport> RunAsync(
        CompareOptions options, IReadOnlyList<TraceEntry> trace, Action<string> log, TimeProvider time, CancellationToken cancel)
    {
        var work = Directory.CreateTempSubdirectory("modm-bench-documents-").FullName;
        try
        {
            var parts = Split(trace, options.Warm);
            var mixture = Open(options.Mixture);
            var slots = options.Slots ?? mixture.Slots;

            // 1. The baseline, which also gives the rate that both are asked to serve.
            var baseline = Open(options.Mixture);
            baseline.UseLargeOnly(slots);
            var (large, arrivals) = await ReplayAsync("large only", baseline, "bypass", parts with { Warm = [.. parts.Warm.Take(2 * slots)] }, null);

            // 2. The mixture, on an empty cache which the first part of the trace fills.
            if (slots != mixture.Slots)
                mixture.UseMixture(slots);
            var (mixed, _) = await ReplayAsync("mixture", mixture, null, parts, arrivals);

            // 3. The pictures of both, against the same reference.
            log("measuring pictures");
            using var meter = QualityMeter.Load(mixture.EmbedderFolder, Environment.ProcessorCount);
            return CompareReport.Of(options, slots, parts.AtRate.Count / arrivals[^1], Figures(mixed), Figures(large), parts.Warm.Count,
                DemoFigures.Read(Path.Combine(mixture.EmbedderFolder, "..", "quality.json")));

            MeasuredSystem Figures(Replays replays) => new(
                ReplayFigures.Of(replays.Saturated), ReplayFigures.Of(replays.AtRate), meter.Measure(replays.Saturated), meter.Measure(replays.AtRate));

            async Task<(Replays, IReadOnlyList<double>)> ReplayAsync(
                string system, MixtureDocument document, string? cache, Parts requests, IReadOnlyList<double>? arrivals)
            {
                var file = Path.Combine(work, $"{system.Replace(' ', '-')}.yaml");
                document.Save(file);
                log($"{system}: starting {slots} workers of {options.Threads} threads");
                await using var gateway = await GatewayProcess.StartAsync(file, options.Threads, Patience, time, cancel);
                var client = new GatewayClient(gateway.Http, document.Name, cache);
                log($"{system}: {requests.Warm.Count} requests to warm up");
                await Replay.ClosedLoopAsync(requests.Warm, ClientsPerSlot * slots, client.DrawAsync, time, cancel);
                log($"{system}: {requests.Saturated.Count} requests, {ClientsPerSlot * slots} at a time");
                var saturated = await Replay.ClosedLoopAsync(requests.Saturated, ClientsPerSlot * slots, client.DrawAsync, time, cancel);
                arrivals ??= Arrivals(requests.AtRate, options, ReplayFigures.Of(saturated).ImagesPerSecond);
                log($"{system}: {requests.AtRate.Count} requests, {requests.AtRate.Count / arrivals[^1]:0.00} arrivals a second");
                return (new(saturated, await Replay.OpenLoopAsync(requests.AtRate, arrivals, client.DrawAsync, time, cancel)), arrivals);
            }
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static Parts Split(IReadOnlyList<TraceEntry> trace, int warm)
    {
        var counted = (trace.Count - warm) / 2;
        return new([.. trace.Take(warm)], [.. trace.Skip(warm).Take(counted)], [.. trace.Skip(warm + counted).Take(counted)]);
    }

    /// <summary>The trace's own times, where it has them; else a Poisson process.</summary>
    private static IReadOnlyList<double> Arrivals(IReadOnlyList<TraceEntry> entries, CompareOptions options, double capacity)
    {
        if (options.Rate is null && entries.All(e => e.At is not null))
            return [.. entries.Select(e => e.At!.Value - entries[0].At!.Value)];
        return Replay.PoissonArrivals(entries.Count, options.Rate ?? ShareOfCapacity * capacity, options.Seed);
    }

    private static MixtureDocument Open(string file)
    {
        using var reader = File.OpenText(file);
        return MixtureDocument.Read(reader, Path.GetDirectoryName(Path.GetFullPath(file))!);
    }
}
