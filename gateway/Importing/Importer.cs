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
    private const int Batch = 64;

    /// <summary>Pictures embedded in one run: more bring nothing on a CPU.</summary>
    private const int Together = 8;

    /// <summary>What is embedded waits no longer to be written: so much is lost to a kill at most.</summary>
    private static readonly TimeSpan Gather = TimeSpan.FromSeconds(0.5);

    private readonly Preparation _preparation = new(cache, embedder, options, time);

    /// <summary>So many that no core waits for the disk, which takes a batch meanwhile, so few that they can be held.</summary>
    private readonly Channel<Task<Prepared>> _ahead = Channel.CreateBounded<Task<Prepared>>(2 * cores * Together + 2 * Batch);

    /// <summary>No more than are ahead.</summary>
    private readonly Channel<(Listed Listed, TaskCompletionSource<Prepared> Done)> _next = Channel.CreateUnbounded<(Listed, TaskCompletionSource<Prepared>)>();
    private readonly Queue<Task<Prepared>> _taken = new(Batch);

    /// <summary>Returns when all is written; once cancelled, when what was embedded is.</summary>
    /// <exception cref="IOException">The cache or the list cannot be used; what was written stays.</exception>
    public async Task RunAsync(IEnumerable<Listed> pictures, Tally tally, ImportProgress progress, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        // More would drive each other out of the cores' caches, but where a store is asked half of them may wait for it.
        var others = Enumerable.Range(0, cache is ImageCache ? cores : 2 * cores).Select(_ => Task.Run(() => PrepareAsync(stop.Token), CancellationToken.None))
            .Append(Task.Run(() => ListAsync(pictures, stop.Token), CancellationToken.None)).ToList();
        try
        {
            while (_taken.Count > 0 || await _ahead.Reader.WaitToReadAsync(CancellationToken.None))
                await WriteAsync(await NextBatchAsync(), tally, progress);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(others);
        }
    }

    private async Task ListAsync(IEnumerable<Listed> pictures, CancellationToken cancel)
    {
        Exception? fault = null;
        try
        {
            foreach (var listed in pictures)
            {
                var done = new TaskCompletionSource<Prepared>(TaskCreationOptions.RunContinuationsAsynchronously);
                await _ahead.Writer.WriteAsync(done.Task, cancel);
                await _next.Writer.WriteAsync((listed, done), CancellationToken.None);
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
            _next.Writer.Complete();
            _ahead.Writer.Complete(fault);
        }
    }

    private async Task PrepareAsync(CancellationToken cancel)
    {
        var some = new List<(Listed Listed, TaskCompletionSource<Prepared> Done)>(Together);
        while (await _next.Reader.WaitToReadAsync(CancellationToken.None))
        {
            some.Clear();
            while (some.Count < Together && _next.Reader.TryRead(out var next))
                some.Add(next);
            try
            {
                cancel.ThrowIfCancellationRequested();
                var prepared = await _preparation.PrepareAsync([.. some.Select(s => s.Listed)], cancel);
                for (var i = 0; i < some.Count; i++)
                    some[i].Done.SetResult(prepared[i]);
            }
            catch (OperationCanceledException)
            {
                some.ForEach(s => s.Done.SetCanceled(cancel));
            }
            catch (Exception e)
            {
                some.ForEach(s => s.Done.SetException(e)); // The one who writes throws it.
            }
        }
    }

    /// <summary>A whole batch, or what is ready of it after a while. Waiting for each by itself would wake a thread for each.</summary>
    private async Task<List<Prepared>> NextBatchAsync()
    {
        while (_taken.Count < Batch && _ahead.Reader.TryRead(out var next))
            _taken.Enqueue(next);
        await Task.WhenAny(Task.WhenAll(_taken), Task.Delay(Gather, time));
        var batch = new List<Prepared>(Batch);
        do
        {
            var next = _taken.Dequeue();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!next.IsCanceled) batch.Add(await next);
        }
        while (_taken.TryPeek(out var following) && following.IsCompleted);
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
