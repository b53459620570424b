namespace MoDM.Gateway.Callers;

/// <summary>So many at once, and so many a minute in the long run: in t minutes at most burst + t * rate. Thread-safe.</summary>
internal sealed class TokenBucket(double perMinute, int burst, TimeProvider time)
{
    /// <summary>What rounding takes away: whoever comes back when it was told to is let in.</summary>
    private const double Rounding = 1e-6;

    private readonly Lock _lock = new();
    private double _tokens = burst;
    private long _at = time.GetTimestamp();

    public double PerMinute => perMinute;
    public int Burst => burst;

    /// <returns>Null: they are taken; otherwise how long to wait for so many. More than <see cref="Burst"/> never come.</returns>
    public TimeSpan? Take(int count)
    {
        lock (_lock)
        {
            Fill();
            if (_tokens + Rounding < count) return Until(count);
            _tokens -= count;
            return null;
        }
    }

    public void GiveBack(int count)
    {
        lock (_lock)
        {
            Fill();
            _tokens = Math.Min(burst, _tokens + count);
        }
    }

    /// <summary>How many could be taken now, and how long it takes until it is full.</summary>
    public (int Remaining, TimeSpan Reset) Look()
    {
        lock (_lock)
        {
            Fill();
            return (Math.Max(0, (int)Math.Floor(_tokens + Rounding)), Until(burst));
        }
    }

    private TimeSpan Until(double count) => TimeSpan.FromTicks((long)Math.Ceiling(Math.Max(0, count - _tokens) / perMinute * TimeSpan.TicksPerMinute));

    private void Fill()
    {
        var now = time.GetTimestamp();
        _tokens = Math.Min(burst, _tokens + time.GetElapsedTime(_at, now).TotalMinutes * perMinute);
        _at = now;
    }
}
