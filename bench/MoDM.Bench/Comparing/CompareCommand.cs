using MoDM.Bench.Traces;

namespace MoDM.Bench.Comparing;

/// <summary>bench compare: from options to table and JSON.</summary>
internal static class CompareCommand
{
    /// <returns>The exit code: 2 for bad options, 1 when nothing was measured.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, string demoMixture, CancellationToken cancel)
    {
        var (options, problems) = CompareOptions.Read(args, demoMixture);
        if (options is null)
            return Refuse(problems);
        var (trace, wrong) = options.Trace is null
            ? (TraceGenerator.Generate(new TraceSettings(), options.Requests, options.Seed), [])
            : TraceFile.Read(File.ReadLines(options.Trace).Take(options.Requests), options.Seed);
        if (trace.Count < options.Warm + 3)
            wrong = [.. wrong, $"there are {trace.Count} prompts; after {options.Warm} to warm up, at least 3 are needed."];
        if (wrong.Count > 0)
            return Refuse(wrong.Select(w => $"{options.Trace}: {w}"));

        var report = await new CompareBench(options, Console.Error.WriteLine, TimeProvider.System).RunAsync(trace, cancel);
        Console.WriteLine(CompareTable.Render(report));
        if (options.Json is not null)
            ResultFile.Write(options.Json, report);
        return report.Systems.FirstOrDefault(s => s.Saturated.Images == 0) is { } idle ? Fail(idle) : 0;
    }

    private static int Fail(SystemReport idle)
    {
        Console.Error.WriteLine($"{idle.Name} drew nothing: {idle.Saturated.FirstError}");
        return 1;
    }

    private static int Refuse(IEnumerable<string> problems)
    {
        foreach (var problem in problems)
            Console.Error.WriteLine(problem);
        Console.Error.WriteLine($"usage: {CompareOptions.Usage}");
        return 2;
    }
}
