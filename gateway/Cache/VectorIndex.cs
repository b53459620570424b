using System.Numerics.Tensors;

namespace MoDM.Gateway.Cache;

internal sealed class VectorIndex : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<string, float[]>> _buckets = [];

    public void Add(string bucket, string id, float[] vector)
    {
        lock (_lock)
        {
            if (!_buckets.TryGetValue(bucket, out var b)) _buckets[bucket] = b = [];
            b[id] = vector;
        }
    }

    public void Remove(string bucket, string id)
    {
        lock (_lock) if (_buckets.TryGetValue(bucket, out var b)) b.Remove(id);
    }

    public (string Id, double Similarity)? Find(string bucket, float[] vector)
    {
        lock (_lock)
        {
            if (!_buckets.TryGetValue(bucket, out var b) || b.Count == 0) return null;
            var best = b.MaxBy(e => TensorPrimitives.Dot(e.Value, vector));
            return (best.Key, TensorPrimitives.Dot(best.Value, vector));
        }
    }

    public void Dispose() { }
}
