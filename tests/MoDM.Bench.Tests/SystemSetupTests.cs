using MoDM.Bench.Comparing;
using MoDM.Bench.Load;
using MoDM.Bench.Traces;
using MoDM.Fakes;

namespace MoDM.Bench.Tests;

public class SystemSetupTests
{
    private static SystemSetup Setup(CompareSystem system, int slots, Func<Split>? paper = null)
    {
        using var reader = File.OpenText(Repo.File("gateway", "postcards.yaml"));
        return SystemSetup.Of(
            system, MixtureDocument.Read(reader, Repo.File("gateway")), slots, paper ?? (() => throw new InvalidOperationException("not the paper's")));
    }

    private static string[] Models(SystemSetup setup) => [.. setup.Document.Models.Select(m => m.Name)];

    [Theory]
    [InlineData(CompareSystem.Large, "postcards-large", "bypass", false)]
    [InlineData(CompareSystem.Small, "postcards-small", "bypass", false)]
    [InlineData(CompareSystem.Retrieval, "postcards-large", "bypass", true)]
    [InlineData(CompareSystem.Nirvana, "postcards-large", null, true)]
    internal void A_baseline_has_one_model_on_all_slots(CompareSystem system, string model, string? cache, bool learns)
    {
        var setup = Setup(system, 3);
        Assert.Equal([model], Models(setup));
        Assert.Equal((3, cache, learns), (setup.Document.Slots, setup.Cache, setup.LearnsFromWarmUp));
    }

    [Fact]
    public void The_papers_system_has_the_split_that_the_rule_says()
    {
        var setup = Setup(CompareSystem.Paper, 5, () => new Split(2, 3, "because"));
        Assert.Equal(["postcards-large", "postcards-small"], Models(setup));
        Assert.Equal((5, null, true), (setup.Document.Slots, setup.Cache, setup.LearnsFromWarmUp));
        Assert.EndsWith("because", setup.How);
    }

    [Fact]
    public void The_mixture_is_its_document_unless_it_gets_other_slots()
    {
        Assert.Equal((2, "the mixture as its document has it"), (Setup(CompareSystem.Ours, 2).Document.Slots, Setup(CompareSystem.Ours, 2).How));
        Assert.Equal(5, Setup(CompareSystem.Ours, 5).Document.Slots);
    }

    [Fact]
    public void Retrieval_says_its_threshold() => Assert.Contains("0.741", Setup(CompareSystem.Retrieval, 2).How);

    [Fact]
    public void A_third_of_what_is_counted_is_for_latency()
    {
        var trace = Enumerable.Range(0, 40).Select(i => new TraceEntry($"{i}", i)).ToList();
        var parts = TraceParts.Of(trace, 10);
        Assert.Equal((10, 20, 10), (parts.Warm.Count, parts.Saturated.Count, parts.AtRate.Count));
        Assert.Equal(trace, [.. parts.Warm, .. parts.Saturated, .. parts.AtRate]);
    }
}
