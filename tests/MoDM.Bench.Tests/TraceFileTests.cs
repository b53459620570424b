using MoDM.Bench.Traces;

namespace MoDM.Bench.Tests;

public class TraceFileTests
{
    [Fact]
    public void Prompts_and_times_are_read_and_blank_lines_skipped()
    {
        var (trace, problems) = TraceFile.Read(["{\"prompt\": \"a cat\", \"at\": 0.5}", "", "{\"prompt\": \"a dog\", \"user\": 3}"], 2);
        Assert.Empty(problems);
        Assert.Equal([("a cat", 0.5), ("a dog", null)], trace.Select(e => (e.Prompt, e.At)));
        Assert.Equal([2_000_000L, 2_000_001L], trace.Select(e => e.Seed));
    }

    [Fact]
    public void Every_wrong_line_is_named()
    {
        var (_, problems) = TraceFile.Read(["nonsense", "{\"prompt\": \"a cat\"}", "{\"prompt\": 3}", "{\"prompt\": \"x\", \"at\": -1}"], 1);
        Assert.Equal(["line 1", "line 3", "line 4"], problems.Select(p => p[..6]));
    }

    [Fact]
    public void Times_must_ascend() =>
        Assert.Single(TraceFile.Read(["{\"prompt\": \"a\", \"at\": 2}", "{\"prompt\": \"b\", \"at\": 1}"], 1).Problems);
}
