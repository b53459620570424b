using MoDM.Mixture;

namespace MoDM.Gateway.Scheduling;

/// <summary>
/// The scheduler under a lock, with waiting as tasks: requests wait for their turn, workers come and go, a timer lets
/// deadlines pass.
/// </summary>
internal sealed class RequestQueue : IDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private readonly RequestScheduler _scheduler;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly ITimer _timer;
    private double _meanSeconds;

    public RequestQueue(int limit, TimeProvider time)
    {
        (_scheduler, _time, _start) = (new RequestScheduler(limit), time, time.GetTimestamp());
        _timer = time.CreateTimer(_ => Change(static _ => { }), null, Tick, Tick);
    }

    public TimeSpan Now => _time.GetElapsedTime(_start);

    /// <summary>Admits a request's images, or says after how many seconds there may be room.</summary>
    public int? TryEnqueue(IReadOnlyList<Ticket> tickets)
    {
        lock (_lock)
        {
            foreach (var ticket in tickets)
                ticket.Turn = new TaskCompletionSource<Turn>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (!_scheduler.TryEnqueue(tickets)) return RetryAfterSeconds();
            Settle();
            return null;
        }
    }

    /// <summary>Waits for a worker. Cancelling takes the ticket out of the queue.</summary>
    /// <exception cref="OperationCanceledException">The caller went away.</exception>
    public async Task<Turn> WaitAsync(Ticket ticket, CancellationToken cancel)
    {
        try
        {
            var turn = await ticket.Turn!.Task.WaitAsync(cancel);
            ticket.Turn = null; // Taken: whoever drew on the worker hands it back.
            return turn;
        }
        catch (OperationCanceledException)
        {
            GiveUp(ticket);
            throw;
        }
    }

    /// <summary>Puts a ticket back at its place.</summary>
    /// <param name="lost">Its worker died under it, rather than being busy.</param>
    public void Requeue(Ticket ticket, bool lost) => Change(s =>
    {
        ticket.Turn = new TaskCompletionSource<Turn>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (lost) ticket.Renew(Now);
        s.Requeue(ticket);
    });

    public void Join(WorkerSlot worker) => Change(s => s.Join(worker));

    public void Leave(string workerId) => Change(s => s.Leave(workerId));

    /// <param name="seconds">How long the image took, when it was drawn to its end.</param>
    public void Finished(WorkerSlot worker, double? seconds) => Change(s =>
    {
        s.Release(worker);
        if (seconds is { } took) _meanSeconds = _meanSeconds == 0 ? took : 0.9 * _meanSeconds + 0.1 * took;
    });

    public int? Ahead(Ticket ticket)
    {
        lock (_lock) return _scheduler.Ahead(ticket);
    }

    public QueueSnapshot Snapshot()
    {
        lock (_lock)
        {
            return new QueueSnapshot(_scheduler.WaitingMisses, _scheduler.WaitingHits, _scheduler.Limit,
                [.. _scheduler.Workers.Select(w => new WorkerLoad(w.Id, w.Model, w.IsLarge, w.InFlight, w.Capacity))],
                RetryAfterSeconds());
        }
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>A ticket that nobody waits for leaves the queue; a turn that it was given meanwhile is handed back.</summary>
    public void GiveUp(Ticket ticket) => Change(s =>
    {
        if (!s.Remove(ticket) && ticket.Turn?.Task is { IsCompletedSuccessfully: true, Result.Worker: { } worker })
            s.Release(worker);
        ticket.Turn = null;
    });

    private void Change(Action<RequestScheduler> change)
    {
        lock (_lock)
        {
            change(_scheduler);
            Settle();
        }
    }

    private void Settle()
    {
        foreach (var late in _scheduler.Expire(Now))
            late.Turn!.TrySetResult(new Turn(null, Expired: true));
        foreach (var (ticket, worker) in _scheduler.Dispatch())
            ticket.Turn!.TrySetResult(new Turn(worker, Expired: false));
    }

    /// <summary>When the images that wait now will have been drawn, at the pace of late; at least a second.</summary>
    private int RetryAfterSeconds()
    {
        var slots = Math.Max(1, _scheduler.Workers.Sum(w => w.Capacity));
        return (int)Math.Clamp(Math.Ceiling(_scheduler.Waiting * _meanSeconds / slots), 1, 3600);
    }
}

internal readonly record struct WorkerLoad(string Id, string Model, bool IsLarge, int InFlight, int Capacity);

internal sealed record QueueSnapshot(
    int Misses, int Hits, int Limit, IReadOnlyList<WorkerLoad> Workers, int RetryAfterSeconds);
