using MoDM.Mixture;

namespace MoDM.Gateway.Cache;

/// <summary>
/// The cache of any number of gateways: entries in Qdrant, images in S3. A store that fails, or is late, makes a miss and is
/// said so; it never fails a request.
/// </summary>
internal sealed partial class SharedCache : IImageCache, IDisposable
{
    private static readonly TimeSpan LooseImagesLive = ImageCache.LooseImagesLive;
    private static readonly TimeSpan Watch = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan UrlsLive = TimeSpan.FromHours(1);

    /// <summary>Leave in one go; the next insert goes on.</summary>
    private const int MostAtOnce = 1000;

    /// <summary>What is counted may be that old.</summary>
    private const int WatchesBetweenCounts = 5;

    private readonly QdrantIndex _index;
    private readonly S3Images _images;
    private readonly StoreHealth _indexHealth, _imagesHealth;
    private readonly Func<CacheSpec> _spec;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _marking = new(4);
    private Task _watching = Task.CompletedTask;
    private long _count;

    public SharedCache(
        QdrantIndex index, StoreHealth indexHealth, S3Images images, StoreHealth imagesHealth, Func<CacheSpec> spec, TimeProvider time, ILogger log)
    {
        (_index, _indexHealth, _images, _imagesHealth) = (index, indexHealth, images, imagesHealth);
        (_spec, _time, _log) = (spec, time, log);
    }

    public CacheState State => new("shared", Volatile.Read(ref _count), null, _spec().Capacity, _indexHealth.Trouble ?? _imagesHealth.Trouble);

    /// <summary>Looks whether the stores fit, and then after them. Stores that do not answer yet may do so later.</summary>
    /// <exception cref="StoreMismatchException">They answer, and are not for this mixture.</exception>
    public async Task StartAsync(TimeSpan patience)
    {
        using var soon = new CancellationTokenSource(patience, _time);
        await ProbeAsync(_indexHealth, _index.PrepareAsync, soon.Token);
        await ProbeAsync(_imagesHealth, _images.CheckAsync, soon.Token);
        if (State.Trouble is { } trouble) Log.NotYet(_log, trouble);
        _watching = WatchAsync();
    }

    public async ValueTask<IReadOnlyList<CacheMatch>> FindAsync(string bucket, float[] vector, int most, CancellationToken cancel)
    {
        // Without its picture a match is of no use.
        if (_imagesHealth.Trouble is not null) return [];
        try
        {
            return await _index.FindAsync(bucket, vector, most, NotBefore, cancel);
        }
        catch (StoreUnavailableException)
        {
            return [];
        }
    }

    public async ValueTask<CacheEntry?> EntryAsync(string id, CancellationToken cancel)
    {
        // A source is one once it is offered.
        var point = (await _index.GetAsync([id], cancel)).GetValueOrDefault(id);
        return point?.Entry is { } entry ? entry with { IsSource = point.IsSource } : null;
    }

    public async ValueTask<byte[]?> ReadAsync(string id, bool forHit, CancellationToken cancel)
    {
        try
        {
            // A match has just been looked up; of others it is not known whether they were removed.
            if (!forHit && await IsRemovedAsync(id, cancel)) return null;
            if (await _images.ReadAsync(id, cancel) is { } bytes) return bytes;
            if (forHit) await _index.DeleteAsync([id], cancel);
            return null;
        }
        catch (StoreUnavailableException) when (forHit)
        {
            return null;
        }
    }

    public async ValueTask<bool> KeepAsync(string id, byte[] bytes, CancellationToken cancel)
    {
        try
        {
            await _images.WriteAsync(id, bytes, cancel, mayBeLate: true);
            return true;
        }
        catch (StoreUnavailableException)
        {
            return false;
        }
    }

    public string? UrlOf(string id) => _spec().Shared?.Urls == ImageUrls.Presigned
        ? _images.SignedUrl(id, (_time.GetUtcNow() + UrlsLive).UtcDateTime) : null;

    public async Task<int> InsertAsync(IReadOnlyList<(CacheEntry Entry, byte[] Bytes)> images, CancellationToken cancel)
    {
        // What is known of them, of what they go back to, and of purges that name them.
        var known = await _index.GetAsync(images.SelectMany(i => Concerns(i.Entry)), cancel);
        var news = images.Where(i => IsNews(i.Entry, known)).DistinctBy(i => i.Entry.Id).ToList();
        await Parallel.ForEachAsync(news, cancel, async (image, stop) => await _images.WriteAsync(image.Entry.Id, image.Bytes, stop));
        await _index.InsertAsync(news.Select(i => i.Entry).Where(e => !known.ContainsKey(e.Id)), cancel);
        foreach (var (entry, _) in news.Where(i => known.ContainsKey(i.Entry.Id)))
            await _index.ReplaceAsync(entry, cancel);

        // What was removed in between is seen here, or was seen there by whoever removes, who looks again after setting the mark:
        // so nothing is found before both have looked.
        var since = await _index.GetAsync(news.SelectMany(i => Concerns(i.Entry)), cancel);
        var late = news.Select(i => i.Entry).Where(e => IsRemoved(e, since)).Select(e => e.Id).ToList();
        await _index.DeleteAsync(late, cancel);
        await _images.DeleteAsync(late, cancel);
        await _index.OfferAsync([.. news.Where(i => i.Entry.IsSource).Select(i => i.Entry.Id).Except(late)], cancel);
        return Interlocked.Add(ref _count, news.Count(i => i.Entry.IsSource) - late.Count) > _spec().Capacity ? await EvictAsync(cancel) : 0;
    }

