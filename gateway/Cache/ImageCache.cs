using System.Collections.Concurrent;
using MoDM.Mixture;

namespace MoDM.Gateway.Cache;

/// <summary>
/// The embedded cache: vectors in memory, records and pixels on disk. By default the oldest source leaves first (over 90 % of
/// the paper's hits are to images under four hours old).
/// </summary>
internal sealed partial class ImageCache : IImageCache, IDisposable
{
    private const int RecordsBeforeCompaction = 1000;

    /// <summary>How long an image that is no source lives, and whatever else has no entry; and how long a removal keeps out what comes late.</summary>
    public static readonly TimeSpan LooseImagesLive = TimeSpan.FromHours(1);

    private readonly Lock _writing = new();
    private readonly LinkedList<CacheEntry> _nextToLeave = [];
    private readonly ConcurrentDictionary<string, LinkedListNode<CacheEntry>> _byId = new();
    private readonly Dictionary<string, CacheEntry> _loose = [];
    private readonly List<(Removal What, HashSet<string> Ids)> _removals = [];
    private readonly VectorIndex _index = new();
    private readonly Func<CacheSpec> _spec;
    private readonly TimeProvider _time;
    private readonly FileStream _guard;
    private readonly CacheLog _log;
    private long _bytes;
    private bool _hasRemoved;

    private ImageCache(FileStream guard, ImageFiles files, CacheLog log, Func<CacheSpec> spec, TimeProvider time) =>
        (_guard, Files, _log, _spec, _time) = (guard, files, log, spec, time);

    public ImageFiles Files { get; }

    /// <summary>Sources.</summary>
    public int Count => _byId.Count;
    public long Bytes => Interlocked.Read(ref _bytes);
    public CacheState State => new("embedded", Count, Bytes, _spec().Capacity, null);

