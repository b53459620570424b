using System.Diagnostics;
using MoDM.Cluster;
using MoDM.Operator.Cluster;

namespace MoDM.Operator.Reconciling;

/// <summary>
/// Watches always, so that a replica that takes over knows everything; reconciles while the lease is held, from the queue,
/// with back-off for what fails.
/// </summary>
internal sealed partial class ReconcileLoop(
    Watches watches, WorkQueue queue, LeaseLoop lease, MixtureReconciler reconciler, TimeProvider time, ILogger<ReconcileLoop> log)
    : BackgroundService
{
    private const int Lanes = 4;
    private const long Burst = 2 << 20;
    private static readonly TimeSpan Tidy = TimeSpan.FromSeconds(20);

    /// <summary>The watches have been filled.</summary>
    public bool Synced => watches.Synced.IsCompletedSuccessfully;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The lease is given back last, when nothing is written any more.
        using var leasing = new CancellationTokenSource();
        var (watching, leader) = (watches.RunAsync(stoppingToken), lease.RunAsync(leasing.Token));
        var committed = 0L;
        await using var tidying = time.CreateTimer(_ => committed = GiveBack(committed), null, Tidy, Tidy);
        try
        {
            await watches.Synced.WaitAsync(stoppingToken);
            while (!stoppingToken.IsCancellationRequested)
                await LeadAsync(await lease.HeldAsync(stoppingToken), stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Below.
        }
        await leasing.CancelAsync();
        await Task.WhenAll(watching, leader);
    }

    /// <summary>The memory of a burst, such as the first pass over all mixtures, is given back rather than kept for the next one.</summary>
    /// <param name="committed">Bytes of heap after the last time.</param>
    private static long GiveBack(long committed)
    {
        if (GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes < committed + Burst) return committed;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
        return GC.GetGCMemoryInfo(GCKind.FullBlocking).TotalCommittedBytes;
    }

    private async Task LeadAsync(CancellationToken term, CancellationToken stop)
    {
        Log.Leads(log);
        OperatorMetrics.Leader.Set(1);
        foreach (var mixture in watches.Mixtures.Items)
            queue.Add(new ObjectKey(mixture.Metadata.NamespaceProperty, mixture.Metadata.Name));
        using var either = CancellationTokenSource.CreateLinkedTokenSource(term, stop);
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => LaneAsync(either.Token)));
        reconciler.Forget();
        OperatorMetrics.Leader.Set(0);
        Log.Follows(log);
    }

    private async Task LaneAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            ObjectKey key;
            try
            {
                key = await queue.TakeAsync(stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            var started = time.GetTimestamp();
            var result = "done";
            try
            {
                var again = await reconciler.ReconcileAsync(key, stop);
                queue.Succeeded(key);
                if (again is { } delay) queue.AddAfter(key, delay);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            // One mixture that cannot be reconciled, for whatever reason, keeps none of the others from it.
            catch (Exception e)
            {
                result = "failed";
                // A conflict is the API server's way to say: look again.
                if (e is ApiServerException { Status: System.Net.HttpStatusCode.Conflict }) Log.Conflict(log, key.Namespace, key.Name);
                else if (e is ApiServerException or OperationCanceledException) Log.NotDone(log, key.Namespace, key.Name, e.Message);
                else Log.Failed(log, e, key.Namespace, key.Name);
                queue.Failed(key);
            }
            finally
            {
                queue.Done(key);
                OperatorMetrics.Reconcile.WithLabels(result).Observe(Stopwatch.GetElapsedTime(started, time.GetTimestamp()).TotalSeconds);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "This replica leads")]
        public static partial void Leads(ILogger log);

        [LoggerMessage(Level = LogLevel.Information, Message = "This replica does not lead any more")]
        public static partial void Follows(ILogger log);

        [LoggerMessage(Level = LogLevel.Debug, Message = "{Namespace}/{Name} changed meanwhile; again")]
        public static partial void Conflict(ILogger log, string @namespace, string name);

        [LoggerMessage(Level = LogLevel.Warning, Message = "{Namespace}/{Name} could not be brought to its state, and is tried again: {Reason}")]
        public static partial void NotDone(ILogger log, string @namespace, string name, string reason);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Namespace}/{Name} could not be reconciled")]
        public static partial void Failed(ILogger log, Exception e, string @namespace, string name);
    }
}
