namespace MoDM.Bench.Simulating;

/// <summary>A plan, and what it was made from.</summary>
internal sealed record SimTick(double At, double PerMinute, SimPlan Plan, int Waiting);

/// <summary>What became of the requests that came, or ended, within a minute.</summary>
internal sealed class SimMinute
{
    public int Completed { get; set; }
    public int Within { get; set; }
    public int Refused { get; set; }
    public int Expired { get; set; }
}

internal sealed class SimLog
{
    private readonly List<float> _latencies = [];
    private readonly List<SimMinute> _minutes = [];
    private readonly List<SimTick> _ticks = [];
    private int _within;
    private int _refused;
    private int _expired;
    private int _bySmall;
    private int _predicted;
    private int _inBand;
    private int _queuedInBand;
    private int _queued;
    private double _last;

    public int Arrived { get; set; }
    public double GpuSeconds { get; set; }

    public void Completed(double now, double latency, bool within, bool small)
    {
        _latencies.Add((float)latency);
        Minute(now).Completed++;
        if (within) Minute(now).Within++;
        _within += within ? 1 : 0;
        _bySmall += small ? 1 : 0;
        _last = now;
    }

    public void Predicted(bool inBand, bool queued)
    {
        _predicted++;
        _inBand += inBand ? 1 : 0;
        _queued += queued ? 1 : 0;
        _queuedInBand += queued && inBand ? 1 : 0;
    }

    public void Refused(double now)
    {
        _refused++;
        Minute(now).Refused++;
    }

    public void Expired(double now)
    {
        _expired++;
        Minute(now).Expired++;
    }

    public void Planned(SimTick tick) => _ticks.Add(tick);

    public SimResult Result(double now) => new()
    {
        Seconds = now,
        Arrived = Arrived,
        Completed = _latencies.Count,
        Refused = _refused,
        Expired = _expired,
        BySmall = _bySmall,
        PerMinute = _last > 0 ? _latencies.Count / _last * 60 : 0,
        Attainment = Arrived > 0 ? (double)_within / Arrived : 1,
        AttainmentOfAccepted = Arrived > _refused ? (double)_within / (Arrived - _refused) : 1,
        GpuHours = GpuSeconds / 3600,
        InBand = _predicted > 0 ? (double)_inBand / _predicted : double.NaN,
        QueuedInBand = _queued > 0 ? (double)_queuedInBand / _queued : double.NaN,
        Latencies = _latencies,
        Minutes = _minutes,
        Ticks = _ticks,
    };

    private SimMinute Minute(double now)
    {
        var minute = (int)(now / 60);
        while (_minutes.Count <= minute)
            _minutes.Add(new SimMinute());
        return _minutes[minute];
    }
}

internal sealed record SimResult
{
    public required double Seconds { get; init; }
    public required int Arrived { get; init; }
    public required int Completed { get; init; }

    /// <summary>At arrival.</summary>
    public required int Refused { get; init; }

    /// <summary>Let in, but not begun in time.</summary>
    public required int Expired { get; init; }
    public required int BySmall { get; init; }

    /// <summary>Completed, until the last one.</summary>
    public required double PerMinute { get; init; }

    /// <summary>Share of all arrivals that had their image within the SLO.</summary>
    public required double Attainment { get; init; }
    public required double AttainmentOfAccepted { get; init; }
    public required double GpuHours { get; init; }

    /// <summary>Share of the outcomes within the 80 % band that was predicted at arrival; and of those that had to queue.</summary>
    public required double InBand { get; init; }
    public required double QueuedInBand { get; init; }
    public required IReadOnlyList<float> Latencies { get; init; }
    public required IReadOnlyList<SimMinute> Minutes { get; init; }
    public required IReadOnlyList<SimTick> Ticks { get; init; }

    public double Percentile(double p) => Percentiles.Of(Latencies.Select(l => (double)l), p);

    /// <summary>Workers that were moved or removed, and how often: plans with a smaller pool than the one before.</summary>
    public int Swaps => Ticks.Zip(Ticks.Skip(1)).Count(t => t.First.Plan.Sizes.Zip(t.Second.Plan.Sizes).Any(s => s.Second < s.First));
}