    /// <param name="folder">Belongs to one process at a time.</param>
    /// <param name="spec">As the document has it now; when the capacity is lowered, images leave with the next that comes.</param>
    /// <exception cref="IOException">Another process has the folder, or it cannot be written.</exception>
    public static ImageCache Open(string folder, Func<CacheSpec> spec, TimeProvider time, ILogger log)
    {
        Directory.CreateDirectory(folder);
        var guard = new FileStream(Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        var files = new ImageFiles(Path.Combine(folder, "images"), time);
        var (records, entries, removed, torn) = CacheLog.Open(Path.Combine(folder, "index.log"));
        if (torn > 0) Log.Torn(log, torn);

        var cache = new ImageCache(guard, files, records, spec, time);
        // Removed, and the process was killed before the bytes were.
        foreach (var id in removed)
            files.Delete(id);
        var lost = entries.Where(e => !files.Exists(e.Id)).ToList();
        if (lost.Count > 0) Log.Lost(log, lost.Count);
        foreach (var entry in entries.Except(lost))
            cache.Remember(entry);
        cache.EvictAndCompact([.. lost.Select(e => e.Id)]);
        return cache;
    }

    public CacheMatch? Find(string bucket, float[] vector) => Find(bucket, vector, 1) is [var best] ? best : null;

    public IReadOnlyList<CacheMatch> Find(string bucket, float[] vector, int most)
    {
        while (true)
        {
            var found = new List<CacheMatch>(most);
            foreach (var (id, similarity) in _index.Find(bucket, vector, most))
                if (Source(id) is { } entry) found.Add(new CacheMatch(entry, similarity));
            var old = found.Where(m => IsTooOld(m.Entry)).Select(m => m.Entry.Id).ToList();
            if (old.Count == 0) return found;
            Forget(old);
        }
    }

    /// <summary>Of a source, or of an image that is kept for its URL.</summary>
    public CacheEntry? Entry(string id)
    {
        if (Source(id) is { } source) return source;
        lock (_writing) return _loose.GetValueOrDefault(id);
    }

    public byte[]? Read(string id)
    {
        if (Files.Read(id) is { } bytes) return bytes;
        Forget([id]);
        return null;
    }

    /// <returns>How many sources left for them.</returns>
    public int Insert(IReadOnlyList<(CacheEntry Entry, byte[] Bytes)> images)
    {
        lock (_writing)
        {
            var fresh = images.Where(i => IsNews(i.Entry)).DistinctBy(i => i.Entry.Id).ToList();
            Files.Write(fresh.Select(i => (i.Entry.Id, i.Bytes)));
            _log.Append([.. fresh.Select(i => i.Entry)], []);
            foreach (var (entry, _) in fresh)
                Remember(entry);
            return EvictAndCompact([]);
        }
    }

    public IReadOnlyList<string> Remove(Removal removal)
    {
        lock (_writing)
        {
            var all = _nextToLeave.Concat(_loose.Values).ToList();
            var named = all.Where(removal.Names).Select(e => e.Id).ToHashSet();
            if (removal.Id is { } id && Files.Exists(id)) named.Add(id);
            // One that has left already has descendants all the same.
            HashSet<string> roots = removal.Id is { } root ? [.. named, root] : named;
            _removals.Add((removal, roots));
            // Those that go back to it first: whoever asks again after a crash still finds by it what is left of them.
            var descendants = all.Where(e => removal.TakesDescendant(e.Id) && !named.Contains(e.Id) && e.Lineage.Any(roots.Contains)).Select(e => e.Id);
            List<string> gone = [.. descendants, .. named];
            Forget(gone);
            _hasRemoved |= gone.Count > 0;
            return gone;
        }
    }

    /// <summary>Removes what is too old, files that no entry names, and from the index what is still written there of removed ones.</summary>
    /// <returns>How many files no entry named.</returns>
    public int Sweep(DateTime looseBefore)
    {
        lock (_writing)
        {
            var limit = new DateTimeOffset(looseBefore, TimeSpan.Zero).ToUnixTimeMilliseconds();
            _removals.RemoveAll(r => r.What.At < limit);
            var old = _nextToLeave.Where(IsTooOld).ToList();
            Forget([.. old.Concat(_loose.Values.Where(e => e.Created < limit)).Select(e => e.Id)]);
            // Those that are no sources have no prompt there.
            if (_hasRemoved || old.Count > 0) Compact();
            _hasRemoved = false;
        }
        return Files.Sweep(id => Entry(id) is not null, looseBefore);
    }

    /// <summary>Its turn to leave comes later. After a restart the order is the one of insertion again.</summary>
    public void Used(string id)
    {
        if (_spec().Eviction != CacheEviction.Lru) return;
        lock (_writing)
        {
            if (!_byId.TryGetValue(id, out var node)) return;
            _nextToLeave.Remove(node);
            _nextToLeave.AddLast(node);
        }
    }

    public void Dispose()
    {
        _log.Dispose();
        _index.Dispose();
        _guard.Dispose();
    }

    ValueTask<IReadOnlyList<CacheMatch>> IImageCache.FindAsync(string bucket, float[] vector, int most, CancellationToken cancel) =>
        new(Find(bucket, vector, most));

    ValueTask<CacheEntry?> IImageCache.EntryAsync(string id, CancellationToken cancel) => new(Entry(id));

    ValueTask<byte[]?> IImageCache.ReadAsync(string id, bool forHit, CancellationToken cancel)
    {
        try
        {
            return new(Read(id));
        }
        catch (IOException) when (forHit)
        {
            return new((byte[]?)null);
        }
    }

    ValueTask<bool> IImageCache.KeepAsync(string id, byte[] bytes, CancellationToken cancel)
    {
        Files.Write(id, bytes);
        return new(true);
    }

    string? IImageCache.UrlOf(string id) => null;

    Task<int> IImageCache.InsertAsync(IReadOnlyList<(CacheEntry Entry, byte[] Bytes)> images, CancellationToken cancel) =>
        Task.FromResult(Insert(images));

    Task<IReadOnlyList<string>> IImageCache.RemoveAsync(Removal removal, CancellationToken cancel) => Task.FromResult(Remove(removal));

    Task IImageCache.SweepAsync(CancellationToken cancel)
    {
        Sweep(_time.GetUtcNow().UtcDateTime - LooseImagesLive);
        return Task.CompletedTask;
    }

    private CacheEntry? Source(string id) => _byId.GetValueOrDefault(id)?.Value;

    private bool IsTooOld(CacheEntry entry) => _spec().MaxAge is { Ticks: > 0 } age
        && entry.Created < (_time.GetUtcNow() - age).ToUnixTimeMilliseconds();

    /// <summary>Neither known as what it is, nor removed while it was on its way.</summary>
    private bool IsNews(CacheEntry entry) => !_byId.ContainsKey(entry.Id) && (entry.IsSource || !_loose.ContainsKey(entry.Id))
        && !_removals.Exists(r => r.What.Names(entry) || r.What.TakesDescendant(entry.Id) && entry.Lineage.Any(r.Ids.Contains));

    private void Forget(IReadOnlyCollection<string> ids)
    {
        lock (_writing)
        {
            // Written down first: what could not be is still there for whoever asks again.
            var known = ids.Where(id => _loose.ContainsKey(id) || _byId.ContainsKey(id)).ToList();
            if (known.Count > 0) _log.Append([], known);
            foreach (var id in known)
                Drop(id);
            foreach (var id in ids)
                Files.Delete(id);
        }
    }

    private void Remember(CacheEntry entry)
    {
        if (!entry.IsSource)
        {
            _loose[entry.Id] = entry;
            return;
        }
        _loose.Remove(entry.Id);
        _index.Add(entry.Bucket, entry.Id, entry.Vector);
        _byId[entry.Id] = _nextToLeave.AddLast(entry with { Vector = [] }); // The index holds the only copy.
        Interlocked.Add(ref _bytes, entry.Bytes);
    }

    private void Drop(string id)
    {
        if (_loose.Remove(id) || !_byId.TryRemove(id, out var node)) return;
        _nextToLeave.Remove(node);
        _index.Remove(node.Value.Bucket, id);
        Interlocked.Add(ref _bytes, -node.Value.Bytes);
    }

    private int EvictAndCompact(List<string> alreadyLost)
    {
        var evicted = new List<string>();
        while (_nextToLeave.Count > _spec().Capacity)
        {
            evicted.Add(_nextToLeave.First!.Value.Id);
            Drop(evicted[^1]);
        }
        if (evicted.Count + alreadyLost.Count > 0) _log.Append([], [.. alreadyLost, .. evicted]);
        foreach (var id in evicted)
            Files.Delete(id);
        if (_log.Records > 2 * (_nextToLeave.Count + _loose.Count) + RecordsBeforeCompaction) Compact();
        return evicted.Count;
    }

    private void Compact() =>
        _log.Compact([.. _nextToLeave.Select(e => e with { Vector = _index.VectorOf(e.Bucket, e.Id) }), .. _loose.Values]);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The cache index ended in {Bytes} bytes of a record that was not written whole; they are cut off")]
        public static partial void Torn(ILogger log, long bytes);

        [LoggerMessage(2, LogLevel.Warning, "{Count} cache entries had lost their images and are dropped")]
        public static partial void Lost(ILogger log, int count);
    }
}
