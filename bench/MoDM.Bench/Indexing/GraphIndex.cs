using System.Numerics.Tensors;
using Cloud.Unum.USearch;

namespace MoDM.Bench.Indexing;

/// <summary>
/// HNSW by USearch. A query asks for <see cref="Expansion"/> candidates (which is what sets the width of the search when
/// it is above the index's own) and compares them exactly.
/// </summary>
internal sealed class GraphIndex(ScalarKind kind, int connectivity, int capacity, int dimension) : IVectorIndex
{
    private readonly USearchIndex _index = new(
        MetricKind.Cos, kind, (ulong)dimension, (ulong)connectivity, expansionAdd: 128, expansionSearch: 16);
    private readonly float[][] _vectors = new float[capacity][];

    /// <summary>Candidates a query; may change between queries.</summary>
    public int Expansion { get; set; } = 64;

    public void Add(int key, float[] vector)
    {
        _vectors[key] = vector;
        _index.Add((ulong)key, vector);
    }

    public void Remove(int key) => _index.Remove((ulong)key);

    public (int Key, float Similarity) Best(float[] query)
    {
        var found = _index.Search(query, Expansion, out var keys, out _);
        var (best, at) = (float.NegativeInfinity, -1);
        for (var i = 0; i < found; i++)
        {
            var similarity = TensorPrimitives.Dot<float>(query, _vectors[(int)keys[i]]);
            if (similarity > best)
                (best, at) = (similarity, (int)keys[i]);
        }
        return (at, best);
    }

    public void Dispose() => _index.Dispose();
}
