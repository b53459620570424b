using MoDM.Bench.Indexing;

namespace MoDM.Bench.Tests;

public class VectorIndexTests
{
    public static TheoryData<string, int> Cases => new()
    {
        { "exact", 512 }, { "int8", 512 }, { "gateway", 512 }, { "int8", 128 }, { "gateway", 128 }, { "int8", 100 }, { "gateway", 100 }, { "gateway", 768 },
    };

    private static IVectorIndex Create(string kind, int capacity, int dimension) => kind switch
    {
        "exact" => new ExactScan(capacity, dimension),
        "int8" => new QuantisedScan(capacity, dimension),
        _ => new CacheScan(dimension),
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_best_match_is_found_among_what_is_there(string kind, int dimension)
    {
        var (images, texts) = VectorWorld.Clip.Draw(1001, 60, dimension, seed: 4);
        using var index = Create(kind, images.Length, dimension);
        Assert.Equal(-1, index.Best(texts[0]).Key);
        foreach (var (key, image) in images.Index())
            index.Add(key, image);
        for (var key = 0; key < images.Length; key += 3)
            index.Remove(key);
        foreach (var text in texts)
        {
            var expected = images.Index().Where(i => i.Index % 3 != 0)
                .MaxBy(i => System.Numerics.Tensors.TensorPrimitives.Dot<float>(i.Item, text));
            var (key, similarity) = index.Best(text);
            Assert.Equal(expected.Index, key);
            Assert.Equal(System.Numerics.Tensors.TensorPrimitives.Dot<float>(expected.Item, text), similarity, 5);
        }
    }

    [Fact]
    public void The_worlds_have_the_similarities_that_they_are_named_for()
    {
        foreach (var (world, low, high) in new[] { (VectorWorld.Clip, 0.25, 0.4), (VectorWorld.Demo, 0.75, 0.85) })
        {
            var (images, texts) = world.Draw(3000, 30, 512, seed: 2);
            var best = texts.Average(t => images.Max(i => System.Numerics.Tensors.TensorPrimitives.Dot<float>(i, t)));
            Assert.InRange(best, low, high);
        }
    }
}
