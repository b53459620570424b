using System.Numerics.Tensors;

namespace MoDM.Bench.Indexing;

/// <summary>All vectors as float32, side by side; every query reads all of them.</summary>
internal sealed class ExactScan(int capacity, int dimension) : IVectorIndex
{
    private readonly SlotMap _slots = new(capacity);
    private readonly float[] _rows = new float[(long)capacity * dimension];

    public void Add(int key, float[] vector) => vector.CopyTo(Row(_slots.Add(key)));

    public void Remove(int key)
    {
        var (hole, last) = _slots.Remove(key);
        Row(last).CopyTo(Row(hole));
    }

    public (int Key, float Similarity) Best(float[] query)
    {
        var (best, at) = (float.NegativeInfinity, -1);
        for (var i = 0; i < _slots.Count; i++)
        {
            var similarity = TensorPrimitives.Dot(query, Row(i));
            if (similarity > best)
                (best, at) = (similarity, i);
        }
        return (at < 0 ? -1 : _slots.KeyAt(at), best);
    }

    public void Dispose() { }

    private Span<float> Row(int slot) => _rows.AsSpan(slot * dimension, dimension);
}
