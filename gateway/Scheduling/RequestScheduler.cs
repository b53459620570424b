using MoDM.Mixture;

namespace MoDM.Gateway.Scheduling;

/// <summary>
/// Which image goes to which worker, and when: a synchronous state machine without tasks, clocks or locks. Large workers
/// take misses first and hits when no miss waits; small workers take hits, and misses only when the planner says so
/// (arXiv 2503.11972, section 5). Within a queue the earlier deadline goes first.
/// </summary>
internal sealed class RequestScheduler(int limit)
{
    private static readonly Comparer<Ticket> ByDeadline = Comparer<Ticket>.Create((a, b) =>
        a.Deadline != b.Deadline ? a.Deadline.CompareTo(b.Deadline) : a.Place.CompareTo(b.Place));

    private static readonly IComparer<Ticket> ByExpiry = Comparer<Ticket>.Create((a, b) =>
        a.Expires != b.Expires ? a.Expires.CompareTo(b.Expires) : a.Place.CompareTo(b.Place));

    private readonly SortedSet<Ticket> _misses = new(ByDeadline);
    private readonly SortedSet<Ticket> _hits = new(ByDeadline);
    private readonly SortedSet<Ticket> _expiring = new(ByExpiry);
    private readonly Dictionary<string, WorkerSlot> _workers = [];

    /// <summary>By rank: large first, then the small models, best quality first.</summary>
    private readonly SortedDictionary<int, WorkerPoolQueue> _pools = [];
    private long _places;
    private long _given;

    public int Limit => limit;
    public int WaitingMisses => _misses.Count;
    public int WaitingHits => _hits.Count;
    public int Waiting => _misses.Count + _hits.Count;

    /// <summary>Full drawings that the images which wait add up to.</summary>
    public double WaitingMissWork { get; private set; }
    public double WaitingHitWork { get; private set; }
    public IReadOnlyCollection<WorkerSlot> Workers => _workers.Values;

    /// <summary>Misses for which no large worker is free go to small ones.</summary>
    public bool SmallDrawsMisses { get; set; }

    /// <summary>All of a request's images enter, or none: false when the queue has no room for them.</summary>
    public bool TryEnqueue(IReadOnlyList<Ticket> tickets)
    {
        if (Waiting + tickets.Count > limit) return false;
        foreach (var ticket in tickets)
        {
            ticket.Place = ++_places;
            Requeue(ticket);
        }
        return true;
    }

    /// <summary>Back to its old place: the worker was busy, or died. Always possible, since it was admitted before.</summary>
    public void Requeue(Ticket ticket)
    {
        if (!QueueOf(ticket).Add(ticket)) return;
        _expiring.Add(ticket);
        if (ticket.Route == CacheRoute.Hit) WaitingHitWork += ticket.Work;
        else WaitingMissWork += ticket.Work;
    }

    /// <returns>False when it was not waiting.</returns>
    public bool Remove(Ticket ticket)
    {
        if (!QueueOf(ticket).Remove(ticket)) return false;
        _expiring.Remove(ticket);
        // Exactly nothing when nothing waits, whatever rounding has left.
        if (ticket.Route == CacheRoute.Hit) WaitingHitWork = _hits.Count == 0 ? 0 : WaitingHitWork - ticket.Work;
        else WaitingMissWork = _misses.Count == 0 ? 0 : WaitingMissWork - ticket.Work;
        return true;
    }

    public void Join(WorkerSlot worker)
    {
        Leave(worker.Id);
        _workers[worker.Id] = worker;
        if (!_pools.TryGetValue(worker.Rank, out var pool)) _pools[worker.Rank] = pool = new WorkerPoolQueue(worker.IsLarge);
        pool.Join(worker);
    }

    /// <summary>Nothing more is sent to it; what it draws it may finish.</summary>
    public void Leave(string workerId)
    {
        if (_workers.Remove(workerId, out var worker)) _pools[worker.Rank].Leave(worker);
    }

    /// <summary>An image has left its worker, which may have left meanwhile.</summary>
    public void Release(WorkerSlot worker)
    {
        if (_workers.TryGetValue(worker.Id, out var here) && here == worker) _pools[worker.Rank].Release(worker);
        else worker.Release();
    }

    /// <summary>Images that the large, or the small, workers can draw at once, and how many more now.</summary>
    public (int Places, int Free) Places(bool large)
    {
        var (places, free) = (0, 0);
        foreach (var pool in _pools.Values)
        {
            if (pool.IsLarge == large) (places, free) = (places + pool.Places, free + pool.FreePlaces);
        }
        return (places, free);
    }

    /// <summary>How many images go before this one, or null when it does not wait.</summary>
    public int? Ahead(Ticket ticket)
    {
        var queue = QueueOf(ticket);
        return queue.Contains(ticket) ? queue.TakeWhile(t => t != ticket).Count() : null;
    }

    /// <summary>Full drawings, of misses and of hits, that go before a waiting image if all workers take both.</summary>
    public (double Misses, double Hits) WorkBefore(Ticket ticket) => (Before(_misses, ticket), Before(_hits, ticket));

    /// <summary>Tickets whose deadline has passed while they waited; they are no longer in the queue.</summary>
    public List<Ticket> Expire(TimeSpan now)
    {
        var late = new List<Ticket>();
        while (_expiring.Min is { } ticket && ticket.Expires <= now)
        {
            Remove(ticket);
            late.Add(ticket);
        }
        return late;
    }

    /// <summary>Everything that can begin now.</summary>
    public List<(Ticket Ticket, WorkerSlot Worker)> Dispatch()
    {
        var started = new List<(Ticket, WorkerSlot)>();
        while (_misses.Min is { } miss && Free(large: true) is { } large)
            started.Add(Start(miss, large));
        while (ForSmall() is { } ticket && Free(large: false) is { } small)
            started.Add(Start(ticket, small));
        while (_misses.Count == 0 && _hits.Min is { } hit && Free(large: true) is { } idle)
            started.Add(Start(hit, idle));
        return started;
    }

    private Ticket? ForSmall() => SmallDrawsMisses && _misses.Min is { } miss && (_hits.Min is not { } hit || miss.Deadline < hit.Deadline)
        ? miss : _hits.Min;

    private (Ticket, WorkerSlot) Start(Ticket ticket, WorkerPoolQueue pool)
    {
        Remove(ticket);
        return (ticket, pool.Take(++_given));
    }

    /// <summary>The best model with a free worker.</summary>
    private WorkerPoolQueue? Free(bool large)
    {
        foreach (var pool in _pools.Values)
        {
            if (pool.IsLarge == large && pool.HasFree) return pool;
        }
        return null;
    }

    private static double Before(SortedSet<Ticket> queue, Ticket ticket) =>
        queue.TakeWhile(t => ByDeadline.Compare(t, ticket) < 0).Sum(t => t.Work);

    private SortedSet<Ticket> QueueOf(Ticket ticket) => ticket.Route == CacheRoute.Miss ? _misses : _hits;
}
