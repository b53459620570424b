using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Scheduling;

/// <summary>
/// The scheduler under a lock, with waiting as tasks: requests are let in or refused, and wait for their turn; workers come
/// and go; a timer lets deadlines pass.
/// </summary>
internal sealed class RequestQueue : IDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);

    private readonly Lock _lock = new();
    private readonly RequestScheduler _scheduler;
    private readonly WaitForecast _forecast;
    private readonly LoadMeter _meter;
    private readonly Func<SloSpec> _slo;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly ITimer _timer;

    /// <summary>Images that are drawn: on which worker, and when they should be done.</summary>
    private readonly Dictionary<Ticket, (WorkerSlot Worker, TimeSpan? Done)> _drawing = [];
    private readonly Dictionary<WorkerSlot, TaskCompletionSource> _draining = [];
    private DegradeStep _degrade;
    private double _missWorkers;
    private SpareWorker? _spare;

    /// <param name="slo">As the document has it now.</param>
    public RequestQueue(int limit, Func<SloSpec> slo, LoadMeter meter, TimeProvider time)
    {
        (_scheduler, _forecast, _meter) = (new RequestScheduler(limit), new WaitForecast(slo), meter);
        (_slo, _time, _start) = (slo, time, time.GetTimestamp());
        _timer = time.CreateTimer(_ => Change(static _ => { }), null, Tick, Tick);
    }

    /// <summary>Images that may wait.</summary>
    public int Limit => _scheduler.Limit;

    public TimeSpan Now => _time.GetElapsedTime(_start);

    /// <summary>What is given up at present, as the planner says.</summary>
    public DegradeStep Degrade
    {
        get { lock (_lock) return _degrade; }
    }

    /// <param name="missWorkers">Large workers that misses keep busy, on average.</param>
    public void Follow(DegradeStep degrade, double missWorkers) => Change(s =>
    {
        (_degrade, _missWorkers) = (degrade, missWorkers);
        s.SmallDrawsMisses = degrade >= DegradeStep.SmallForMisses;
    });

    /// <summary>Lets a request's images in, or says why not and when to come back.</summary>
    public (IReadOnlyList<Ticket>? Tickets, Refusal? Refusal) Enqueue(Arrival arrival)
    {
        _meter.Arrived(arrival);
        lock (_lock)
        {
            var (now, view) = (Now, View(arrival.Route, _scheduler.WorkBefore(arrival.Tenant, arrival.Weight)));
            var tickets = Enumerable.Range(0, arrival.Images).Select(i => NewTicket(arrival, now, view, i)).ToList();
            var admission = _forecast.Admit((now - arrival.Came).TotalSeconds, tickets[^1].Expected);
            if (!admission.Admit || !_scheduler.TryEnqueue(tickets))
            {
                var excess = _scheduler.Excess(arrival.Tenant, arrival.Weight, arrival.Images);
                return (null, new Refusal(
                    QueueFull: admission.Admit, _forecast.RetryAfter(view, arrival.Route, arrival.Work, arrival.Images, excess),
                    admission.Admit ? $"{_scheduler.Waiting} images wait, and {_scheduler.Limit} may" : admission.Reason));
            }
            Settle();
            return (tickets, null);
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

    /// <summary>Puts a ticket back at its place; its worker is handed back apart from that.</summary>
    /// <param name="renew">It may wait as long again: its worker died under it, rather than being busy.</param>
    public void Requeue(Ticket ticket, bool renew) => Change(s =>
    {
        ticket.Turn = new TaskCompletionSource<Turn>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (renew) ticket.Renew(Now + _slo().Latency);
        _drawing.Remove(ticket);
        s.Requeue(ticket);
    });

    /// <summary>A large worker that nobody needs now, and for as long as that is so; null while there is none. It counts as idle.</summary>
    public SpareWorker? Borrow()
    {
        lock (_lock) return _scheduler.Waiting > 0 ? null : _spare = SpareWorker.Of(_scheduler.Workers);
    }

    public void Join(WorkerSlot worker) => Change(s => s.Join(worker));

    public void Leave(string workerId) => Change(s => s.Leave(workerId));

    /// <summary>A worker gets nothing more; the task ends when it has drawn what it has (complaints 6 and 7).</summary>
    public Task DrainAsync(WorkerSlot worker)
    {
        var idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Change(s =>
        {
            s.Leave(worker.Id);
            _draining[worker] = idle;
        });
        return idle.Task;
    }

    /// <param name="seconds">How long the image took, when it was drawn to its end.</param>
    public void Finished(Ticket ticket, WorkerSlot worker, double? seconds)
    {
        if (seconds is { } took) _meter.Drew(worker.Rank, took, ticket.Work);
        Change(s =>
        {
            // A ticket that went back to the queue may be on another worker by now.
            if (_drawing.TryGetValue(ticket, out var drawn) && drawn.Worker == worker) _drawing.Remove(ticket);
            if (seconds is not null && ticket.Expected is { } told) _forecast.Learn(told, (Now - ticket.Queued).TotalSeconds);
            s.Release(worker);
        });
    }

    /// <summary>Where an image stands: how many go before it, and when it should be there; null when it does not wait.</summary>
    public (int Ahead, LatencyEstimate? Expected)? Outlook(Ticket ticket)
    {
        lock (_lock)
        {
            if (_scheduler.Ahead(ticket) is not { } ahead) return null;
            return (ahead, _forecast.Expect(View(ticket.Route, _scheduler.WorkBefore(ticket)), ticket.Route, ticket.Work));
        }
    }

    public int RetryAfterSeconds(Ticket ticket)
    {
        lock (_lock)
        {
            return _forecast.RetryAfter(
                View(ticket.Route, _scheduler.WorkBefore(ticket.Tenant, ticket.Weight)), ticket.Route, ticket.Work, 1,
                _scheduler.Excess(ticket.Tenant, ticket.Weight, 1));
        }
    }

    public QueueSnapshot Snapshot()
    {
        lock (_lock)
        {
            return new QueueSnapshot(_scheduler.WaitingMisses, _scheduler.WaitingHits, _scheduler.WaitingMissWork, _scheduler.Limit,
                [.. _scheduler.Workers.Select(w => new WorkerLoad(w.Model, w.IsLarge, w.InFlight, w.Capacity))]);
        }
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>A ticket that nobody waits for leaves the queue; a turn that it was given meanwhile is handed back.</summary>
    public void GiveUp(Ticket ticket) => Change(s =>
    {
        if (!s.Remove(ticket) && ticket.Turn?.Task is { IsCompletedSuccessfully: true, Result.Worker: { } worker })
        {
            _drawing.Remove(ticket);
            s.Release(worker);
        }
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
        var now = Now;
        foreach (var late in _scheduler.Expire(now))
        {
            // It would have taken longer still: what ends without a worker must not pass unnoticed.
            if (late.Expected is { } told) _forecast.Learn(told, (now - late.Queued).TotalSeconds + told.Draw);
            late.Turn!.TrySetResult(new Turn(null, Expired: true));
        }
        foreach (var (ticket, worker) in _scheduler.Dispatch())
        {
            TimeSpan? done = _meter.DrawSeconds(worker.Rank) is { } seconds ? now + TimeSpan.FromSeconds(seconds * ticket.Work) : null;
            _drawing[ticket] = (worker, done);
            ticket.Turn!.TrySetResult(new Turn(worker, Expired: false));
        }
        _spare?.Look(_scheduler.Workers);
        foreach (var (worker, idle) in _draining)
        {
            if (worker.InFlight > 0) continue;
            _draining.Remove(worker);
            idle.SetResult();
        }
    }

    private Ticket NewTicket(Arrival arrival, TimeSpan now, QueueView view, int index)
    {
        var expected = _forecast.Expect(view, arrival.Route, arrival.Work, index);
        return new Ticket(arrival.Route, arrival.Work, now, arrival.Came + _forecast.LatestStart(expected))
        {
            Tenant = arrival.Tenant,
            Weight = arrival.Weight,
            Expected = expected,
            Turn = new TaskCompletionSource<Turn>(TaskCreationOptions.RunContinuationsAsynchronously),
        };
    }

    /// <param name="before">Work, of misses and of hits, that goes before whoever asks.</param>
    private QueueView View(CacheRoute route, (double Misses, double Hits) before)
    {
        var ((large, freeLarge), (small, freeSmall)) = (_scheduler.Places(large: true), _scheduler.Places(large: false));
        var smallDraws = _scheduler.SmallDrawsMisses;
        // A worker that draws several at once has as many places.
        var largeWorkers = _scheduler.Workers.Count(w => w.IsLarge);
        var missPlaces = largeWorkers > 0 ? _missWorkers * large / largeWorkers : 0;
        var takers = _drawing.Values.Where(d => smallDraws || d.Worker.IsLarge == (route == CacheRoute.Miss || small == 0));
        var next = takers.Min(d => d.Done);
        return new QueueView(
            large, small, freeLarge, freeSmall, (int)Math.Ceiling(before.Misses), before.Hits,
            SecondsOf(large: true), SecondsOf(large: false), smallDraws, missPlaces,
            next is { } done ? Math.Max(0, (done - Now).TotalSeconds) : null);
    }

    /// <summary>Of a full drawing by the workers of a kind, at the speed that they have together; 0 when none has drawn.</summary>
    private double SecondsOf(bool large)
    {
        var (places, speed) = (0, 0.0);
        foreach (var worker in _scheduler.Workers)
        {
            if (worker.IsLarge != large || _meter.DrawSeconds(worker.Rank) is not { } seconds) continue;
            (places, speed) = (places + worker.Capacity, speed + worker.Capacity / seconds);
        }
        return speed > 0 ? places / speed : 0;
    }
}

/// <summary>Why a request is not let in, and after how many seconds one like it would be.</summary>
internal readonly record struct Refusal(bool QueueFull, int RetryAfterSeconds, string Reason);

internal readonly record struct WorkerLoad(string Model, bool IsLarge, int InFlight, int Capacity);

/// <param name="MissWork">Full drawings that the waiting misses add up to.</param>
internal sealed record QueueSnapshot(int Misses, int Hits, double MissWork, int Limit, IReadOnlyList<WorkerLoad> Workers);
