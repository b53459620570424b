using MoDM.Bench.Comparing;

namespace MoDM.Bench.Tests;

public class SystemChoiceTests
{
    private static IReadOnlyList<CompareSystem> Good(string? text) => SystemChoice.Read(text, p => Assert.Fail(p));

    [Fact]
    public void Without_a_choice_all_run_and_the_paper_last() => Assert.Equal(
        [CompareSystem.Large, CompareSystem.Small, CompareSystem.Retrieval, CompareSystem.Nirvana, CompareSystem.Ours, CompareSystem.Paper], Good(null));

    [Theory]
    [InlineData("ours", new[] { CompareSystem.Large, CompareSystem.Ours })]
    [InlineData("retrieval, large", new[] { CompareSystem.Large, CompareSystem.Retrieval })]
    [InlineData("paper,nirvana", new[] { CompareSystem.Large, CompareSystem.Small, CompareSystem.Nirvana, CompareSystem.Ours, CompareSystem.Paper })]
    internal void A_choice_brings_what_it_needs(string text, CompareSystem[] systems) => Assert.Equal(systems, Good(text));

    [Fact]
    public void Every_unknown_name_is_reported()
    {
        var problems = new List<string>();
        SystemChoice.Read("ours,ourz,,paper", problems.Add);
        Assert.Equal(2, problems.Count);
        Assert.Contains("\"ourz\"", problems[0]);
        Assert.Contains("large,small,retrieval,nirvana,ours,paper", problems[0]);
    }
}
