using MoDM.Bench.Load;
using MoDM.Bench.Quality;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Comparing;

/// <summary>
/// Replays one trace on the large model alone, on the mixture, and on what else a request could be answered with, one
/// after the other, on the same number of slots and threads.
/// </summary>
internal sealed class CompareBench(CompareOptions options, Action<string> log, TimeProvider time)
{
    private const double ShareOfCapacity = 0.8;

    public async Task<CompareReport> RunAsync(IReadOnlyList<TraceEntry> trace, CancellationToken cancel)
    {
        var parts = TraceParts.Of(trace, options.Warm);
        var slots = options.Slots ?? Open().Slots;
        var replay = new SystemReplay(slots, options.Threads, log, time);

        // 1. The systems, each on its own processes and an empty cache. The large model goes first: it gives the rate that
        //    all are asked to serve.
        var done = new Dictionary<CompareSystem, Replays>();
        IReadOnlyList<double>? arrivals = null;
        foreach (var system in options.Systems)
        {
            var setup = SystemSetup.Of(system, Open(), slots, () => PaperSplit.Decide(slots, LoadOf(done)));
            log($"{setup.Name}: {setup.How}");
            done[system] = await replay.RunAsync(setup, parts, capacity => arrivals ??= Arrivals(parts.AtRate, capacity), cancel);
        }

        // 2. The pictures of all, with the same measures.
        log("measuring pictures");
        var embedder = Open().EmbedderFolder;
        using var meter = QualityMeter.Load(embedder, Environment.ProcessorCount);
        return CompareReport.Of(
            new(options.Seed, parts.Saturated.Count, parts.AtRate.Count, parts.Warm.Count, slots, options.Threads,
                parts.AtRate.Count / arrivals![^1], options.Trace ?? "generated", options.Trace is null ? new TraceSettings() : null, Path.GetFileName(options.Mixture)),
            [.. options.Systems.Select(s => Measure(done[s], meter))], meter.Measure(done[CompareSystem.Large].AtRate).Features,
            DemoFigures.Read(Path.Combine(embedder, "..", "quality.json")));
    }

    /// <summary>From the second half of the mixture's warm-up: the first one fills the cache.</summary>
    private static SplitLoad LoadOf(Dictionary<CompareSystem, Replays> done)
    {
        var warm = done[CompareSystem.Ours].Warm;
        return SplitLoad.Of(warm.Skip(warm.Count / 2), done[CompareSystem.Large].Saturated, done[CompareSystem.Small].Saturated);
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
        replays.Setup.Name, replays.Split, replays.Setup.How, ReplayFigures.Of(replays.Saturated), ReplayFigures.Of(replays.AtRate),
        meter.Measure(replays.Saturated));
}
