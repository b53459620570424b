using MoDM.Bench.Indexing;

namespace MoDM.Bench.Tests;

public class VectorIndexTests
{
    public static TheoryData<string, int> Cases => new()
    {
        { "exact", 512 }, { "int8", 512 }, { "nibble", 512 }, { "int8", 128 }, { "nibble", 128 }, { "int8", 100 }, { "nibble", 100 }, { "nibble", 768 },
    };

    private static IVectorIndex Create(string kind, int capacity, int dimension) => kind switch
    {
        "exact" => new ExactScan(capacity, dimension),
        "int8" => new QuantisedScan(capacity, dimension),
        _ => new NibbleScan(capacity, dimension, seed: 9),
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
    public void A_rotation_keeps_cosines_and_spreads_a_vector_out()
    {
        var rotation = new Rotation(300, seed: 1);
        var (a, b) = (new float[512], new float[512]);
        rotation.Apply([1, .. new float[299]], a);
        rotation.Apply([0.6f, 0.8f, .. new float[298]], b);
        Assert.Equal(0.6, System.Numerics.Tensors.TensorPrimitives.Dot<float>(a, b), 5);
        Assert.InRange(a.Max(Math.Abs), 0.04, 0.25);
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
