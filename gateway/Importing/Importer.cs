using System.Threading.Channels;
using MoDM.Gateway.Cache;
using MoDM.Onnx;

namespace MoDM.Gateway.Importing;

/// <summary>
/// Prepares pictures on all cores, some ahead of those that are written, and writes them in the order of the list, in batches.
/// What is in the cache is known by its bytes before it is embedded; so a list can be imported any number of times, and again
/// after a kill at any point.
/// </summary>
internal sealed class Importer(IImageCache cache, ClipEmbedder embedder, ImportOptions options, int cores, TimeProvider time)
{
    private const int Batch = 32;

    /// <summary>What is embedded waits no longer to be written: so much is lost to a kill at most.</summary>
    private static readonly TimeSpan Gather = TimeSpan.FromSeconds(0.5);

    /// <summary>So many that no core waits for the disk, so few that they can be held.</summary>
    private readonly Channel<Task<Prepared>> _ahead = Channel.CreateBounded<Task<Prepared>>(4 * cores + 2 * Batch);

    /// <summary>Returns when all is written; once cancelled, when what was embedded is.</summary>
    /// <exception cref="IOException">The cache or the list cannot be used; what was written stays.</exception>
    public async Task RunAsync(IEnumerable<Listed> pictures, Tally tally, ImportProgress progress, CancellationToken cancel)
    {
        using var preparation = new Preparation(cache, embedder, options, cores, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var reading = Task.Run(() => ReadAsync(pictures, preparation, stop.Token), CancellationToken.None);
        try
        {
            while (await _ahead.Reader.WaitToReadAsync(CancellationToken.None))
                await WriteAsync(await NextBatchAsync(), tally, progress);
        }
        finally
        {
            await stop.CancelAsync();
            await reading;
            while (_ahead.Reader.TryRead(out var left))
                await ((Task)left).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ReadAsync(IEnumerable<Listed> pictures, Preparation preparation, CancellationToken cancel)
    {
        Exception? fault = null;
        try
        {
            foreach (var listed in pictures)
            {
                await _ahead.Writer.WaitToWriteAsync(cancel);
                await _ahead.Writer.WriteAsync(Task.Run(() => preparation.PrepareAsync(listed, cancel), cancel), cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // What is ready is still written.
        }
        catch (Exception e)
        {
            fault = e; // The other end throws it.
        }
        finally
        {
            _ahead.Writer.Complete(fault);
        }
    }

    private async Task<List<Prepared>> NextBatchAsync()
    {
        var (batch, started) = (new List<Prepared>(Batch), time.GetTimestamp());
        while (batch.Count < Batch && (batch.Count == 0 || time.GetElapsedTime(started) < Gather) && _ahead.Reader.TryRead(out var next))
        {
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!next.IsCanceled) batch.Add(await next);
        }
        return batch;
    }

    private async Task WriteAsync(List<Prepared> batch, Tally tally, ImportProgress progress)
    {
        var images = batch.Where(p => p.Entry is not null).Select(p => (p.Entry!, p.Bytes)).ToList();
        if (images.Count > 0) tally.Evicted += await cache.InsertAsync(images, CancellationToken.None);
        foreach (var prepared in batch)
        {
            tally.Add(prepared);
            if (prepared.Unfit is { } unfit) progress.Say($"{prepared.Place}: {unfit.Detail}");
        }
        progress.Report(tally.Seen);
    }
}
