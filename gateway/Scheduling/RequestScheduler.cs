using MoDM.Mixture;

namespace MoDM.Gateway.Scheduling;

/// <summary>
/// Which image goes to which worker, and when: a synchronous state machine without tasks, clocks or locks. Large workers
/// take misses first and hits when no miss waits; small workers take hits only (arXiv 2503.11972, section 5).
/// Within a queue the earlier deadline goes first.
/// </summary>
internal sealed class RequestScheduler(int limit)
{
    private static readonly IComparer<Ticket> ByDeadline = Comparer<Ticket>.Create((a, b) =>
        a.Deadline != b.Deadline ? a.Deadline.CompareTo(b.Deadline) : a.Place.CompareTo(b.Place));

    private readonly SortedSet<Ticket> _misses = new(ByDeadline);
    private readonly SortedSet<Ticket> _hits = new(ByDeadline);
    private readonly Dictionary<string, WorkerSlot> _workers = [];
    private long _places;
    private long _given;

    public int Limit => limit;
    public int WaitingMisses => _misses.Count;
    public int WaitingHits => _hits.Count;
    public int Waiting => _misses.Count + _hits.Count;
    public IReadOnlyCollection<WorkerSlot> Workers => _workers.Values;

    /// <summary>All of a request's images enter, or none: false when the queue has no room for them.</summary>
    public bool TryEnqueue(IReadOnlyList<Ticket> tickets)
    {
        if (Waiting + tickets.Count > limit) return false;
        foreach (var ticket in tickets)
        {
            ticket.Place = ++_places;
            QueueOf(ticket).Add(ticket);
        }
        return true;
    }

    /// <summary>Back to its old place: the worker was busy, or died. Always possible, since it was admitted before.</summary>
    public void Requeue(Ticket ticket) => QueueOf(ticket).Add(ticket);

    /// <returns>False when it was not waiting.</returns>
    public bool Remove(Ticket ticket) => QueueOf(ticket).Remove(ticket);

    public void Join(WorkerSlot worker) => _workers[worker.Id] = worker;

    public void Leave(string workerId) => _workers.Remove(workerId);

    /// <summary>How many images go before this one, or null when it does not wait.</summary>
    public int? Ahead(Ticket ticket)
    {
        var queue = QueueOf(ticket);
        return queue.Contains(ticket) ? queue.TakeWhile(t => t != ticket).Count() : null;
    }

    /// <summary>Tickets whose deadline has passed while they waited; they are no longer in the queue.</summary>
    public List<Ticket> Expire(TimeSpan now)
    {
        var late = _misses.Concat(_hits).Where(t => t.Expires <= now).ToList();
        foreach (var ticket in late)
            Remove(ticket);
        return late;
    }

    /// <summary>Everything that can begin now.</summary>
    public List<(Ticket Ticket, WorkerSlot Worker)> Dispatch()
    {
        var started = new List<(Ticket, WorkerSlot)>();
        while (_misses.Min is { } miss && Choose(w => w.IsLarge) is { } worker)
            started.Add(Start(miss, worker));
        while (_hits.Min is { } hit && Choose(w => !w.IsLarge || _misses.Count == 0) is { } worker)
            started.Add(Start(hit, worker));
        return started;
    }

    private (Ticket, WorkerSlot) Start(Ticket ticket, WorkerSlot worker)
    {
        QueueOf(ticket).Remove(ticket);
        worker.Take(++_given);
        return (ticket, worker);
    }

    /// <summary>A free worker: small before large, better models first, then the least loaded, then the longest idle.</summary>
    private WorkerSlot? Choose(Func<WorkerSlot, bool> may) => _workers.Values.Where(w => w.Free && may(w))
        .OrderBy(w => w.IsLarge).ThenBy(w => w.Rank).ThenBy(w => (double)w.InFlight / w.Capacity).ThenBy(w => w.LastGiven)
        .FirstOrDefault();

    private SortedSet<Ticket> QueueOf(Ticket ticket) => ticket.Route == CacheRoute.Miss ? _misses : _hits;
}
