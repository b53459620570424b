using System.Collections.Concurrent;
using System.Threading.Channels;
using MoDM.Onnx;

namespace MoDM.Gateway.Cache;

/// <summary>
/// Embeds new images and inserts them, off the request path. What waits here can already be fetched by id; a store that does
/// not answer is asked until it does. When too much waits, new images are not kept, and named in the log.
/// </summary>
internal sealed partial class CacheWriter(
    IImageCache cache, ClipEmbedder embedder, TimeProvider time, ILogger<CacheWriter> log) : BackgroundService
{
    private const int Batch = 16;
    private const int MostImages = 1024;
    private const long MostBytes = 64L << 20;
    private static readonly TimeSpan FirstSweep = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(500);

    private readonly Channel<(CacheEntry Entry, byte[] Bytes)> _waiting = Channel.CreateBounded<(CacheEntry, byte[])>(
        new BoundedChannelOptions(MostImages) { SingleReader = true });
    private readonly ConcurrentDictionary<string, (CacheEntry Entry, byte[] Bytes)> _pending = new();
    private readonly CancellationTokenSource _giveUp = new();
    private long _pendingBytes;

    /// <param name="entry">Its vector is filled in here.</param>
    public void Add(CacheEntry entry, byte[] bytes)
    {
        if (!_pending.TryAdd(entry.Id, (entry, bytes))) return;
        if (Interlocked.Add(ref _pendingBytes, bytes.Length) <= MostBytes && _waiting.Writer.TryWrite((entry, bytes))) return;
        Forget(entry.Id);
        Log.Dropped(log, entry.Id);
        GatewayMetrics.CacheEvictions.WithLabels("writer_full").Inc();
    }

    /// <summary>An image's bytes, from the store or from what waits to be written.</summary>
    public async ValueTask<byte[]?> ReadAsync(string id, bool forHit, CancellationToken cancel) =>
        _pending.TryGetValue(id, out var pending) ? pending.Bytes : await cache.ReadAsync(id, forHit, cancel);

    /// <returns>What is known of an image, and whether that is in the store.</returns>
    public async ValueTask<(CacheEntry? Entry, bool Stored)> EntryAsync(string id, CancellationToken cancel) =>
        _pending.TryGetValue(id, out var pending) ? (pending.Entry, false) : (await cache.EntryAsync(id, cancel), true);

    /// <summary>As <see cref="IImageCache.RemoveAsync"/>, and of what waits to be written too.</summary>
    public async Task<IReadOnlyList<string>> RemoveAsync(Removal removal, CancellationToken cancel)
    {
        // First the store's word, which keeps out what waits; then nobody reads it from here any more.
        var removed = (await cache.RemoveAsync(removal, cancel)).ToHashSet();
        foreach (var (entry, _) in _pending.Values)
        {
            if (!removal.Names(entry) && !(removal.TakesDescendant(entry.Id) && entry.Lineage.Any(id => id == removal.Id || removed.Contains(id)))) continue;
            Forget(entry.Id);
            removed.Add(entry.Id);
        }
        return [.. removed];
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _waiting.Writer.TryComplete();
        await using var late = cancellationToken.Register(_giveUp.Cancel);
        if (ExecuteTask is { } writing) await writing.WaitAsync(CancellationToken.None);
        await base.StopAsync(cancellationToken);
    }

    public override void Dispose()
    {
        _giveUp.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        using var stopSweeping = new CancellationTokenSource();
        var sweeping = SweepAsync(stopSweeping.Token);
        var batch = new List<(CacheEntry, byte[])>(Batch);
        // Runs until the channel is completed and empty: what was accepted is written before the process ends.
        while (await _waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            batch.Clear();
            while (batch.Count < Batch && _waiting.Reader.TryRead(out var next))
                batch.Add(next);
            await WriteAsync(batch);
        }
        await stopSweeping.CancelAsync();
        await sweeping;
    }

    private async Task WriteAsync(List<(CacheEntry Entry, byte[] Bytes)> batch)
    {
        try
        {
            var embedded = batch
                .Select(i => (i.Entry.IsSource ? i.Entry with { Vector = embedder.EmbedImage(RgbImage.Decode(i.Bytes)) } : i.Entry, i.Bytes)).ToList();
            GatewayMetrics.CacheEvictions.WithLabels("capacity").Inc(await InsertAsync(embedded));
        }
        catch (Exception e)
        {
            // The loop outlives whatever one batch runs into: a full disk costs hits, not answers.
            Log.NotWritten(log, e, string.Join(", ", batch.Select(i => i.Entry.Id)));
            GatewayMetrics.CacheEvictions.WithLabels("write_failed").Inc(batch.Count);
        }
        finally
        {
            foreach (var (entry, _) in batch)
                Forget(entry.Id);
        }
    }

    private async Task<int> InsertAsync(List<(CacheEntry Entry, byte[] Bytes)> batch)
    {
        while (true)
        {
            try
            {
                return await cache.InsertAsync(batch, _giveUp.Token);
            }
            catch (StoreUnavailableException e)
            {
                Log.Waits(log, batch.Count, e.Message);
                await Task.Delay(RetryPause, time, _giveUp.Token);
            }
        }
    }

    private void Forget(string id)
    {
        if (_pending.TryRemove(id, out var pending)) Interlocked.Add(ref _pendingBytes, -pending.Bytes.Length);
    }

    private async Task SweepAsync(CancellationToken stop)
    {
        try
        {
            for (var pause = FirstSweep; ; pause = SweepInterval)
            {
                await Task.Delay(pause, time, stop);
                try { await cache.SweepAsync(stop); }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException) { Log.NotSwept(log, e); }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The gateway ends.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "These images could not be written to the cache, and are in answers only: {Ids}")]
        public static partial void NotWritten(ILogger log, Exception e, string ids);

        [LoggerMessage(2, LogLevel.Warning, "The cache could not be swept")]
        public static partial void NotSwept(ILogger log, Exception e);

        [LoggerMessage(3, LogLevel.Warning, "Image {Id} is not kept: too many wait to be written to the cache")]
        public static partial void Dropped(ILogger log, string id);

        [LoggerMessage(4, LogLevel.Debug, "{Count} images wait to be written: {Reason}")]
        public static partial void Waits(ILogger log, int count, string reason);
    }
}

/// <summary>The store does not answer, or not in time; it may again later.</summary>
internal sealed class StoreUnavailableException(string message, Exception? cause = null) : IOException(message, cause);
