using System.Globalization;
using MoDM.Gateway.Cache;

namespace MoDM.Bench.Indexing;

/// <summary>The gateway's own index.</summary>
internal sealed class CacheScan(int dimension) : IVectorIndex
{
    private readonly VectorScan _scan = new(dimension, exact: !NibbleDot.IsSupported);

    public void Add(int key, float[] vector) => _scan.Add(Id(key), vector);

    public void Remove(int key) => _scan.Remove(Id(key));

    public (int Key, float Similarity) Best(float[] query) =>
        _scan.Best(query) is var (id, similarity) ? (int.Parse(id, CultureInfo.InvariantCulture), similarity) : (-1, float.NegativeInfinity);

    public void Dispose() { }

    private static string Id(int key) => key.ToString(CultureInfo.InvariantCulture);
}
