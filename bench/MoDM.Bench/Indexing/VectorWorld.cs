using System.Numerics.Tensors;

namespace MoDM.Bench.Indexing;

/// <summary>Shares of the squared length of an image vector and of a text vector; both sum to 1.</summary>
/// <param name="ImageMean">Direction that all images share (the cone of CLIP's image embeddings).</param>
/// <param name="Topic">Direction that the images of one topic share.</param>
/// <param name="Instance">An image's own direction.</param>
/// <param name="TextMean">Direction that all texts share: the modality offset.</param>
/// <param name="Meaning">What a text shares with its image beyond the means.</param>
/// <param name="MeanCosine">Cosine of the two shared directions.</param>
internal sealed record VectorWorld(
    string Name, double ImageMean, double Topic, double Instance, double TextMean, double Meaning, double MeanCosine, int Topics)
{
    /// <summary>As CLIP ViT-L/14 on DiffusionDB: a match is at about 0.30, the background at about 0.15.</summary>
    public static readonly VectorWorld Clip = new("clip", 0.5, 0.25, 0.25, 0.49, 0.045, 0.303, 2000);

    /// <summary>As the demo embedder: no common cone, a match is at about 0.8.</summary>
    public static readonly VectorWorld Demo = new("demo", 0, 0.5, 0.5, 0, 0.64, 0, 2000);

    /// <summary>Independent directions: nothing that a graph or a quantiser could use.</summary>
    public static readonly VectorWorld Uniform = new("uniform", 0, 0, 1, 0, 0, 0, 1);

    public static readonly IReadOnlyList<VectorWorld> All = [Clip, Demo, Uniform];

    /// <summary>Unit vectors: <paramref name="entries"/> images, and texts near images that are drawn at random.</summary>
    public (float[][] Images, float[][] Texts) Draw(int entries, int texts, int dimension, int seed)
    {
        var random = new Random(seed);
        var spread = Spread(dimension, flat: Topic == 0);
        var imageMean = Direction(random, Flat(dimension));
        var textMean = Mix(dimension, (MeanCosine, imageMean), (Math.Sqrt(1 - MeanCosine * MeanCosine), Direction(random, Flat(dimension))));
        var topics = Enumerable.Range(0, Topics).Select(_ => Direction(random, spread)).ToArray();
        var zipf = new Zipf(Topics, 1.0);
        var images = new float[entries][];
        for (var i = 0; i < entries; i++)
        {
            images[i] = Mix(dimension, (Math.Sqrt(ImageMean), imageMean), (Math.Sqrt(Topic), topics[zipf.Draw(random)]),
                (Math.Sqrt(Instance), Direction(random, spread)));
        }
        return (images, Enumerable.Range(0, texts).Select(_ => Text(images[random.Next(entries)])).ToArray());

        float[] Text(float[] image)
        {
            var meaning = Mix(dimension, (1, image), (-Math.Sqrt(ImageMean), imageMean));
            return Mix(dimension, (Math.Sqrt(TextMean), textMean), (Math.Sqrt(Meaning), meaning),
                (Math.Sqrt(1 - TextMean - Meaning), Direction(random, spread)));
        }
    }

    /// <summary>Standard deviation of each coordinate; learned embeddings have a few strong and many weak ones.</summary>
    private static double[] Spread(int dimension, bool flat) =>
        flat ? Flat(dimension) : [.. Enumerable.Range(0, dimension).Select(i => 1 / Math.Sqrt(1 + i / (dimension / 16.0)))];

    internal static double[] Flat(int dimension) => [.. Enumerable.Repeat(1.0, dimension)];

    internal static float[] Direction(Random random, double[] spread)
    {
        var v = new float[spread.Length];
        for (var i = 0; i < v.Length; i++)
            v[i] = (float)(spread[i] * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return Unit(v);
    }

    internal static float[] Mix(int dimension, params ReadOnlySpan<(double Weight, float[] Vector)> parts)
    {
        var sum = new float[dimension];
        foreach (var (weight, vector) in parts)
            TensorPrimitives.MultiplyAdd(vector, (float)weight, sum, sum);
        return Unit(sum);
    }

    private static float[] Unit(float[] v)
    {
        TensorPrimitives.Divide(v, TensorPrimitives.Norm<float>(v), v);
        return v;
    }
}
