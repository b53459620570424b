using System.Globalization;
using MoDM.Gateway.Cache;

namespace MoDM.Bench.Indexing;

/// <summary>The gateway's own index.</summary>
/// <param name="most">Of the most similar images that are asked for: the guards look at eight.</param>
internal sealed class CacheScan(int dimension, int most = 1) : IVectorIndex
{
    private readonly VectorScan _scan = new(dimension, exact: !NibbleDot.IsSupported);

    public void Add(int key, float[] vector) => _scan.Add(Id(key), vector);

    public void Remove(int key) => _scan.Remove(Id(key));

    public (int Key, float Similarity) Best(float[] query) =>
        _scan.Best(query, most) is [var (id, similarity), ..] ? (int.Parse(id, CultureInfo.InvariantCulture), similarity) : (-1, float.NegativeInfinity);

    public void Dispose() { }

    private static string Id(int key) => key.ToString(CultureInfo.InvariantCulture);
}
