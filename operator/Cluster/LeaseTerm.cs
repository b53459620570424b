namespace MoDM.Operator.Cluster;

/// <summary>A time of holding the lease, which ends by the clock and is never resumed.</summary>
/// <param name="over">Cancelled after <paramref name="length"/>, or earlier; not disposed, since its token outlives the term.</param>
internal sealed class LeaseTerm(CancellationTokenSource over, TimeSpan length, TimeProvider time)
{
    private readonly Lock _lock = new();
    private long _since = time.GetTimestamp();

    public CancellationToken Token => over.Token;

    /// <summary>Completes when all who listen have been told that it is over.</summary>
    public TaskCompletionSource Told { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>By the clock, even when the timer is late.</summary>
    public bool IsOver
    {
        get { lock (_lock) return Over; }
    }

    private bool Over => over.IsCancellationRequested || time.GetElapsedTime(_since) >= length;

    /// <summary>The term lasts from <paramref name="sent"/>, before the renewal was sent; false when it was over before.</summary>
    public bool Extend(long sent)
    {
        lock (_lock)
        {
            var left = length - time.GetElapsedTime(sent);
            if (Over || left <= TimeSpan.Zero) return false;
            _since = sent;
            over.CancelAfter(left);
            return true;
        }
    }

    public void End() => over.Cancel();
}