    public async Task<IReadOnlyList<string>> RemoveAsync(Removal removal, CancellationToken cancel)
    {
        // With marks that an earlier try has set, and whose bytes it may not have come to.
        var named = removal.Id is { } id
            ? [(await _index.GetAsync([id], cancel)).GetValueOrDefault(id) ?? new IndexPoint(id) { Removed = await _images.ExistsAsync(id, cancel) ? null : 0 }]
            : (await _index.AllAsync(QdrantIndex.OfOwner(removal.Owner, removal.User), cancel)).Where(p => p.Created <= removal.At).ToList();
        var all = named.ToDictionary(p => p.Id);

        // Marks first: from then on no gateway finds or writes them, and whoever sweeps deletes what is left. Those that go back
        // to the named ones before these: whoever asks again after a crash still finds by them what there is.
        await MarkDescendantsAsync(named, all, removal, cancel);
        // Also where nothing is known of it: a gateway may be about to write it.
        var purge = removal.Id is null ? [new IndexPoint(PurgeName(removal.Owner, removal.User))] : Array.Empty<IndexPoint>();
        await _index.MarkRemovedAsync(named.Concat(purge), removal, cancel);
        await MarkDescendantsAsync(named, all, removal, cancel);
        await _images.DeleteAsync(all.Keys, cancel);
        return [.. all.Values.Where(p => p.Removed is null).Select(p => p.Id)];
    }

    /// <summary>Written down for LRU only, off the request path; while a few are on their way, the next is not.</summary>
    public void Used(string id)
    {
        if (_spec().Eviction == CacheEviction.Lru && _marking.Wait(0)) _ = MarkUsedAsync(id);
    }

    public Task SweepAsync(CancellationToken cancel) => SweepAsync(LooseImagesLive, cancel);

    /// <param name="looseImagesLive">How long bytes without an entry, images that are no sources, and marks of removed ones are kept.</param>
    public async Task SweepAsync(TimeSpan looseImagesLive, CancellationToken cancel)
    {
        // First the entries: each of them has had its bytes for longer than the listing that follows.
        var points = await _index.AllAsync(null, cancel);
        var objects = await _images.AllAsync(cancel);
        var before = _time.GetUtcNow() - looseImagesLive;
        var limit = before.ToUnixTimeMilliseconds();
        var removed = points.Where(p => p.Removed is not null).ToList();
        var entries = points.Where(p => p.Removed is null).ToList();
        var gone = entries.Where(p => !objects.ContainsKey(p.Id) || p.Created < NotBefore || !p.IsSource && p.Created < limit).Select(p => p.Id).ToList();
        await _index.DeleteAsync(gone, cancel);
        await _index.DeleteMarksAsync([.. removed.Where(p => p.Removed < limit && !objects.ContainsKey(p.Id)).Select(p => p.Id)], cancel);
        var named = entries.Select(p => p.Id).Except(gone).ToHashSet();
        var loose = objects.Where(o => !named.Contains(o.Key) && o.Value <= before).Select(o => o.Key);
        await _images.DeleteAsync(loose.Union(gone.Concat(removed.Select(p => p.Id)).Where(objects.ContainsKey)), cancel);
        Volatile.Write(ref _count, await _index.CountAsync(cancel));
        if (_count > _spec().Capacity) await EvictAsync(cancel);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _index.Dispose();
        _images.Dispose();
    }

    private long NotBefore => _spec().MaxAge is { Ticks: > 0 } age ? (_time.GetUtcNow() - age).ToUnixTimeMilliseconds() : 0;

    private async Task<bool> IsRemovedAsync(string id, CancellationToken cancel)
    {
        try
        {
            return (await _index.GetAsync([id], cancel)).GetValueOrDefault(id) is { Entry: null };
        }
        catch (StoreUnavailableException)
        {
            return false; // Its bytes are deleted right after the mark is set; who has them has not been removed.
        }
    }

