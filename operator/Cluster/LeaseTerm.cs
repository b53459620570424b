namespace MoDM.Operator.Cluster;

/// <summary>A time of holding the lease, which ends by the clock and is never resumed.</summary>
internal sealed class LeaseTerm(TimeSpan length, TimeProvider time)
{
    private readonly Lock _lock = new();
    // Kept undisposed: its token outlives the term in the hands of others.
    private readonly CancellationTokenSource _over = new(length, time);
    private long _since = time.GetTimestamp();

    public CancellationToken Token => _over.Token;

    /// <summary>Completes when all who listen have been told that it is over.</summary>
    public TaskCompletionSource Told { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>By the clock, even when the timer is late.</summary>
    public bool IsOver
    {
        get { lock (_lock) return Over; }
    }

    private bool Over => _over.IsCancellationRequested || time.GetElapsedTime(_since) >= length;

    /// <summary>The term lasts from <paramref name="sent"/>, before the renewal was sent; false when it was over before.</summary>
    public bool Extend(long sent)
    {
        lock (_lock)
        {
            var left = length - time.GetElapsedTime(sent);
            if (Over || left <= TimeSpan.Zero) return false;
            _since = sent;
            _over.CancelAfter(left);
            return true;
        }
    }

    public void End() => _over.Cancel();
}
