namespace MoDM.Gateway.Scheduling;

/// <summary>The workers of one model; the best of the free ones is always at hand.</summary>
internal sealed class WorkerPoolQueue(bool isLarge)
{
    /// <summary>The least loaded first, then the longest idle.</summary>
    private static readonly IComparer<WorkerSlot> ByLoad = Comparer<WorkerSlot>.Create((a, b) =>
        (a.InFlight * b.Capacity).CompareTo(b.InFlight * a.Capacity) is not 0 and var load ? load
        : a.LastGiven != b.LastGiven ? a.LastGiven.CompareTo(b.LastGiven)
        : string.CompareOrdinal(a.Id, b.Id));

    private readonly SortedSet<WorkerSlot> _free = new(ByLoad);

    public bool IsLarge => isLarge;

    /// <summary>Images that its workers draw at once, and how many more they could.</summary>
    public int Places { get; private set; }
    public int FreePlaces { get; private set; }
    public bool HasFree => _free.Count > 0;

    public void Join(WorkerSlot worker)
    {
        Places += worker.Capacity;
        FreePlaces += worker.Capacity - worker.InFlight;
        if (worker.Free) _free.Add(worker);
    }

    public void Leave(WorkerSlot worker)
    {
        Places -= worker.Capacity;
        FreePlaces -= worker.Capacity - worker.InFlight;
        _free.Remove(worker);
    }

    /// <summary>Gives an image to the best free worker; there has to be one.</summary>
    public WorkerSlot Take(long turn)
    {
        var worker = _free.Min!;
        _free.Remove(worker); // Its key changes.
        worker.Take(turn);
        FreePlaces--;
        if (worker.Free) _free.Add(worker);
        return worker;
    }

    public void Release(WorkerSlot worker)
    {
        _free.Remove(worker);
        worker.Release();
        FreePlaces++;
        _free.Add(worker);
    }
}
