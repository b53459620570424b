using MoDM.Mixture;

namespace MoDM.Planning;

/// <summary>
/// What a number of workers in each pool means for a demand: whether it is enough, and which latency to expect.
/// <code>
/// S_i   seconds of a full drawing in pool i          a_m = R_m S_L   large workers that misses keep busy
/// w     mean share of the schedule a hit has left    b   = R_h w     full drawings a second that hits ask for
/// </code>
/// Misses come first on large workers; hits have the small workers and what misses leave of the large ones
/// (arXiv 2503.11972, section 5). What waits already counts as arriving within the time in which it should be gone.
/// </summary>
internal sealed class Forecast
{
    private readonly double[] _seconds;
    private readonly Demand _demand;
    private readonly double _percentile;
    private readonly double _miss;
    private readonly double _hit;
    private readonly double _limit;
    private readonly DegradeStep _deepest;

    /// <param name="seconds">Of a full drawing, by pool.</param>
    public Forecast(SloSpec slo, double[] seconds, Demand demand)
    {
        (_seconds, _demand, _deepest) = (seconds, demand, slo.Degrade);
        (_percentile, _limit) = (slo.Percentile / 100, slo.Latency.TotalSeconds);
        var drain = Math.Max(60, _limit);
        (_miss, _hit) = (demand.MissRate + demand.WaitingMisses / drain, demand.HitRate + demand.WaitingHits / drain);
    }

    public double Seconds(int pool) => _seconds[pool];

    /// <summary>Large workers that the misses keep busy.</summary>
    public double MissWorkers => _miss * _seconds[0];

    /// <summary>Images a second, those that wait counted in.</summary>
    public double Rate => _miss + _hit;

    /// <summary>Images a second that n workers can draw at the demand's mix, when the queue never runs dry.</summary>
    public double Capacity(int[] n, DegradeStep step)
    {
        var share = _miss + _hit > 0 ? _hit / (_miss + _hit) : 0;
        var work = share * Work(step) + (1 - share);
        var all = work > 0 ? Speed(n, 0) / work : double.PositiveInfinity;
        var misses = SmallDrawsMisses(step) || share >= 1 ? double.PositiveInfinity : n[0] / ((1 - share) * _seconds[0]);
        return Math.Min(all, misses);
    }

    public bool MissesFit(int large) =>
        _miss <= 0 || Fits(Miss(large, MissWorkers / large), Within(_seconds[0]));

    public bool HitsFit(int[] n, DegradeStep step) => _hit <= 0 || Fits(Hit(n, step), Within(SlowestHit(n, step)));

    /// <summary>Both kinds of requests stay within the SLO.</summary>
    public bool IsEnough(int[] n, DegradeStep step)
    {
        if (!SmallDrawsMisses(step)) return MissesFit(n[0]) && HitsFit(n, step);
        return (_miss <= 0 || Fits(Together(n, 1, step), Within(Slowest(n, 1))))
            && (_hit <= 0 || Fits(Together(n, Work(step), step), Within(SlowestHit(n, step))));
    }

    /// <summary>Seconds that the SLO's percentile of all requests stays within; infinity when the queue would only grow.</summary>
    public double Latency(int[] n, DegradeStep step)
    {
        var (miss, hit) = !SmallDrawsMisses(step)
            ? (Miss(n[0], LargeUtilisation(n, step)), Hit(n, step))
            : (Together(n, 1, step), Together(n, Work(step), step));
        if (_miss + _hit <= 0) return miss.Service;
        var missShare = _miss / (_miss + _hit);
        double Late(double t) => (missShare > 0 ? missShare * miss.Tail(t) : 0) + (missShare < 1 ? (1 - missShare) * hit.Tail(t) : 0);
        var (low, high) = (0.0, 3600.0);
        while (Late(high) > 1 - _percentile)
        {
            if (high > 1e6) return double.PositiveInfinity;
            high *= 2;
        }
        for (var i = 0; i < 40; i++)
        {
            var middle = (low + high) / 2;
            (low, high) = Late(middle) > 1 - _percentile ? (middle, high) : (low, middle);
        }
        return high;
    }

    /// <summary>A step cannot go further than the document allows, whatever else is refused.</summary>
    private double Work(DegradeStep step) => _demand.WorkOf(step < _deepest ? step : _deepest);

    private bool SmallDrawsMisses(DegradeStep step) => step >= DegradeStep.SmallForMisses && _deepest >= DegradeStep.SmallForMisses;

    private bool Fits(Sojourn sojourn, double limit) => sojourn.Percentile(_percentile) <= limit;

    /// <summary>An image that takes longer than the SLO on an idle worker shall at least not wait long.</summary>
    private double Within(double service) => Math.Max(_limit, 1.5 * service);

    /// <summary>Misses do not wait for hits that wait, only for one that is being drawn.</summary>
    private Sojourn Miss(int large, double utilisation) => new(
        _seconds[0], Queueing.WaitProbability(large, utilisation),
        Queueing.MeanWait(large, large > 0 ? MissWorkers / large : 1, _seconds[0]));

    private Sojourn Hit(int[] n, DegradeStep step)
    {
        var work = Work(step);
        var spare = Math.Max(0, n[0] - MissWorkers);
        var (speed, servers) = (Speed(n, 1) + spare / _seconds[0], spare + Small(n));
        if (speed <= 0) return new Sojourn(SlowestHit(n, step), 1, double.PositiveInfinity);
        var utilisation = _hit * work / speed;
        return new Sojourn(SlowestHit(n, step), Queueing.WaitProbability(servers, utilisation),
            Queueing.MeanWait(servers, utilisation, work * servers / speed));
    }

    /// <summary>Every worker takes everything.</summary>
    private Sojourn Together(int[] n, double work, DegradeStep step)
    {
        var (speed, servers) = (Speed(n, 0), n[0] + Small(n));
        if (speed <= 0) return new Sojourn(work * _seconds[0], 1, double.PositiveInfinity);
        var mean = (_miss + _hit * Work(step)) / (_miss + _hit);
        var utilisation = (_miss + _hit) * mean / speed;
        return new Sojourn(work * Slowest(n, 1), Queueing.WaitProbability(servers, utilisation),
            Queueing.MeanWait(servers, utilisation, mean * servers / speed));
    }

    private double LargeUtilisation(int[] n, DegradeStep step)
    {
        if (n[0] == 0) return 1;
        var overflow = Math.Max(0, _hit * Work(step) - Speed(n, 1)) * _seconds[0];
        return Math.Min(1, (MissWorkers + overflow) / n[0]);
    }

    /// <summary>A hit on the slowest worker that a share of them worth counting is drawn by.</summary>
    private double SlowestHit(int[] n, DegradeStep step)
    {
        var work = Work(step);
        var overflow = _hit * work - Speed(n, 1);
        return work * (overflow > (1 - _percentile) * _hit * work ? Math.Max(_seconds[0], Slowest(n, 1)) : Slowest(n, 1));
    }

    private double Slowest(int[] n, int from)
    {
        var slowest = 0.0;
        for (var i = from; i < n.Length; i++)
        {
            if (n[i] > 0) slowest = Math.Max(slowest, _seconds[i]);
        }
        return slowest > 0 ? slowest : _seconds[0];
    }

    private double Speed(int[] n, int from)
    {
        var speed = 0.0;
        for (var i = from; i < n.Length; i++)
            speed += n[i] / _seconds[i];
        return speed;
    }

    private static int Small(int[] n)
    {
        var sum = 0;
        for (var i = 1; i < n.Length; i++)
            sum += n[i];
        return sum;
    }
}
