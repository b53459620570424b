using MoDM.Mixture;

namespace MoDM.Gateway.Scheduling;

/// <summary>
/// Which image goes to which worker, and when: a synchronous state machine without tasks, clocks or locks. Large workers
/// take misses first and hits when no miss waits; small workers take hits, and misses only when the planner says so
/// (arXiv 2503.11972, section 5). The workers of each kind are shared between tenants by weight; of one tenant the earlier
/// deadline goes first.
/// </summary>
internal sealed class RequestScheduler(int limit)
{
    private static readonly IComparer<Ticket> ByExpiry = Comparer<Ticket>.Create((a, b) =>
        a.Expires != b.Expires ? a.Expires.CompareTo(b.Expires) : a.Place.CompareTo(b.Place));

    /// <summary>Of everybody who has ever asked: as many as there are keys.</summary>
    private readonly Dictionary<string, TenantQueue> _tenants = [];
    private readonly FairShare _large = new(large: true), _small = new(large: false);
    private readonly SortedSet<Ticket> _expiring = new(ByExpiry);
    private readonly Dictionary<string, WorkerSlot> _workers = [];

    /// <summary>By rank: large first, then the small models, best quality first.</summary>
    private readonly SortedDictionary<int, WorkerPoolQueue> _pools = [];
    private long _places;
    private long _given;

    public int Limit => limit;
    public int WaitingMisses { get; private set; }
    public int WaitingHits { get; private set; }
    public int Waiting => WaitingMisses + WaitingHits;

    /// <summary>Full drawings that the misses which wait add up to.</summary>
    public double WaitingMissWork { get; private set; }
    public double WaitingHitWork { get; private set; }
    public IReadOnlyCollection<WorkerSlot> Workers => _workers.Values;

    /// <summary>Misses for which no large worker is free go to small ones.</summary>
    public bool SmallDrawsMisses { get; set; }

    /// <summary>All of a request's images enter, or none: false when the queue has no room for them.</summary>
    public bool TryEnqueue(IReadOnlyList<Ticket> tickets)
    {
        if (tickets.Count > 0 && Excess(tickets[0].Tenant, tickets[0].Weight, tickets.Count) > 0) return false;
        foreach (var ticket in tickets)
        {
            ticket.Place = ++_places;
            Requeue(ticket);
        }
        return true;
    }

    /// <summary>
    /// How many images have to leave before there is room for so many of a tenant. When the queue is full, a tenant that has
    /// no more in it than its share by weight (of the limit, among those who wait) still gets in, up to twice the limit.
    /// </summary>
    public long Excess(string tenant, double weight, int images)
    {
        var over = (long)Waiting + images - limit;
        if (over <= 0) return 0;
        var own = _tenants.GetValueOrDefault(tenant);
        var share = limit * weight / (weight + Others(own).Sum(t => t.Weight));
        return (own?.Waiting ?? 0) + images <= Math.Max(1, share) ? Math.Max(0, over - limit) : over;
    }

    /// <summary>Back to its old place: the worker was busy, or died. Always possible, since it was admitted before.</summary>
    public void Requeue(Ticket ticket)
    {
        if (!_tenants.TryGetValue(ticket.Tenant, out var tenant)) _tenants[ticket.Tenant] = tenant = new TenantQueue(_tenants.Count);
        if (!tenant.Add(ticket)) return;
        tenant.Weight = ticket.Weight;
        if (ticket.Charged is { } share) share.Refund(tenant, ticket.Cost);
        ticket.Charged = null;
        _expiring.Add(ticket);
        Count(tenant, ticket, +1);
    }

