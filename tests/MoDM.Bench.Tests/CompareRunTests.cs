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

    /// <summary>The same prompt over and over is a hit for every system that has a cache, and each answers it in its own way.</summary>
    [Fact]
    public async Task Compare_writes_what_each_system_does_with_hits_and_a_summary_of_the_mixture()
    {
        var trace = Path.Combine(TempFolder.New(), "trace.jsonl");
        await File.WriteAllLinesAsync(
            trace, Enumerable.Repeat("""{"prompt": "a red hot air balloon over snowy mountains at sunset"}""", 7), TestContext.Current.CancellationToken);

        var root = await CompareAsync("--trace", trace, "--prompts", "2", "--warm", "4", "--rate", "2");

        Assert.Equal(["clipScoreRatio", "hitRate", "meanLatencyRatio", "throughputRatio"], root["summary"]!.AsObject().Select(p => p.Key).Order());
        var systems = root["systems"]!.AsArray();
        Assert.All([.. systems, root["mixture"], root["largeOnly"]], s =>
        {
            Assert.Equal((2, 0), ((int)s!["saturated"]!["images"]!, (int)s["saturated"]!["failed"]!));
            Assert.Equal((1, 0), ((int)s["atRate"]!["images"]!, (int)s["atRate"]!["failed"]!));
        });
        const string Large = "2 postcards-large", Both = "1 postcards-large, 1 postcards-small";
        Assert.Equal(
            [("large", Large, 0), ("small", "2 postcards-small", 0), ("retrieval", Large, 1), ("nirvana", Large, 1), ("ours", Both, 1), ("paper", Both, 1)],
            systems.Select(s => ((string)s!["name"]!, (string)s["split"]!, (int)s["hitRate"]!)));
        Assert.Equal((1, (double)root["summary"]!["throughputRatio"]!),
            ((double)systems[0]!["throughputRatio"]!, (double)systems[4]!["throughputRatio"]!));
        Assert.Equal(1, Share(systems[1]!, "models", "postcards-small"));
        Assert.Equal(1, Share(systems[1]!, "skippedSteps", "0"));
        Assert.Equal(1, Share(systems[2]!, "models", "cached as it was"));
        Assert.Equal(1, Share(systems[3]!, "models", "postcards-large"));
        Assert.Equal(0, Share(systems[3]!, "skippedSteps", "0"));
    }

    [Fact]
    public async Task Compare_makes_its_own_trace_whose_pictures_the_judge_can_read()
    {
        var root = await CompareAsync("--systems", "small", "--prompts", "2", "--warm", "1", "--rate", "2");

        Assert.Null(root["summary"]);
        Assert.Equal(["large", "small"], root["systems"]!.AsArray().Select(s => (string)s!["name"]!));
        Assert.InRange((double)root["systems"]![1]!["quality"]!["accuracy"]!["subject"]!, 0, 1);
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

    private static async Task<JsonNode> CompareAsync(params string[] options)
    {
        var file = Path.Combine(TempFolder.New(), "file");
        Assert.Equal(0, await CompareCommand.RunAsync(["--json", file, .. options], Demo, TestContext.Current.CancellationToken));
        return JsonNode.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!;
    }

    private static double Share(JsonNode system, string of, string name) => (double?)system["saturated"]![of]![name] ?? 0;
}
