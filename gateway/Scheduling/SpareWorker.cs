namespace MoDM.Gateway.Scheduling;

/// <summary>
/// A worker that has nothing to draw, for work that nobody waits for. Its places are not taken: whoever comes gets the worker
/// as if it were idle, and the borrower stops. To every estimate and plan it is idle.
/// </summary>
internal sealed class SpareWorker(WorkerSlot worker)
{
    private readonly TaskCompletionSource _needed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WorkerSlot Worker => worker;

    /// <summary>Done as soon as an image is sent to the worker, or it leaves or drains.</summary>
    public Task Needed => _needed.Task;

    /// <summary>Of the large workers that are wholly idle, the one that the next images are sent to last.</summary>
    public static SpareWorker? Of(IReadOnlyCollection<WorkerSlot> workers) =>
        workers.Where(w => w is { IsLarge: true, InFlight: 0 }).MaxBy(w => w.LastGiven) is { } idle ? new SpareWorker(idle) : null;

    /// <param name="workers">Those that serve.</param>
    public void Look(IReadOnlyCollection<WorkerSlot> workers)
    {
        if (worker.InFlight > 0 || !workers.Contains(worker)) _needed.TrySetResult();
    }
}