    /// <returns>False when it was not waiting.</returns>
    public bool Remove(Ticket ticket)
    {
        if (!_tenants.TryGetValue(ticket.Tenant, out var tenant) || !tenant.Remove(ticket)) return false;
        _expiring.Remove(ticket);
        Count(tenant, ticket, -1);
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

    /// <summary>How many images of its route go before this one, or null when it does not wait.</summary>
    public int? Ahead(Ticket ticket)
    {
        if (!_tenants.TryGetValue(ticket.Tenant, out var own) || !own.Contains(ticket)) return null;
        var (misses, hits) = own.WorkBefore(ticket);
        var (share, before) = !HasSmall ? (_large, misses + hits) : ticket.Route == CacheRoute.Miss ? (_large, misses) : (_small, hits);
        return own.Ahead(ticket) + Others(own).Sum(t => t.Within(ticket.Route, share.Reach(own, before / ticket.Weight, t)));
    }

    /// <summary>Full drawings, of misses and of hits, that go before a waiting image if all workers take both.</summary>
    public (double Misses, double Hits) WorkBefore(Ticket ticket)
    {
        var own = _tenants[ticket.Tenant];
        return Before(own, own.WorkBefore(ticket), ticket.Weight);
    }

    /// <summary>The same for what a tenant would bring now.</summary>
    public (double Misses, double Hits) WorkBefore(string tenant, double weight)
    {
        var own = _tenants.GetValueOrDefault(tenant);
        return Before(own, (own?.MissWork ?? 0, own?.HitWork ?? 0), weight);
    }

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
        var (started, hasSmall) = (new List<(Ticket, WorkerSlot)>(), HasSmall);
        while (ForLarge(hasSmall) is { } ticket && Free(large: true) is { } large)
            started.Add(Start(ticket, large));
        while (ForSmall() is { } ticket && Free(large: false) is { } small)
            started.Add(Start(ticket, small));
        while (WaitingMisses == 0 && _large.Hits?.Hit is { } hit && Free(large: true) is { } idle)
            started.Add(Start(hit, idle));
        return started;
    }

    /// <summary>Where no small worker is, the hits of one tenant would wait for the misses of all.</summary>
    private Ticket? ForLarge(bool hasSmall) => hasSmall ? _large.Misses?.Miss : _large.Any is { } tenant ? tenant.Miss ?? tenant.Hit : null;

    private Ticket? ForSmall()
    {
        if (!SmallDrawsMisses) return _small.Hits?.Hit;
        var tenant = _small.Any;
        return tenant?.Miss is { } miss && (tenant.Hit is not { } hit || miss.Deadline < hit.Deadline) ? miss : tenant?.Hit;
    }

    private (Ticket, WorkerSlot) Start(Ticket ticket, WorkerPoolQueue pool)
    {
        Remove(ticket);
        ticket.Charged = pool.IsLarge ? _large : _small;
        ticket.Charged.Charge(_tenants[ticket.Tenant], ticket.Cost);
        return (ticket, pool.Take(++_given));
    }

    private void Count(TenantQueue tenant, Ticket ticket, int change)
    {
        _large.Update(tenant, ticket.Route);
        _small.Update(tenant, ticket.Route);
        // Exactly nothing when nothing waits, whatever rounding has left.
        if (ticket.Route == CacheRoute.Hit)
            WaitingHitWork = (WaitingHits += change) == 0 ? 0 : WaitingHitWork + change * ticket.Work;
        else
            WaitingMissWork = (WaitingMisses += change) == 0 ? 0 : WaitingMissWork + change * ticket.Work;
    }

    /// <summary>To a tenant's own work, what of the others goes first: no more than its fair share lets them.</summary>
    private (double Misses, double Hits) Before(TenantQueue? own, (double Misses, double Hits) work, double weight)
    {
        var together = SmallDrawsMisses || !HasSmall;
        var (misses, hits) = work;
        foreach (var other in Others(own))
        {
            if (together)
            {
                var reach = _large.Reach(own, (work.Misses + work.Hits) / weight, other);
                misses += Math.Min(reach, other.MissWork);
                hits += Math.Min(Math.Max(0, reach - other.MissWork), other.HitWork);
            }
            else
            {
                misses += Math.Min(_large.Reach(own, work.Misses / weight, other), other.MissWork);
                hits += Math.Min(_small.Reach(own, work.Hits / weight, other), other.HitWork);
            }
        }
        return (misses, hits);
    }

    private bool HasSmall => Places(large: false).Places > 0;

    private IEnumerable<TenantQueue> Others(TenantQueue? own) => _tenants.Values.Where(t => t != own && t.Waiting > 0);

    /// <summary>The best model with a free worker.</summary>
    private WorkerPoolQueue? Free(bool large)
    {
        foreach (var pool in _pools.Values)
        {
            if (pool.IsLarge == large && pool.HasFree) return pool;
        }
        return null;
    }
}