    /// <param name="all">What is removed so far; those that are found are added.</param>
    private async Task MarkDescendantsAsync(List<IndexPoint> named, Dictionary<string, IndexPoint> all, Removal removal, CancellationToken cancel)
    {
        var found = new List<IndexPoint>();
        foreach (var some in removal.Descendants ? named.Chunk(100) : [])
            found.AddRange((await _index.AllAsync(QdrantIndex.RefinedFrom(some.Select(p => p.Id)), cancel)).Where(p => removal.TakesDescendant(p.Id) && all.TryAdd(p.Id, p)));
        await _index.MarkRemovedAsync(found, removal, cancel);
    }

    private static IEnumerable<string> Concerns(CacheEntry entry) =>
        [entry.Id, .. entry.Lineage, PurgeName(entry.Owner, null), PurgeName(entry.Owner, entry.User)];

    private static string PurgeName(string owner, string? user) => user is null ? $"all of {owner}" : $"all of {owner} by {user}";

    /// <summary>Neither known as what it is, nor removed while it was on its way.</summary>
    private static bool IsNews(CacheEntry entry, Dictionary<string, IndexPoint> known) =>
        !(known.GetValueOrDefault(entry.Id) is { Entry: not null } same && (same.IsSource || !entry.IsSource)) && !IsRemoved(entry, known);

    private static bool IsRemoved(CacheEntry entry, Dictionary<string, IndexPoint> known)
    {
        bool Removed(string name) => known.GetValueOrDefault(name)?.Removed >= entry.Created;
        return Removed(entry.Id) || Removed(PurgeName(entry.Owner, null)) || Removed(PurgeName(entry.Owner, entry.User))
            || entry.Lineage.Any(id => known.GetValueOrDefault(id)?.TakesDescendant(entry.Owner) == true);
    }

    private async Task<int> EvictAsync(CancellationToken cancel)
    {
        var count = await _index.CountAsync(cancel);
        var tooMany = (int)Math.Clamp(count - _spec().Capacity, 0, MostAtOnce);
        if (tooMany > 0)
        {
            var first = await _index.FirstAsync(tooMany, _spec().Eviction == CacheEviction.Lru ? "used" : "created", cancel);
            await _index.DeleteAsync(first, cancel);
            await _images.DeleteAsync(first, cancel);
        }
        Volatile.Write(ref _count, count - tooMany);
        return tooMany;
    }

    private async Task MarkUsedAsync(string id)
    {
        try
        {
            await _index.UsedAsync(id, _time.GetUtcNow().ToUnixTimeMilliseconds(), _stop.Token);
        }
        catch (StoreUnavailableException)
        {
            // It keeps its place.
        }
        finally
        {
            _marking.Release();
        }
    }

    /// <summary>Stores in trouble are tried again until they answer as fast as requests need it.</summary>
    private async Task WatchAsync()
    {
        try
        {
            for (var i = 0; ; i++)
            {
                await Task.Delay(Watch, _time, _stop.Token);
                await RecoverAsync(_indexHealth, _index.PrepareAsync);
                await RecoverAsync(_imagesHealth, _images.CheckAsync);
                if (i % WatchesBetweenCounts != 0 || _indexHealth.Trouble is not null) continue;
                try { Volatile.Write(ref _count, await _index.CountAsync(_stop.Token)); }
                catch (StoreUnavailableException) { /* The next look tells. */ }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The gateway ends.
        }
    }

    private async Task RecoverAsync(StoreHealth health, Func<CancellationToken, Task> probe)
    {
        if (health.Trouble is not { } before) return;
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        // Four times what a request waits: making sure of a collection is several questions.
        soon.CancelAfter(4 * _spec().LookUpDeadline);
        try { await ProbeAsync(health, probe, soon.Token); }
        catch (StoreMismatchException e) { health.LeaveAlone(e.Message); }
        if (health.Trouble is null) Log.Back(_log, before);
        else if (health.Trouble != before) Log.Trouble(_log, health.Trouble);
    }

    private static async Task ProbeAsync(StoreHealth health, Func<CancellationToken, Task> probe, CancellationToken cancel)
    {
        try
        {
            await health.TryAsync(async () =>
            {
                await probe(cancel);
                return true;
            }, cancel);
            health.IsWell();
        }
        catch (StoreUnavailableException e) when (e.InnerException is StoreMismatchException mismatch)
        {
            throw mismatch;
        }
        catch (StoreUnavailableException e)
        {
            health.LeaveAlone(e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The shared cache does not answer yet, so all requests are misses until it does: {Trouble}")]
        public static partial void NotYet(ILogger log, string trouble);

        [LoggerMessage(2, LogLevel.Information, "The shared cache answers again; there had been: {Trouble}")]
        public static partial void Back(ILogger log, string trouble);

        [LoggerMessage(3, LogLevel.Warning, "The shared cache is left alone: {Trouble}")]
        public static partial void Trouble(ILogger log, string trouble);
    }
}
