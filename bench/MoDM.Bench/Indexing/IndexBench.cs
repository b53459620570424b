using System.Diagnostics;
using Cloud.Unum.USearch;

namespace MoDM.Bench.Indexing;

/// <summary>One row of the result: a structure on one kind of data.</summary>
/// <param name="Recall">Share of queries whose best match is the exact scan's (or exactly as similar).</param>
internal sealed record IndexFigures(
    string Data, string Index, double P50Ms, double P99Ms, double Recall, double BuildSeconds, double InsertMs, double RemoveMs);

internal sealed record IndexSettings(int Entries, int Dimension, int Queries, int Seed, IReadOnlySet<string> Data, IReadOnlySet<string> Kinds);

/// <summary>Look-up latency and recall@1 of index structures, each on one thread.</summary>
internal static class IndexBench
{
    private const int Churn = 500;

    public static IEnumerable<IndexFigures> Run(IndexSettings settings)
    {
        foreach (var world in VectorWorld.All.Where(w => settings.Data.Contains(w.Name)))
        {
            var (images, texts) = world.Draw(settings.Entries + Churn, settings.Queries + 100, settings.Dimension, settings.Seed);
            var capacity = settings.Entries + Churn;
            using var exact = new ExactScan(capacity, settings.Dimension);
            var build = Build(exact, images, settings.Entries);
            var truth = texts.Select(t => exact.Best(t).Similarity).ToArray();
            Console.Error.WriteLine($"{world.Name}: best similarity p50 {Percentiles.Of(truth.Select(t => (double)t), 50):0.000}, "
                + $"mean of all {texts.Take(20).Average(t => images.Average(i => System.Numerics.Tensors.TensorPrimitives.Dot<float>(t, i))):0.000}");
            if (settings.Kinds.Contains("exact"))
                yield return Measure(world.Name, "exact float32 scan", exact, build, images, texts, truth, settings.Entries);
            if (settings.Kinds.Contains("int8"))
            {
                using var scan = new QuantisedScan(capacity, settings.Dimension);
                build = Build(scan, images, settings.Entries);
                yield return Measure(world.Name, "int8 scan, exact rescoring", scan, build, images, texts, truth, settings.Entries);
                Console.Error.WriteLine($"rescored by the last query: {scan.Rescored}");
            }
            if (settings.Kinds.Contains("nibble"))
            {
                using var scan = new NibbleScan(capacity, settings.Dimension, settings.Seed);
                build = Build(scan, images, settings.Entries);
                yield return Measure(world.Name, "4-bit scan, exact rescoring", scan, build, images, texts, truth, settings.Entries);
                Console.Error.WriteLine($"rescored by the last query: {scan.Rescored}");
            }
            foreach (var figures in Graphs(world.Name, settings, images, texts, truth))
                yield return figures;
        }
    }

    private static IEnumerable<IndexFigures> Graphs(
        string data, IndexSettings settings, float[][] images, float[][] texts, float[] truth)
    {
        foreach (var (name, kind) in new[] { ("f32", ScalarKind.Float32), ("f16", ScalarKind.Float16), ("i8", ScalarKind.Int8) })
        {
            foreach (var connectivity in new[] { 16, 32 })
            {
                if (!settings.Kinds.Contains($"{name}-{connectivity}"))
                    continue;
                using var graph = new GraphIndex(kind, connectivity, 64, images.Length, settings.Dimension);
                var build = Build(graph, images, settings.Entries);
                foreach (var expansion in new[] { 64, 128, 256, 512 })
                {
                    graph.Expansion = expansion;
                    yield return Measure(data, $"HNSW {name}, M {connectivity}, expansion {expansion}", graph, build, images, texts, truth,
                        settings.Entries);
                }
            }
        }
    }

    private static (double Seconds, double InsertMs) Build(IVectorIndex index, float[][] images, int entries)
    {
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < entries - 1000; i++)
            index.Add(i, images[i]);
        var tail = Stopwatch.GetTimestamp();
        for (var i = Math.Max(0, entries - 1000); i < entries; i++)
            index.Add(i, images[i]);
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, Stopwatch.GetElapsedTime(tail).TotalMilliseconds / 1000);
    }

    /// <summary>Queries first; then as many removals of the oldest as insertions of new ones, all undone by order.</summary>
    private static IndexFigures Measure(string data, string name, IVectorIndex index, (double Seconds, double InsertMs) build,
        float[][] images, float[][] texts, float[] truth, int entries)
    {
        var times = new double[texts.Length];
        var right = 0;
        for (var i = 0; i < texts.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var (_, similarity) = index.Best(texts[i]);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            if (i >= 100 && similarity >= truth[i] - 1e-6f)
                right++;
        }
        for (var i = 0; i < Churn; i++)
            index.Add(entries + i, images[entries + i]);
        var removal = Stopwatch.GetTimestamp();
        for (var i = 0; i < Churn; i++)
            index.Remove(entries + i);
        var removed = Stopwatch.GetElapsedTime(removal).TotalMilliseconds / Churn;
        return new(data, name, Percentiles.Of(times.Skip(100), 50), Percentiles.Of(times.Skip(100), 99), (double)right / (texts.Length - 100),
            build.Seconds, build.InsertMs, removed);
    }
}
