namespace MoDM.Gateway.Cache;

/// <summary>
/// The cached images' embeddings, one scan a bucket: only entries of an equal bucket are ever compared (complaint 14).
/// Safe for concurrent use; searches run side by side.
/// </summary>
internal sealed class VectorIndex : IDisposable
{
    private readonly ReaderWriterLockSlim _lock = new();
    private readonly Dictionary<string, VectorScan> _buckets = [];

    public void Add(string bucket, string id, ReadOnlySpan<float> vector)
    {
        _lock.EnterWriteLock();
        try
        {
            if (!_buckets.TryGetValue(bucket, out var scan))
                _buckets[bucket] = scan = new VectorScan(vector.Length, exact: !NibbleDot.IsSupported);
            scan.Add(id, vector);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    public void Remove(string bucket, string id)
    {
        _lock.EnterWriteLock();
        try
        {
            if (!_buckets.TryGetValue(bucket, out var scan)) return;
            scan.Remove(id);
            if (scan.Count == 0) _buckets.Remove(bucket);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    /// <summary>The most similar ones of the bucket, the best first.</summary>
    public List<(string Id, float Similarity)> Find(string bucket, ReadOnlySpan<float> vector, int most)
    {
        _lock.EnterReadLock();
        try
        {
            return _buckets.TryGetValue(bucket, out var scan) ? scan.Best(vector, most) : [];
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>A copy of a stored vector; empty when there is none.</summary>
    public float[] VectorOf(string bucket, string id)
    {
        _lock.EnterReadLock();
        try
        {
            return _buckets.TryGetValue(bucket, out var scan) ? scan.VectorOf(id).ToArray() : [];
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    public void Dispose() => _lock.Dispose();
}
