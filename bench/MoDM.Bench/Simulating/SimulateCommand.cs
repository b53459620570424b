using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <summary>bench simulate: the paper's suite, or one workload of the caller's own.</summary>
internal static class SimulateCommand
{
    public const string Usage = """
        simulate --suite paper [--json FILE] [--seed 1]
          simulate [--gpu MI210|A40|demo|FILE.json] [--gpus 16] [--models LARGE,SMALL...] [--arrivals poisson:10|rising:6-26|burst:12x2|diurnal:4-22|FILE.jsonl]
                   [--minutes 60] [--hits 0.72|fixed:RATE:S1/S2/...|index:N] [--slo 2] [--objective Quality|Throughput|Cost] [--json FILE] [--seed 1]
        """;

    private static readonly HashSet<string> Names =
        ["--suite", "--json", "--seed", "--gpu", "--gpus", "--models", "--arrivals", "--minutes", "--hits", "--slo", "--objective"];

    public static int Run(IReadOnlyList<string> args)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var (seed, json) = (line.Whole("--seed", 0, 1_000_000, 1), line.Text("--json"));
        if (line.Text("--suite") is { } suite)
        {
            if (suite != "paper") line.Report($"--suite is {suite}; paper belongs there.");
            if (line.Problems.Count > 0) return Refuse(line.Problems);
            var report = PaperReport.Run(seed, Console.Error.WriteLine);
            Console.WriteLine(report.Render());
            if (json is null) return 0;
            ResultFile.Write(json, report);
            foreach (var (name, svg) in report.Charts())
                File.WriteAllText(Path.ChangeExtension(json, null) + $"-{name}.svg", svg);
            return 0;
        }
        var own = OwnWorkload.Read(line, seed);
        if (own is null || line.Problems.Count > 0) return Refuse(line.Problems);
        var rows = own.Run();
        Console.WriteLine(OwnWorkload.Render(rows));
        if (json is not null) ResultFile.Write(json, new { seed, rows });
        return 0;
    }

    private static int Refuse(IEnumerable<string> problems)
    {
        foreach (var problem in problems)
            Console.Error.WriteLine(problem);
        return 2;
    }
}
