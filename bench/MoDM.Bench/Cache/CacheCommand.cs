using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using MoDM.Bench.Traces;
using MoDM.Gateway;
using MoDM.Gateway.Cache;
using MoDM.Mixture;
using MoDM.Onnx;

namespace MoDM.Bench.Cache;

internal sealed record CacheReport(
    string Trace, int Seed, int Steps, IReadOnlyList<CacheFigures> Figures, IReadOnlyList<PairRate> Decisive, IReadOnlyList<PairRate> Paraphrases,
    Environs Environment);

/// <summary>bench cache: hits, and wrong ones among them, by size, eviction and guards; look-ups and inserts by store; guards on pairs of prompts.</summary>
internal static class CacheCommand
{
    public const string Usage = "cache [--json FILE] [--requests 2000] [--seed 1] [--trace FILE.jsonl] [--mixture FILE] [--sizes 50,200,10000] "
        + "[--steps 10] [--threads 2] [--qdrant URL --s3 URL --bucket NAME]";

    private static readonly HashSet<string> Names =
        ["--json", "--requests", "--seed", "--trace", "--mixture", "--sizes", "--steps", "--threads", "--qdrant", "--s3", "--bucket"];

    private const int Pairs = 200;

    private static readonly IReadOnlyList<PromptGuard>[] Guards = [PromptGuards.All, []];

    public static async Task<int> RunAsync(IReadOnlyList<string> args, string demo, CancellationToken stop)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var (requests, seed) = (line.Whole("--requests", 10, 100_000, 2000), line.Whole("--seed", 0, 1_000_000, 1));
        var (steps, threads) = (line.Whole("--steps", 1, 100, 10), line.Whole("--threads", 1, 64, Environment.ProcessorCount));
        var file = line.Text("--mixture") ?? demo;
        var (mixture, problems) = MixtureFile.Read(file);
        foreach (var problem in problems) line.Report($"{file}: {problem}");
        var trace = ReadTrace(line, requests, seed);
        var sizes = ReadSizes(line);
        var shared = ReadShared(line);
        if (line.Problems.Count > 0 || mixture is null)
        {
            await Console.Error.WriteLineAsync(string.Join('\n', [.. line.Problems, $"usage: {Usage}"]));
            return 2;
        }

        var pool = mixture.Spec.Small.Count > 0 ? mixture.Spec.Small[^1] : mixture.Spec.Large;
        using var embedder = ClipEmbedder.Load(mixture.Spec.Cache.EmbedderPath, threads);
        var world = await CacheWorld.DrawAsync(trace, embedder, pool.ModelPath, steps, (float)pool.GuidanceScale, threads, stop);
        var figures = new List<CacheFigures>();
        foreach (var spec in Settings(mixture.Spec.Cache, sizes))
            figures.Add(await EmbeddedAsync(world, spec, mixture.Spec.Steps, stop));
        if (shared is not null)
            figures.Add(await SharedAsync(world, mixture.Spec.Cache with { Shared = shared, Capacity = sizes[^1] }, mixture.Spec.Steps, embedder.Dimension, stop));

