using System.Diagnostics;
using Cloud.Unum.USearch;

namespace MoDM.Bench.Indexing;

/// <summary>One row of the result: a structure on one kind of data.</summary>
/// <param name="Recall">Share of queries whose best match is the exact scan's (or exactly as similar).</param>
/// <param name="InsertMs">Mean of the last thousand insertions.</param>
internal sealed record IndexFigures(
    string Data, string Index, double P50Ms, double P99Ms, double Recall, double BuildSeconds, double InsertMs, double RemoveMs);

internal sealed record IndexSettings(
    int Entries, int Dimension, int Queries, int Seed, IReadOnlyList<string> Data, IReadOnlyList<string> Kinds);

/// <summary>Look-up latency and recall@1 of index structures, each on one thread.</summary>
internal static class IndexBench
{
    private const int Removals = 500;
    private const int LastInsertions = 1000;
    private static readonly int[] Expansions = [64, 128, 256, 512];

    private static readonly Dictionary<string, (ScalarKind Kind, int Connectivity)> Graphs = new()
    {
        ["f32-16"] = (ScalarKind.Float32, 16),
        ["f32-32"] = (ScalarKind.Float32, 32),
        ["f16-16"] = (ScalarKind.Float16, 16),
        ["f16-32"] = (ScalarKind.Float16, 32),
        ["i8-16"] = (ScalarKind.Int8, 16),
        ["i8-32"] = (ScalarKind.Int8, 32),
    };

    public static readonly IReadOnlyList<string> Kinds = ["exact", "int8", "gateway", "gateway-8", .. Graphs.Keys];

    /// <param name="Truth">The best similarity of each text, by the exact scan.</param>
    private sealed record Sample(string Data, float[][] Images, float[][] Texts, float[] Truth)
    {
        public int Entries => Images.Length - Removals;
    }

    public static IEnumerable<IndexFigures> Run(IndexSettings settings)
    {
        foreach (var world in VectorWorld.All.Where(w => settings.Data.Contains(w.Name)))
        {
            var (images, texts) = world.Draw(settings.Entries + Removals, settings.Queries, settings.Dimension, settings.Seed);
            using var exact = new ExactScan(images.Length, settings.Dimension);
            foreach (var (key, image) in images.Take(settings.Entries).Index())
                exact.Add(key, image);
            var sample = new Sample(world.Name, images, texts, [.. texts.Select(t => exact.Best(t).Similarity)]);
            foreach (var figures in settings.Kinds.SelectMany(kind => Measure(kind, sample, settings)))
                yield return figures;
        }
    }

    private static IEnumerable<IndexFigures> Measure(string kind, Sample sample, IndexSettings settings)
    {
        var capacity = sample.Images.Length;
        if (Graphs.TryGetValue(kind, out var graph))
        {
            using var index = new GraphIndex(graph.Kind, graph.Connectivity, capacity, settings.Dimension);
            var build = Build(index, sample);
            foreach (var expansion in Expansions)
            {
                index.Expansion = expansion;
                yield return Measure($"HNSW {kind[..kind.IndexOf('-')]}, M {graph.Connectivity}, expansion {expansion}", index, build, sample);
            }
            yield break;
        }
        using IVectorIndex scan = kind switch
        {
            "exact" => new ExactScan(capacity, settings.Dimension),
            "int8" => new QuantisedScan(capacity, settings.Dimension),
            "gateway-8" => new CacheScan(settings.Dimension, most: 8),
            _ => new CacheScan(settings.Dimension),
        };
        var name = kind switch { "exact" => "float32 scan", "int8" => "int8 scan, then exact", "gateway-8" => "4-bit scan, then exact, the best eight (as the gateway asks)", _ => "4-bit scan, then exact (the gateway's)" };
        yield return Measure(name, scan, Build(scan, sample), sample);
    }

    private static (double Seconds, double InsertMs) Build(IVectorIndex index, Sample sample)
    {
        var last = Math.Max(0, sample.Entries - LastInsertions);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < last; i++)
            index.Add(i, sample.Images[i]);
        var tail = Stopwatch.GetTimestamp();
        for (var i = last; i < sample.Entries; i++)
            index.Add(i, sample.Images[i]);
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, Stopwatch.GetElapsedTime(tail).TotalMilliseconds / (sample.Entries - last));
    }

    /// <summary>After a first pass, in which the code is compiled: on one core, the compiler interrupts the queries.</summary>
    private static IndexFigures Measure(string name, IVectorIndex index, (double Seconds, double InsertMs) build, Sample sample)
    {
        foreach (var text in sample.Texts)
            index.Best(text);
        GC.Collect();
        var (times, right) = (new List<double>(), 0);
        foreach (var (i, text) in sample.Texts.Index())
        {
            var start = Stopwatch.GetTimestamp();
            var (_, similarity) = index.Best(text);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            if (similarity >= sample.Truth[i] - 1e-6f)
                right++;
        }
        return new(sample.Data, name, Percentiles.Of(times, 50), Percentiles.Of(times, 99), (double)right / times.Count,
            build.Seconds, build.InsertMs, RemoveMs(index, sample));
    }

    /// <summary>Of vectors that are put in for it, so that the index is the same afterwards.</summary>
    private static double RemoveMs(IVectorIndex index, Sample sample)
    {
        for (var i = sample.Entries; i < sample.Images.Length; i++)
            index.Add(i, sample.Images[i]);
        var start = Stopwatch.GetTimestamp();
        for (var i = sample.Entries; i < sample.Images.Length; i++)
            index.Remove(i);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / Removals;
    }
}
