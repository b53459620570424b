using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Scheduling;

/// <summary>One image that waits for, or is drawn by, a worker. Times are since the process started.</summary>
/// <param name="work">Share of the mixture's T steps that is to be drawn.</param>
/// <param name="deadline">When it has to begin, to be done in time.</param>
internal sealed class Ticket(CacheRoute route, double work, TimeSpan queued, TimeSpan deadline)
{
    public CacheRoute Route { get; } = route;
    public double Work { get; } = work;
    public TimeSpan Queued { get; } = queued;

    /// <summary>When it has to begin, to be done in time; the earlier one goes first.</summary>
    public TimeSpan Deadline { get; } = deadline;

    /// <summary>After this it is refused rather than drawn for nobody; later for one whose worker died under it.</summary>
    public TimeSpan Expires { get; private set; } = deadline;

    /// <summary>It had begun, so it was accepted: it gets time to wait once more, at its old place.</summary>
    public void Renew(TimeSpan expires) => Expires = expires;

    /// <summary>Whose it is, and this one's share beside the others'.</summary>
    public string Tenant { get; init; } = "";
    public double Weight { get; init; } = 1;
    public double Cost => Work / Weight;

    /// <summary>Where it was charged to its tenant when it began; null while it waits.</summary>
    public FairShare? Charged { get; set; }

    /// <summary>As it was told when it came; null when nothing was known.</summary>
    public LatencyEstimate? Expected { get; init; }

    /// <summary>Its place, given once: a ticket that comes back from a busy or dead worker keeps it.</summary>
    public long Place { get; set; }

    /// <summary>Where its result goes; owned by <see cref="RequestQueue"/>, unknown to the scheduler.</summary>
    public TaskCompletionSource<Turn>? Turn { get; set; }
}

/// <summary>What became of a wait: a worker, or the reason why there is none.</summary>
internal readonly record struct Turn(WorkerSlot? Worker, bool Expired);

/// <summary>A worker as the scheduler sees it.</summary>
internal sealed class WorkerSlot(string id, string model, bool isLarge, int rank, int capacity)
{
    public string Id { get; } = id;
    public string Model { get; } = model;
    public bool IsLarge { get; } = isLarge;

    /// <summary>Place of its pool in the document: small models are listed best quality first.</summary>
    public int Rank { get; } = rank;
    public int Capacity { get; } = capacity;
    public int InFlight { get; private set; }

    /// <summary>Counts assignments, so that the longest idle can be found without a clock.</summary>
    public long LastGiven { get; private set; }
    public bool Free => InFlight < Capacity;

    public void Take(long turn) => (InFlight, LastGiven) = (InFlight + 1, turn);

    public void Release() => InFlight--;
}