        static bool Passes(PromptPair pair) => PromptGuards.Check(pair.Asked, pair.Cached, PromptGuards.All) is null;
        var decisive = PairRate.Of(PromptPairs.Decisive(PairVocabulary.HeldOut, seed, Pairs), Passes);
        var paraphrases = PairRate.Of(PromptPairs.Paraphrases(PairVocabulary.HeldOut, seed, Pairs), Passes);
        Console.WriteLine(Render(figures));
        Console.WriteLine($"Pairs that differ in a decisive word, held out:\n  {string.Join("\n  ", decisive)}");
        Console.WriteLine($"Paraphrases, held out:\n  {string.Join("\n  ", paraphrases)}");
        if (line.Text("--json") is { } json)
            ResultFile.Write(json, new CacheReport(line.Text("--trace") ?? "generated", seed, steps, figures, decisive, paraphrases, Environs.Here()));
        return 0;
    }

    /// <summary>All sizes with both evictions; guards off for comparison.</summary>
    private static IEnumerable<CacheSpec> Settings(CacheSpec document, IReadOnlyList<int> sizes) =>
        from size in sizes
        from eviction in Enum.GetValues<CacheEviction>()
        from guards in Guards
        select document with { Capacity = size, Eviction = eviction, Guards = guards };

    private static async Task<CacheFigures> EmbeddedAsync(CacheWorld world, CacheSpec spec, int steps, CancellationToken stop)
    {
        var folder = Directory.CreateTempSubdirectory("modm-bench-").FullName;
        try
        {
            using var cache = ImageCache.Open(folder, () => spec, TimeProvider.System, NullLogger.Instance);
            return await CacheReplay.RunAsync(world, cache, spec, steps, stop);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<CacheFigures> SharedAsync(CacheWorld world, CacheSpec spec, int steps, int dimension, CancellationToken stop)
    {
        using var cache = SharedStores.Open("bench", spec.Shared!, null, dimension, () => spec, TimeProvider.System, NullLogger.Instance);
        await cache.StartAsync(TimeSpan.FromSeconds(10));
        if (cache.State.Trouble is { } trouble) throw new InvalidOperationException(trouble);
        return await CacheReplay.RunAsync(world, cache, spec, steps, stop);
    }

    private static IReadOnlyList<TraceEntry> ReadTrace(CommandLine line, int requests, int seed)
    {
        if (line.Text("--trace") is not { } file) return TraceGenerator.Generate(new TraceSettings(), requests, seed);
        if (!File.Exists(file))
        {
            line.Report($"--trace is {file}, which is not there.");
            return [];
        }
        var (trace, problems) = TraceFile.Read(File.ReadLines(file), seed);
        foreach (var problem in problems) line.Report($"{file}: {problem}");
        return trace;
    }

    private static List<int> ReadSizes(CommandLine line)
    {
        var sizes = new List<int>();
        foreach (var text in (line.Text("--sizes") ?? "50,200,10000").Split(','))
        {
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) && size > 0) sizes.Add(size);
            else line.Report($"--sizes has {text}; whole numbers from 1 on belong there, such as 50,200.");
        }
        return sizes;
    }

    /// <summary>A collection and objects of its own, which stay there.</summary>
    private static SharedStore? ReadShared(CommandLine line)
    {
        var (qdrant, s3, bucket) = (line.Text("--qdrant"), line.Text("--s3"), line.Text("--bucket"));
        if (qdrant is null && s3 is null && bucket is null) return null;
        if (qdrant is null || s3 is null || bucket is null) line.Report("--qdrant, --s3 and --bucket go together.");
        var name = $"modm-bench-{Guid.NewGuid():N}";
        return new SharedStore
        {
            QdrantUrl = qdrant ?? "",
            Collection = name,
            S3Endpoint = s3 ?? "",
            Region = "us-east-1",
            Bucket = bucket ?? "",
            Prefix = $"{name}/",
            CredentialsSecret = "",
            Urls = ImageUrls.Proxied,
        };
    }

    private static string Render(IReadOnlyList<CacheFigures> figures) => Table.Render(
        ["store, size, eviction, guards", "hit rate", "guarded", "other subject or colour", "other in anything named", "look-up p50, p99 ms", "insert p50, p99 ms"],
        [.. figures.Select(f => (IReadOnlyList<string>)
        [
            $"{f.Store}, {f.Capacity}, {f.Eviction}, {(f.Guards ? "on" : "off")}",
            Share(f.Hits, f.Requests, f.HitRate), f.Guarded.ToString(CultureInfo.InvariantCulture),
            f.WrongSubject is { } subject ? Share(subject, f.Hits, f.WrongSubjectRate!.Value) : "–", f.WrongAny is { } any ? Share(any, f.Hits, f.WrongAnyRate!.Value) : "–",
            string.Create(CultureInfo.InvariantCulture, $"{f.LookUpP50Ms:0.00}, {f.LookUpP99Ms:0.00}"),
            string.Create(CultureInfo.InvariantCulture, $"{f.InsertP50Ms:0.00}, {f.InsertP99Ms:0.00}"),
        ])]);

    private static string Share(int part, int whole, Scoring.Interval interval) => string.Create(CultureInfo.InvariantCulture,
        $"{(whole == 0 ? 0 : 100.0 * part / whole):0.0} % [{100 * interval.Low:0.0}, {100 * interval.High:0.0}]");
}
