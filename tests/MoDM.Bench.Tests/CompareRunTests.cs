using System.Reflection;
using System.Text.Json.Nodes;
using MoDM.Bench.Comparing;
using MoDM.Bench.Overhead;
using MoDM.Fakes;

namespace MoDM.Bench.Tests;

/// <summary>The benchmarks themselves, on real processes and few prompts: that they run and write what they promise, not how fast.</summary>
public class CompareRunTests
{
    private static string Demo => Assembly.Load("MoDM.Gateway").GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "DemoMixture").Value!;

    [Fact]
    public async Task Compare_writes_a_summary_of_both_systems()
    {
        var file = Path.Combine(TempFolder.New(), "file");

        var code = await CompareCommand.RunAsync(["--json", file, "--prompts", "6", "--warm", "6"], Demo, TestContext.Current.CancellationToken);

        Assert.Equal(0, code);
        var root = JsonNode.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!;
        Assert.Equal(["clipScoreRatio", "hitRate", "meanLatencyRatio", "throughputRatio"], root["summary"]!.AsObject().Select(p => p.Key).Order());
        foreach (var system in new[] { "mixture", "largeOnly" })
            Assert.Equal((6, 0), ((int)root[system]!["saturated"]!["images"]!, (int)root[system]!["saturated"]!["failed"]!));
    }

    [Fact]
    public async Task Overhead_measures_both_models_and_the_gateway()
    {
        var file = Path.Combine(TempFolder.New(), "file");

        Assert.Equal(0, await OverheadCommand.RunAsync(["--json", file, "--requests", "2"], Demo, TestContext.Current.CancellationToken));

        var root = JsonNode.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!;
        Assert.Equal(["postcards-large", "postcards-small"], root["workers"]!.AsArray().Select(w => (string)w!["model"]!));
        Assert.Equal(2, (int)root["gateway"]!["requests"]!);
    }
}
