using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using MoDM.Gateway;
using MoDM.Gateway.Importing;
using MoDM.Onnx;

namespace MoDM.Bench.Importing;

/// <param name="PerSecond">Pictures, in each round.</param>
/// <param name="CpuMs">Processor time of a picture, all threads, in each round.</param>
internal sealed record ImportFigures(string What, IReadOnlyList<double> PerSecond, IReadOnlyList<double> CpuMs);

internal sealed record ImportReport(
    int Pictures, int Rounds, int Seed, double MeanBytes, IReadOnlyList<ImportFigures> Figures, double Ratio, double RatioWithDecoding, double RatioEightAtATime, Environs Environment);

/// <summary>bench import: the import of pictures beside the bare embedder, in turn, so that both see the same machine.</summary>
internal static class ImportCommand
{
    public const string Usage = "import [--json FILE] [--pictures 2000] [--rounds 7] [--seed 1]";

    /// <summary>As many as the import embeds together.</summary>
    private const int Eight = 8;
    private static readonly HashSet<string> Names = ["--json", "--pictures", "--rounds", "--seed"];

    /// <returns>The exit code: 2 for bad options.</returns>
    public static async Task<int> RunAsync(string[] args, string demoMixture, CancellationToken cancel)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var (pictures, rounds, seed) = (line.Whole("--pictures", 100, 100_000, 2000), line.Whole("--rounds", 1, 100, 7), line.Whole("--seed", 0, 1_000_000, 1));
        if (line.Problems.Count > 0)
        {
            await Console.Error.WriteLineAsync(string.Join('\n', [.. line.Problems, $"usage: {Usage}"]));
            return 2;
        }
        var folder = Directory.CreateTempSubdirectory("modm-bench-").FullName;
        try
        {
            var files = PaintedFolder.Paint(folder, pictures, seed);
            var options = ImportOptions.Read([folder, "--mixture", demoMixture], demoMixture).Options!;
            var report = await MeasureAsync(options, files, rounds, seed, cancel);
            Console.WriteLine(Render(report));
            if (line.Text("--json") is { } file) ResultFile.Write(file, report);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<ImportReport> MeasureAsync(
        ImportOptions options, IReadOnlyList<string> files, int rounds, int seed, CancellationToken cancel)
    {
        var cores = Environment.ProcessorCount;
        // As the import does: threads of one session each run beside each other, which is faster than sharing a picture.
        using var embedder = ClipEmbedder.Load(options.Mixture.Spec.Cache.EmbedderPath, threads: 1);
        ThreadPool.SetMinThreads(2 * cores + Import.WaitingThreads, Import.WaitingThreads);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = cores, CancellationToken = cancel };
        var decoded = files.Select(f => RgbImage.Decode(File.ReadAllBytes(f))).ToList();
        var ways = new (string What, Func<int, Task> Run)[]
        {
            ("bare embedder, decoded pictures", _ => Task.Run(() => Parallel.ForEach(decoded, parallel, p => embedder.EmbedImage(p)), cancel)),
            ("bare embedder, files", _ => Task.Run(
                () => Parallel.ForEach(files, parallel, f => embedder.EmbedImage(RgbImage.Decode(File.ReadAllBytes(f)))), cancel)),
            ("bare embedder, files, eight at a time", _ => Task.Run(
                () => Parallel.ForEach(files.Chunk(Eight), parallel, some => embedder.EmbedImages([.. some.Select(f => embedder.Preprocess(RgbImage.Decode(File.ReadAllBytes(f))))])), cancel)),
            ("import", round => ImportAsync(options, Path.Combine(options.Source, $"cache-{round}"), embedder, cores, files.Count, cancel)),
        };
        var figures = ways.Select(w => new ImportFigures(w.What, new List<double>(), new List<double>())).ToList();
        // The first round warms up.
        for (var round = 0; round <= rounds; round++)
        {
            foreach (var ((what, run), into) in ways.Zip(figures))
            {
                GC.Collect();
                var (cpu, started) = (Cpu(), Stopwatch.GetTimestamp());
                await run(round);
                var (took, used) = (Stopwatch.GetElapsedTime(started), Cpu() - cpu);
                await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"round {round}, {what}: {files.Count / took.TotalSeconds:0}/s"));
                if (round == 0) continue;
                ((List<double>)into.PerSecond).Add(files.Count / took.TotalSeconds);
                ((List<double>)into.CpuMs).Add(used.TotalMilliseconds / files.Count);
            }
        }
        return new ImportReport(
            files.Count, rounds, seed, files.Average(f => new FileInfo(f).Length), figures,
            Ratio(figures[^1], figures[0]), Ratio(figures[^1], figures[1]), Ratio(figures[^1], figures[2]), Environs.Here());
    }

    private static async Task ImportAsync(
        ImportOptions options, string cacheFolder, ClipEmbedder embedder, int cores, int pictures, CancellationToken cancel)
    {
        var cache = Parts.OpenCache((options with { CacheFolder = cacheFolder }).Gateway, () => options.Mixture.Spec.Cache, embedder, TimeProvider.System, NullLogger.Instance);
        using var open = (IDisposable)cache;
        var tally = new Tally();
        var progress = new ImportProgress(pictures, TextWriter.Null, isTerminal: true, TimeProvider.System);
        await new Importer(cache, embedder, options, cores, TimeProvider.System).RunAsync(PictureList.Read(Path.Combine(options.Source, "metadata.jsonl")), tally, progress, cancel);
        if (tally.Imported != pictures) throw new InvalidOperationException($"Of {pictures} pictures: {tally}.");
    }

    private static TimeSpan Cpu()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime;
    }

    /// <summary>Median of the rounds' own ratios: neighbours in time are compared.</summary>
    private static double Ratio(ImportFigures one, ImportFigures other) => Median(one.PerSecond.Zip(other.PerSecond, (a, b) => a / b));

    private static double Median(IEnumerable<double> values) => values.Order().ToList() is var sorted ? sorted[sorted.Count / 2] : double.NaN;

    private static string Render(ImportReport report) => Table.Render(
        [$"{report.Pictures} pictures, median of {report.Rounds}", "pictures/s", "lowest", "highest", "CPU ms a picture"],
        [.. report.Figures.Select(f => (IReadOnlyList<string>)
            [f.What, Text(Median(f.PerSecond), "0"), Text(f.PerSecond.Min(), "0"), Text(f.PerSecond.Max(), "0"), Text(Median(f.CpuMs), "0.00")])])
        + $"\nimport to bare embedder: {Text(report.Ratio, "0.00")} (decoded pictures), {Text(report.RatioWithDecoding, "0.00")} (files), {Text(report.RatioEightAtATime, "0.00")} (files, eight at a time)";

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
