using MoDM.Api;
using MoDM.Bench.Comparing;
using MoDM.Bench.Load;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Tests;

public class PaperSplitTests
{
    private static Outcome Image(int skipped, double generationMs) => new(new TraceEntry("a cat", 1), 0, 1,
        new Answer(null, [], new ImageStory
        {
            Route = skipped > 0 ? "hit" : "miss",
            Images = [new ImagePart { Seed = 1, Model = "m", Steps = 50, SkippedSteps = skipped, GenerationMs = generationMs }],
        }, new Dictionary<string, double>()));

    private static Outcome Failed => new(new TraceEntry("a cat", 1), 0, 1, Answer.Failed("502"));

    /// <summary>0.1 of misses against 0.9 * 0.6 * 16.5 / 91.5 = 0.0974 of hits: 0.507 of 16 slots.</summary>
    [Fact]
    public void Slots_follow_the_work_of_each_model()
    {
        var split = PaperSplit.Decide(16, new SplitLoad(0.9, 0.6, 91.5, 16.5));
        Assert.Equal((8, 8), (split.Large, split.Small));
        Assert.StartsWith("8 of 16 slots for the large model at a hit rate of 0.90, 0.60 of", split.Reason);
    }

    [Theory]
    [InlineData(0.0, 3)] // No hits: everything but one slot, since the cache may still warm up.
    [InlineData(1.0, 1)] // No misses: one slot all the same, or the first miss would wait for ever.
    public void Both_models_keep_a_slot(double hitRate, int large)
    {
        var split = PaperSplit.Decide(4, new SplitLoad(hitRate, 1, 2, 2));
        Assert.Equal((large, 4 - large), (split.Large, split.Small));
    }

    [Fact]
    public void The_load_is_read_from_what_was_drawn()
    {
        var load = SplitLoad.Of(
            [Image(0, 900), Image(5, 300), Image(30, 200), Image(25, 250), Failed], [Image(0, 1000), Image(0, 2000), Failed], [Image(0, 400)]);
        Assert.Equal(new SplitLoad(0.75, 0.6, 1.5, 0.4), load with { RemainingWork = Math.Round(load.RemainingWork, 9) });
    }

    [Fact]
    public void A_model_that_drew_nothing_has_no_split()
    {
        var load = SplitLoad.Of([Image(0, 900)], [Image(0, 900)], [Failed]);
        Assert.Equal((0, 0), (load.HitRate, load.RemainingWork));
        Assert.Throws<InvalidOperationException>(() => PaperSplit.Decide(2, load));
    }
}
