using MoDM.Bench.Indexing;
using MoDM.Gateway.Cache;

namespace MoDM.Bench.Simulating;

/// <summary>
/// A real cache index over embeddings: prompts and images as CLIP ViT-L/14 places them (<see cref="VectorWorld.Clip"/>), and
/// users who vary what was asked for lately. Hit rates and the k of hits come out of it, and nobody puts them in.
/// </summary>
/// <param name="Capacity">Images in the cache; the oldest leaves first.</param>
/// <param name="Varied">Share of the prompts that vary an earlier one.</param>
/// <param name="Recent">Mean age of what is varied, in requests.</param>
internal sealed record IndexHits(int Capacity, double Varied = 0.85, double Recent = 1500) : IHitModel
{
    /// <summary>Of CLIP ViT-L/14; with fewer, unrelated images come too close.</summary>
    private const int Dimension = 768;

    /// <summary>Images that are being drawn are not in the cache yet.</summary>
    private const int Lag = 20;
    private const string Bucket = "all";

    public string Name => $"index of {Capacity}";

    public IEnumerable<double?> Draw(Random random)
    {
        var world = VectorWorld.Clip;
        var flat = VectorWorld.Flat(Dimension);
        var imageMean = VectorWorld.Direction(random, flat);
        var textMean = VectorWorld.Mix(Dimension, (world.MeanCosine, imageMean), (Math.Sqrt(1 - world.MeanCosine * world.MeanCosine), VectorWorld.Direction(random, flat)));
        using var index = new VectorIndex();
        var meanings = new List<float[]>();
        while (true)
        {
            // What is asked for: something new, or close to something recent.
            var fresh = VectorWorld.Direction(random, flat);
            var age = (int)(-Recent * Math.Log(1 - random.NextDouble()));
            var near = 0.75 + 0.25 * random.NextDouble();
            var meaning = random.NextDouble() < Varied && age < meanings.Count
                ? VectorWorld.Mix(Dimension, (near, meanings[^(age + 1)]), (Math.Sqrt(1 - near * near), fresh)) : fresh;
            var text = VectorWorld.Mix(Dimension, (Math.Sqrt(world.TextMean), textMean), (Math.Sqrt(world.Meaning), meaning),
                (Math.Sqrt(1 - world.TextMean - world.Meaning), VectorWorld.Direction(random, flat)));
            yield return index.Find(Bucket, text, 1) is [var best] ? best.Similarity : null;

            meanings.Add(meaning);
            if (meanings.Count <= Lag) continue;
            var drawn = meanings.Count - Lag - 1;
            index.Add(Bucket, $"{drawn}", VectorWorld.Mix(Dimension, (Math.Sqrt(world.ImageMean), imageMean), (Math.Sqrt(1 - world.ImageMean), meanings[drawn])));
            if (drawn >= Capacity) index.Remove(Bucket, $"{drawn - Capacity}");
        }
    }
}
