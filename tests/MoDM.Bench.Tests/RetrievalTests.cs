using MoDM.Api;
using MoDM.Bench.Load;
using MoDM.Bench.Traces;
using MoDM.Fakes;
using MoDM.Onnx;

namespace MoDM.Bench.Tests;

public class RetrievalTests
{
    private static readonly TraceEntry Prompt = new("a red balloon over snowy mountains", 7);

    private static Answer Picture(byte shade) => new(
        null, new RgbImage(8, 8, [.. Enumerable.Repeat(shade, 8 * 8 * 3)]).Encode(ImageEncoding.Png),
        new ImageStory { Route = "miss", Images = [new ImagePart { Seed = 3, Model = "large", Steps = 50, SkippedSteps = 0, GenerationMs = 900 }] },
        new Dictionary<string, double>());

    [Fact]
    public void The_most_similar_picture_is_found_unless_it_is_too_far()
    {
        var cache = new RetrievalCache(10, 0.75);
        var (near, nearer) = (Picture(1), Picture(2));
        cache.Add([0.8f, 0.6f], near);
        cache.Add([1, 0], nearer);
        cache.Add([0, 1], Picture(3));
        Assert.Same(nearer, cache.Find([1, 0])?.Picture);
        Assert.Same(near, cache.Find([0.8f, 0.6f])?.Picture);
        Assert.Null(cache.Find([-1, 0]));
    }

    [Fact]
    public void The_oldest_picture_leaves_first()
    {
        var cache = new RetrievalCache(2, 0.9);
        cache.Add([1, 0], Picture(1));
        cache.Add([0, 1], Picture(2));
        cache.Add([-1, 0], Picture(3));
        Assert.Null(cache.Find([1, 0]));
        Assert.NotNull(cache.Find([0, 1]));
        Assert.NotNull(cache.Find([-1, 0]));
    }

    [Fact]
    public async Task A_similar_picture_is_the_answer_as_it_is()
    {
        using var embedder = ClipEmbedder.Load(Repo.Model("postcards-clip"), 1);
        var cache = new RetrievalCache(10, threshold: -1);
        var drawn = Picture(200);
        await using (var first = new RetrievalClient(embedder, cache, (_, _) => Task.FromResult(drawn)))
            Assert.Same(drawn, await first.DrawAsync(Prompt, TestContext.Current.CancellationToken));

        await using var second = new RetrievalClient(embedder, cache, (_, _) => throw new InvalidOperationException("nothing is to be drawn"));
        var answer = await second.DrawAsync(Prompt with { Seed = 8 }, TestContext.Current.CancellationToken);

        Assert.True(answer.IsHit);
        Assert.Same(drawn.Png, answer.Png);
        Assert.Equal((50, RetrievalClient.Nobody, null), (answer.Part!.SkippedSteps, answer.Part.Model, answer.Part.GenerationMs));
        Assert.InRange(answer.Story!.Similarity!.Value, -1, 1);
    }

    [Fact]
    public async Task Failures_and_what_the_embedder_cuts_off_are_never_answers_to_others()
    {
        using var embedder = ClipEmbedder.Load(Repo.Model("postcards-clip"), 1);
        var cache = new RetrievalCache(10, threshold: -1);
        var asked = 0;
        var cut = Prompt with { Prompt = string.Join(' ', Enumerable.Repeat(Prompt.Prompt, 20)) };
        await using (var client = new RetrievalClient(
            embedder, cache, (_, _) => Task.FromResult(++asked == 1 ? Answer.Failed("502") : Picture(1))))
        {
            Assert.Equal("502", (await client.DrawAsync(Prompt, TestContext.Current.CancellationToken)).Error);
            Assert.False((await client.DrawAsync(cut, TestContext.Current.CancellationToken)).IsHit);
        }
        Assert.Null(cache.Find(embedder.EmbedText(Prompt.Prompt).Vector));
    }
}
