using MoDM.Bench.Load;
using MoDM.Bench.Quality;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Comparing;

/// <summary>
/// Replays one trace on the large model alone and on the mixture, one after the other, as whole processes over HTTP, on
/// the same number of slots and threads.
/// </summary>
internal sealed class CompareBench(CompareOptions options, Action<string> log, TimeProvider time)
{
    public const int ClientsPerSlot = 4;
    private const double ShareOfCapacity = 0.8;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>The parts of a trace, in its order.</summary>
    private sealed record Parts(IReadOnlyList<TraceEntry> Warm, IReadOnlyList<TraceEntry> Saturated, IReadOnlyList<TraceEntry> AtRate);

    /// <param name="Arrivals">Of the second part, in seconds.</param>
    private sealed record Replays(IReadOnlyList<Outcome> Saturated, IReadOnlyList<Outcome> AtRate, IReadOnlyList<double> Arrivals);

    public async Task<CompareReport> RunAsync(IReadOnlyList<TraceEntry> trace, CancellationToken cancel)
    {
        var parts = Split(trace);
        var (mixture, baseline) = (Open(), Open());
        var slots = options.Slots ?? mixture.Slots;
        baseline.UseLargeOnly(slots);
        if (slots != mixture.Slots)
            mixture.UseMixture(slots);

        // 1. The baseline, which also gives the rate that both are asked to serve. It has no cache to fill.
        var fewer = parts with { Warm = [.. parts.Warm.Take(2 * slots)] };
        var large = await ReplayAsync("large only", baseline, slots, "bypass", fewer, null, cancel);

        // 2. The mixture, on an empty cache which the first part of the trace fills.
        var mixed = await ReplayAsync("mixture", mixture, slots, null, parts, large.Arrivals, cancel);

        // 3. The pictures of both, with the same measures.
        log("measuring pictures");
        using var meter = QualityMeter.Load(mixture.EmbedderFolder, Environment.ProcessorCount);
        return CompareReport.Of(
            new(options.Seed, parts.Saturated.Count, parts.Warm.Count, slots, options.Threads, parts.AtRate.Count / large.Arrivals[^1],
                options.Trace ?? "generated", options.Trace is null ? new TraceSettings() : null, Path.GetFileName(options.Mixture)),
            Measure(mixed, meter), Measure(large, meter), DemoFigures.Read(Path.Combine(mixture.EmbedderFolder, "..", "quality.json")));
    }

    private async Task<Replays> ReplayAsync(string system, MixtureDocument document, int slots, string? cache, Parts parts,
        IReadOnlyList<double>? arrivals, CancellationToken cancel)
    {
        var file = Path.GetTempFileName();
        try
        {
            document.Save(file);
            log($"{system}: starting {slots} workers, threads each: {options.Threads}");
            await using var gateway = await GatewayProcess.StartAsync(file, options.Threads, Patience, time, cancel);
            var client = new GatewayClient(gateway.Http, document.Name, cache);
            log($"{system}: {parts.Warm.Count} requests to warm up");
            await Replay.ClosedLoopAsync(parts.Warm, ClientsPerSlot * slots, client.DrawAsync, time, cancel);
            log($"{system}: {parts.Saturated.Count} requests, {ClientsPerSlot * slots} at a time");
            var saturated = await Replay.ClosedLoopAsync(parts.Saturated, ClientsPerSlot * slots, client.DrawAsync, time, cancel);
            arrivals ??= Arrivals(parts.AtRate, ReplayFigures.Of(saturated).ImagesPerSecond);
            log($"{system}: {parts.AtRate.Count} requests over {arrivals[^1]:0} s");
            return new(saturated, await Replay.OpenLoopAsync(parts.AtRate, arrivals, client.DrawAsync, time, cancel), arrivals);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private Parts Split(IReadOnlyList<TraceEntry> trace)
    {
        var counted = (trace.Count - options.Warm) / 2;
        return new([.. trace.Take(options.Warm)], [.. trace.Skip(options.Warm).Take(counted)], [.. trace.Skip(options.Warm + counted).Take(counted)]);
    }

    /// <summary>The trace's own times, where it has them and no rate is asked for; else a Poisson process.</summary>
    private IReadOnlyList<double> Arrivals(IReadOnlyList<TraceEntry> entries, double capacity) =>
        options.Rate is null && entries.All(e => e.At is not null)
            ? [.. entries.Select(e => e.At!.Value - entries[0].At!.Value)]
            : Replay.PoissonArrivals(entries.Count, options.Rate ?? ShareOfCapacity * capacity, options.Seed);

    private MixtureDocument Open()
    {
        using var reader = File.OpenText(options.Mixture);
        return MixtureDocument.Read(reader, Path.GetDirectoryName(Path.GetFullPath(options.Mixture))!);
    }

    private static MeasuredSystem Measure(Replays replays, QualityMeter meter) => new(
        ReplayFigures.Of(replays.Saturated), ReplayFigures.Of(replays.AtRate), meter.Measure(replays.Saturated), meter.Measure(replays.AtRate));
}
