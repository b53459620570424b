using MoDM.Mixture;

namespace MoDM.Gateway.Scheduling;

/// <summary>
/// Shares the workers of one kind between tenants by weight: start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) over
/// work. What begins at tag S = max(v, F) moves the virtual time v to S and its tenant's tag F to S + work / weight; of those
/// that wait the smallest F goes next. So no F is further than one image from v, and a tenant that was idle starts
/// at v: it has neither saved up anything nor has it to make up for anything.
/// </summary>
internal sealed class FairShare
{
    private readonly bool _large;
    private readonly Comparer<TenantQueue> _byTag;
    private readonly SortedSet<TenantQueue> _misses, _hits;
    private double _now;

    public FairShare(bool large)
    {
        _large = large;
        _byTag = Comparer<TenantQueue>.Create((a, b) =>
            Tag(a) != Tag(b) ? Tag(a).CompareTo(Tag(b)) : a.Order.CompareTo(b.Order));
        (_misses, _hits) = (new(_byTag), new(_byTag));
    }

    /// <summary>Whose turn it is, of those with a miss, with a hit, with either.</summary>
    public TenantQueue? Misses => _misses.Min;
    public TenantQueue? Hits => _hits.Min;
    public TenantQueue? Any => (Misses, Hits) is ({ } miss, { } hit) ? _byTag.Compare(miss, hit) <= 0 ? miss : hit : Misses ?? Hits;

    /// <summary>To be called after something of the route has come to a tenant, or has left it.</summary>
    public void Update(TenantQueue tenant, CacheRoute route)
    {
        var waiting = route == CacheRoute.Miss ? _misses : _hits;
        if (tenant.Count(route) > 0) waiting.Add(tenant);
        else waiting.Remove(tenant);
    }

    /// <param name="cost">Work by weight of what begins.</param>
    public void Charge(TenantQueue tenant, double cost)
    {
        _now = Start(tenant);
        Move(tenant, _now + cost);
    }

    /// <summary>It has to begin once more, at its old place.</summary>
    public void Refund(TenantQueue tenant, double cost) => Move(tenant, Tag(tenant) - cost);

    /// <summary>
    /// Work that may begin of another tenant before one's own turn comes.
    /// </summary>
    /// <param name="tenant">Null: it has never been here.</param>
    /// <param name="own">Work by weight of one's own that goes before.</param>
    public double Reach(TenantQueue? tenant, double own, TenantQueue other) =>
        Math.Max(0, (tenant is null ? _now : Start(tenant)) + own - Start(other)) * other.Weight;

    private double Start(TenantQueue tenant) => Math.Max(_now, Tag(tenant));

    private double Tag(TenantQueue tenant) => _large ? tenant.LargeTag : tenant.SmallTag;

    private void Move(TenantQueue tenant, double tag)
    {
        // Its key changes.
        var (miss, hit) = (_misses.Remove(tenant), _hits.Remove(tenant));
        if (_large) tenant.LargeTag = tag;
        else tenant.SmallTag = tag;
        if (miss) _misses.Add(tenant);
        if (hit) _hits.Add(tenant);
    }
}
