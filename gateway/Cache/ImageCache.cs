using System.Collections.Concurrent;

namespace MoDM.Gateway.Cache;

/// <summary>
/// The embedded cache of final images: vectors in memory, records and pixels on disk. Bytes are written before the
/// index entry and removed after it, so that an entry never lacks its image, whenever the process is killed.
/// The oldest entry leaves first (over 90 % of the paper's hits are to images under four hours old).
/// </summary>
internal sealed partial class ImageCache : IDisposable
{
    private const int RecordsBeforeCompaction = 1000;

    private readonly Lock _writing = new();
    private readonly LinkedList<CacheEntry> _oldestFirst = [];
    private readonly ConcurrentDictionary<string, LinkedListNode<CacheEntry>> _byId = new();
    private readonly VectorIndex _index = new();
    private readonly FileStream _guard;
    private readonly CacheLog _log;
    private volatile int _capacity;
    private long _bytes;

    private ImageCache(FileStream guard, ImageFiles files, CacheLog log, int capacity) =>
        (_guard, Files, _log, _capacity) = (guard, files, log, capacity);

    public ImageFiles Files { get; }
    public int Count => _byId.Count;

    /// <summary>Images; when it is lowered, old ones leave with the next that comes.</summary>
    public int Capacity { get => _capacity; set => _capacity = value; }
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <param name="folder">Belongs to one process at a time.</param>
    /// <exception cref="IOException">Another process has the folder, or it cannot be written.</exception>
    public static ImageCache Open(string folder, int capacity, TimeProvider time, ILogger log)
    {
        Directory.CreateDirectory(folder);
        var guard = new FileStream(Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        var files = new ImageFiles(Path.Combine(folder, "images"), time);
        var (records, entries, torn) = CacheLog.Open(Path.Combine(folder, "index.log"));
        if (torn > 0) Log.Torn(log, torn);

        var cache = new ImageCache(guard, files, records, capacity);
        var lost = entries.Where(e => !files.Exists(e.Id)).ToList();
        if (lost.Count > 0) Log.Lost(log, lost.Count);
        foreach (var entry in entries.Except(lost))
            cache.Remember(entry);
        cache.EvictAndCompact([.. lost.Select(e => e.Id)]);
        return cache;
    }

    /// <summary>The most similar image of the bucket, or null when it has none.</summary>
    /// <param name="vector">Of unit length.</param>
    public CacheMatch? Find(string bucket, float[] vector) =>
        _index.Find(bucket, vector) is { } found && Entry(found.Id) is { } entry
            ? new CacheMatch(entry, found.Similarity) : null;

    public CacheEntry? Entry(string id) => _byId.GetValueOrDefault(id)?.Value;

    /// <summary>The image's bytes; null, and the entry forgotten, when they are gone or not those that were written.</summary>
    public byte[]? Read(string id)
    {
        if (Files.Read(id) is { } bytes) return bytes;
        if (_byId.ContainsKey(id)) Forget(id);
        return null;
    }

    /// <summary>Returns when the images are on disk and can be found.</summary>
    /// <returns>How many old entries left for them.</returns>
    public int Insert(IReadOnlyList<(CacheEntry Entry, byte[] Bytes)> images)
    {
        lock (_writing)
        {
            var fresh = images.Where(i => !_byId.ContainsKey(i.Entry.Id)).DistinctBy(i => i.Entry.Id).ToList();
            foreach (var (entry, bytes) in fresh)
                Files.Write(entry.Id, bytes);
            _log.Append([.. fresh.Select(i => i.Entry)], []);
            foreach (var (entry, _) in fresh)
                Remember(entry);
            return EvictAndCompact([]);
        }
    }

    /// <summary>Removes files that no entry names; returned URLs of uncached images live this long.</summary>
    public int Sweep(DateTime before) => Files.Sweep(_byId.ContainsKey, before);

    public void Dispose()
    {
        _log.Dispose();
        _index.Dispose();
        _guard.Dispose();
    }

    private void Forget(string id)
    {
        lock (_writing)
        {
            if (!Drop(id)) return;
            _log.Append([], [id]);
            Files.Delete(id);
        }
    }

    private void Remember(CacheEntry entry)
    {
        _index.Add(entry.Bucket, entry.Id, entry.Vector);
        _byId[entry.Id] = _oldestFirst.AddLast(entry with { Vector = [] }); // The index holds the only copy.
        Interlocked.Add(ref _bytes, entry.Bytes);
    }

    private bool Drop(string id)
    {
        if (!_byId.TryRemove(id, out var node)) return false;
        _oldestFirst.Remove(node);
        _index.Remove(node.Value.Bucket, id);
        Interlocked.Add(ref _bytes, -node.Value.Bytes);
        return true;
    }

    private int EvictAndCompact(List<string> alreadyLost)
    {
        var evicted = new List<string>();
        while (_oldestFirst.Count > _capacity)
        {
            evicted.Add(_oldestFirst.First!.Value.Id);
            Drop(evicted[^1]);
        }
        if (evicted.Count + alreadyLost.Count > 0) _log.Append([], [.. alreadyLost, .. evicted]);
        foreach (var id in evicted)
            Files.Delete(id);
        if (_log.Records > 2 * _oldestFirst.Count + RecordsBeforeCompaction) Compact();
        return evicted.Count;
    }

    private void Compact() =>
        _log.Compact([.. _oldestFirst.Select(e => e with { Vector = _index.VectorOf(e.Bucket, e.Id) })]);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The cache index ended in {Bytes} bytes of a record that was not written whole; they are cut off")]
        public static partial void Torn(ILogger log, long bytes);

        [LoggerMessage(2, LogLevel.Warning, "{Count} cache entries had lost their images and are dropped")]
        public static partial void Lost(ILogger log, int count);
    }
}
