using System.Collections.Concurrent;
using System.Threading.Channels;
using MoDM.Onnx;

namespace MoDM.Gateway.Cache;

/// <summary>
/// Embeds new images and inserts them, off the request path. What waits here can already be fetched by id; when too much
/// waits, new images are not cached, and counted.
/// </summary>
internal sealed partial class CacheWriter(
    ImageCache cache, ClipEmbedder embedder, TimeProvider time, ILogger<CacheWriter> log) : BackgroundService
{
    private const int Batch = 16;
    private static readonly TimeSpan LooseImagesLive = TimeSpan.FromHours(1);

    private readonly Channel<(CacheEntry Entry, byte[] Bytes)> _waiting = Channel.CreateBounded<(CacheEntry, byte[])>(
        new BoundedChannelOptions(1024) { SingleReader = true });
    private readonly ConcurrentDictionary<string, byte[]> _pending = new();

    /// <param name="entry">Its vector is filled in here.</param>
    public void Add(CacheEntry entry, byte[] bytes)
    {
        _pending[entry.Id] = bytes;
        if (_waiting.Writer.TryWrite((entry, bytes))) return;
        _pending.TryRemove(entry.Id, out _);
        GatewayMetrics.CacheEvictions.WithLabels("writer_full").Inc();
    }

    /// <summary>An image's bytes, from the disk or from what waits to be written.</summary>
    public byte[]? Read(string id) => _pending.GetValueOrDefault(id) ?? cache.Read(id);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _waiting.Writer.TryComplete();
        if (ExecuteTask is { } writing) await writing.WaitAsync(cancellationToken);
        await base.StopAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        using var sweep = time.CreateTimer(_ => Sweep(), null, TimeSpan.FromMinutes(1), LooseImagesLive / 2);
        var batch = new List<(CacheEntry, byte[])>(Batch);
        // Runs until the channel is completed and empty: what was accepted is written before the process ends.
        while (await _waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            batch.Clear();
            while (batch.Count < Batch && _waiting.Reader.TryRead(out var next))
                batch.Add(next);
            Write(batch);
        }
    }

    private void Write(List<(CacheEntry Entry, byte[] Bytes)> batch)
    {
        try
        {
            var embedded = batch
                .Select(i => (i.Entry with { Vector = embedder.EmbedImage(RgbImage.Decode(i.Bytes)) }, i.Bytes)).ToList();
            GatewayMetrics.CacheEvictions.WithLabels("capacity").Inc(cache.Insert(embedded));
        }
        catch (Exception e)
        {
            // The loop outlives whatever one batch runs into: a full disk costs hits, not answers.
            Log.NotWritten(log, e, batch.Count);
            GatewayMetrics.CacheEvictions.WithLabels("write_failed").Inc(batch.Count);
        }
        finally
        {
            foreach (var (entry, _) in batch)
                _pending.TryRemove(entry.Id, out _);
            GatewayMetrics.CacheEntries.Set(cache.Count);
            GatewayMetrics.CacheBytes.Set(cache.Bytes);
        }
    }

    private void Sweep()
    {
        try { cache.Sweep(time.GetUtcNow().UtcDateTime - LooseImagesLive); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { Log.NotSwept(log, e); }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "{Count} images could not be written to the cache")]
        public static partial void NotWritten(ILogger log, Exception e, int count);

        [LoggerMessage(2, LogLevel.Warning, "The cache folder could not be swept")]
        public static partial void NotSwept(ILogger log, Exception e);
    }
}
