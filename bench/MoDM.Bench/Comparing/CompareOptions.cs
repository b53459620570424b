using System.Globalization;

namespace MoDM.Bench.Comparing;

/// <param name="Prompts">Counted requests of each system's throughput; half as many more are counted for latency.</param>
/// <param name="Warm">Requests before them, which fill a system's cache and are not counted.</param>
/// <param name="Slots">Worker slots of each system; null: what the document says.</param>
/// <param name="Threads">Of each worker.</param>
/// <param name="Rate">Arrivals a second of the latency experiment; null: 0.8 of what large-only can do.</param>
/// <param name="Trace">A file of prompts; null: generated.</param>
/// <param name="Mixture">The document's file.</param>
/// <param name="Systems">In the order of their runs; the large model is always among them.</param>
internal sealed record CompareOptions(
    string? Json, int Seed, int Prompts, int Warm, int? Slots, int Threads, double? Rate, string? Trace, string Mixture,
    IReadOnlyList<CompareSystem> Systems)
{
    public const string Usage =
        "compare [--json FILE] [--seed 1] [--prompts 200] [--warm 400] [--slots N] [--threads 1] [--rate auto|N] "
        + "[--trace FILE.jsonl] [--mixture FILE.yaml] [--systems large,small,retrieval,nirvana,ours,paper]";

    /// <summary>Lines of a trace that such a run reads.</summary>
    public int Requests => Warm + Prompts + Prompts / 2;

    private static readonly HashSet<string> Names =
        ["--json", "--seed", "--prompts", "--warm", "--slots", "--threads", "--rate", "--trace", "--mixture", "--systems"];

    public static (CompareOptions? Options, IReadOnlyList<string> Problems) Read(IReadOnlyList<string> args, string demoMixture)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var options = new CompareOptions(
            line.Text("--json"), line.Whole("--seed", 0, 1_000_000, 1), line.Whole("--prompts", 2, 100_000, 200),
            line.Whole("--warm", 1, 100_000, 400), line.Text("--slots") is null ? null : line.Whole("--slots", 2, 1024, 2),
            line.Whole("--threads", 1, 256, 1), ReadRate(line), line.Text("--trace"), line.Text("--mixture") ?? demoMixture,
            SystemChoice.Read(line.Text("--systems"), line.Report));
        foreach (var file in new[] { options.Trace, options.Mixture })
        {
            if (file is not null && !File.Exists(file))
                line.Report($"{file} is not a file.");
        }
        return line.Problems.Count == 0 ? (options, []) : (null, line.Problems);
    }

    private static double? ReadRate(CommandLine line)
    {
        if (line.Text("--rate") is not { } text || text == "auto")
            return null;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var rate) && rate is > 0 and < 1e6)
            return rate;
        line.Report($"--rate is {text}; auto or arrivals a second belong there.");
        return null;
    }
}
