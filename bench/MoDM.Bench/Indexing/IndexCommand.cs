using System.Globalization;

namespace MoDM.Bench.Indexing;

internal sealed record IndexReport(IndexSettings Settings, IReadOnlyList<IndexFigures> Figures, Environs Environment);

/// <summary>bench index: embedded index structures for the image cache, on one core.</summary>
internal static class IndexCommand
{
    public const string Usage = "index [--json FILE] [--entries 100000] [--dimension 512] [--queries 1000] [--seed 1] [--data clip,demo,uniform] "
        + "[--kinds exact,int8,gateway,gateway-8,f32-16,f32-32,f16-16,f16-32,i8-16,i8-32]";

    private static readonly HashSet<string> Names = ["--json", "--entries", "--dimension", "--queries", "--seed", "--data", "--kinds"];

    public static int Run(IReadOnlyList<string> args)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var settings = new IndexSettings(
            line.Whole("--entries", 2000, 1_000_000, 100_000), line.Whole("--dimension", 8, 1024, 512), line.Whole("--queries", 10, 100_000, 1000),
            line.Whole("--seed", 0, 1_000_000, 1), Chosen(line, "--data", [.. VectorWorld.All.Select(w => w.Name)]),
            Chosen(line, "--kinds", IndexBench.Kinds));
        if (line.Problems.Count > 0)
        {
            Console.Error.WriteLine(string.Join('\n', [.. line.Problems, $"usage: {Usage}"]));
            return 2;
        }
        var figures = new List<IndexFigures>();
        foreach (var row in IndexBench.Run(settings))
        {
            figures.Add(row);
            Console.Error.WriteLine($"{row.Data}, {row.Index}: p50 {row.P50Ms:0.00} ms, p99 {row.P99Ms:0.00} ms, recall {row.Recall:0.000}");
        }
        Console.WriteLine(Render(figures));
        if (line.Text("--json") is { } file)
            ResultFile.Write(file, new IndexReport(settings, figures, Environs.Here()));
        return 0;
    }

    private static List<string> Chosen(CommandLine line, string name, IReadOnlyList<string> all)
    {
        var chosen = line.Text(name)?.Split(',').ToList() ?? [.. all];
        foreach (var unknown in chosen.Except(all))
            line.Report($"{name} names {unknown}; there are {string.Join(", ", all)}.");
        return chosen;
    }

    private static string Render(IReadOnlyList<IndexFigures> figures) => Table.Render(
        ["data and index", "p50 ms", "p99 ms", "recall@1", "build s", "insert ms", "remove ms"],
        [.. figures.Select(f => (IReadOnlyList<string>)
        [
            $"{f.Data}: {f.Index}", Text(f.P50Ms, "0.00"), Text(f.P99Ms, "0.00"), Text(f.Recall, "0.000"),
            Text(f.BuildSeconds, "0.0"), Text(f.InsertMs, "0.0000"), Text(f.RemoveMs, "0.0000"),
        ])]);

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
