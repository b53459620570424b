using MoDM.Mixture;

namespace MoDM.Gateway.Scheduling;

/// <summary>What waits of one tenant; within a class the earlier deadline goes first.</summary>
/// <param name="order">Decides between tenants that are equally far.</param>
internal sealed class TenantQueue(long order)
{
    private static readonly Comparer<Ticket> ByDeadline = Comparer<Ticket>.Create((a, b) =>
        a.Deadline != b.Deadline ? a.Deadline.CompareTo(b.Deadline) : a.Place.CompareTo(b.Place));

    private readonly SortedSet<Ticket> _misses = new(ByDeadline);
    private readonly SortedSet<Ticket> _hits = new(ByDeadline);

    public long Order => order;
    public Ticket? Miss => _misses.Min;
    public Ticket? Hit => _hits.Min;
    public int Waiting => _misses.Count + _hits.Count;

    /// <summary>Full drawings that wait.</summary>
    public double MissWork { get; private set; }
    public double HitWork { get; private set; }

    /// <summary>As its newest request said it.</summary>
    public double Weight { get; set; } = 1;

    /// <summary>How far it is with the large and with the small workers; owned by the <see cref="FairShare"/> of each.</summary>
    public double LargeTag { get; set; }
    public double SmallTag { get; set; }

    public int Count(CacheRoute route) => Of(route).Count;

    public bool Contains(Ticket ticket) => Of(ticket.Route).Contains(ticket);

    /// <returns>False when it waits already.</returns>
    public bool Add(Ticket ticket)
    {
        if (!Of(ticket.Route).Add(ticket)) return false;
        if (ticket.Route == CacheRoute.Hit) HitWork += ticket.Work;
        else MissWork += ticket.Work;
        return true;
    }

    /// <returns>False when it was not waiting.</returns>
    public bool Remove(Ticket ticket)
    {
        if (!Of(ticket.Route).Remove(ticket)) return false;
        // Exactly nothing when nothing waits, whatever rounding has left.
        if (ticket.Route == CacheRoute.Hit) HitWork = _hits.Count == 0 ? 0 : HitWork - ticket.Work;
        else MissWork = _misses.Count == 0 ? 0 : MissWork - ticket.Work;
        return true;
    }

    /// <summary>How many of its images have the same route and go before this one.</summary>
    public int Ahead(Ticket ticket) => Of(ticket.Route).TakeWhile(t => t != ticket).Count();

    /// <summary>How many of its images of a route begin while less than so much work has begun.</summary>
    public int Within(CacheRoute route, double work)
    {
        var count = 0;
        foreach (var ticket in Of(route))
        {
            if (work <= 0) break;
            (work, count) = (work - ticket.Work, count + 1);
        }
        return count;
    }

    /// <summary>Full drawings, of misses and of hits, that go before this one if all workers take both.</summary>
    public (double Misses, double Hits) WorkBefore(Ticket ticket) => (Before(_misses, ticket), Before(_hits, ticket));

    private static double Before(SortedSet<Ticket> queue, Ticket ticket) =>
        queue.TakeWhile(t => ByDeadline.Compare(t, ticket) < 0).Sum(t => t.Work);

    private SortedSet<Ticket> Of(CacheRoute route) => route == CacheRoute.Miss ? _misses : _hits;
}
