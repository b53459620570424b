using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Scheduling;

/// <summary>A request's images as they come to the queue.</summary>
/// <param name="Came">When the request did, on the queue's clock.</param>
/// <param name="Work">Share of the mixture's T steps that each image has to draw.</param>
/// <param name="UsualWork">The same as the hit policy has it while the workers are enough.</param>
/// <param name="RaisedWork">The same at <see cref="DegradeStep.HigherSkip"/>.</param>
/// <param name="Tenant">Whose they are.</param>
/// <param name="Weight">Its share beside the other tenants'.</param>
internal readonly record struct Arrival(
    TimeSpan Came, CacheRoute Route, int Images, double Work, double UsualWork, double RaisedWork, string Tenant = "", double Weight = 1);

/// <summary>What has arrived since the start, refused images too; work is in full drawings.</summary>
internal readonly record struct ArrivedLoad(double Misses, double MissWork, double Hits, double HitWork, double RaisedHitWork)
{
    public static ArrivedLoad operator -(ArrivedLoad a, ArrivedLoad b) => new(
        a.Misses - b.Misses, a.MissWork - b.MissWork, a.Hits - b.Hits, a.HitWork - b.HitWork, a.RaisedHitWork - b.RaisedHitWork);
}

/// <summary>
/// Measures what the planner decides by: what arrives, how long a full drawing takes in each pool, and how long a worker
/// takes to load. Misses count by their work, since an edit or a short schedule asks for less than a full drawing.
/// </summary>
internal sealed class LoadMeter
{
    /// <summary>Weight of what was measured before, at each new drawing.</summary>
    private const double Memory = 0.9;

    /// <summary>
    /// How much faster than the large model a small one is taken to be that has drawn nothing yet. Were it taken to be as slow,
    /// a pool without workers would never get one, and so never be timed.
    /// </summary>
    private const double GuessedSpeedUp = 3;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly string[] _models;
    private readonly Speed[] _speeds;
    private readonly double[] _loadSeconds, _capacities;
    private ArrivedLoad _arrived, _taken;
    private long _since;

    public LoadMeter(MixtureSpec spec, TimeProvider time)
    {
        (_time, _since) = (time, time.GetTimestamp());
        _models = [.. spec.Pools.Select(p => p.Name)];
        (_speeds, _loadSeconds) = (new Speed[_models.Length], new double[_models.Length]);
        _capacities = [.. _models.Select(_ => 1.0)];
    }

    public ArrivedLoad Total
    {
        get { lock (_lock) return _arrived; }
    }

    /// <summary>Also what is then refused: it is demand.</summary>
    public void Arrived(Arrival arrival)
    {
        lock (_lock)
        {
            var n = arrival.Images;
            _arrived = arrival.Route == CacheRoute.Miss
                ? _arrived with { Misses = _arrived.Misses + n, MissWork = _arrived.MissWork + n * arrival.Work }
                : _arrived with
                {
                    Hits = _arrived.Hits + n,
                    HitWork = _arrived.HitWork + n * arrival.UsualWork,
                    RaisedHitWork = _arrived.RaisedHitWork + n * arrival.RaisedWork,
                };
        }
    }

    /// <param name="pool">Its place in the document; 0 is the large one.</param>
    /// <param name="seconds">From when the image was sent to a worker until it came back.</param>
    /// <param name="work">Share of the mixture's T steps that was drawn.</param>
    public void Drew(int pool, double seconds, double work)
    {
        lock (_lock) _speeds[pool] = _speeds[pool].With(seconds, work);
    }

    /// <summary>What was measured goes on counting when a full drawing has another number of steps.</summary>
    public void StepsChanged(int before, int now)
    {
        lock (_lock)
        {
            for (var i = 0; i < _speeds.Length; i++)
                _speeds[i] = _speeds[i] with { Took = _speeds[i].Took * now / before };
        }
    }

    /// <param name="seconds">From the start of the process until it was ready.</param>
    public void Loaded(int pool, double seconds)
    {
        lock (_lock) _loadSeconds[pool] = _loadSeconds[pool] > 0 ? (_loadSeconds[pool] + seconds) / 2 : seconds;
    }

    /// <summary>Of all T steps of one image; null before a worker of the pool has drawn one.</summary>
    public double? DrawSeconds(int pool)
    {
        lock (_lock) return _speeds[pool].Seconds;
    }

    /// <summary>
    /// The same for one image of a worker that draws several at once, as the planner has it; null before one was timed.
    /// </summary>
    public IReadOnlyList<double?> SecondsPerImage(QueueSnapshot queue)
    {
        lock (_lock) return [.. _models.Select((model, i) => PerImage(i, LoadsOf(model, queue)))];
    }

    /// <summary>What came since the last call.</summary>
    /// <param name="workers">That exist in each pool, starting ones too, those that are about to end not.</param>
    public LoadSample Take(QueueSnapshot queue, IReadOnlyList<int> workers)
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            var came = _arrived - _taken;
            var sample = new LoadSample
            {
                Seconds = _time.GetElapsedTime(_since, now).TotalSeconds,
                Misses = came.MissWork,
                Hits = came.Hits,
                HitWork = came.HitWork,
                RaisedHitWork = came.RaisedHitWork,
                WaitingMisses = (int)Math.Ceiling(queue.MissWork),
                WaitingHits = queue.Hits,
                Pools = [.. _models.Select((model, i) => PoolOf(i, workers[i], LoadsOf(model, queue)))],
            };
            (_since, _taken) = (now, _arrived);
            return sample;
        }
    }

    private static WorkerLoad[] LoadsOf(string model, QueueSnapshot queue) => [.. queue.Workers.Where(w => w.Model == model)];

    private PoolLoad PoolOf(int pool, int workers, WorkerLoad[] loads) => new(
        workers, loads.Sum(w => w.InFlight),
        PerImage(pool, loads) ?? (pool == 1 ? _speeds[0].Seconds / GuessedSpeedUp : null), _loadSeconds[pool]);

    /// <summary>
    /// A worker that draws c images at once in S seconds is, to the planner, one that needs S / c for each. A pool that has
    /// no worker just now draws as its last ones did.
    /// </summary>
    private double? PerImage(int pool, WorkerLoad[] loads)
    {
        if (loads.Length > 0) _capacities[pool] = loads.Average(w => w.Capacity);
        return _speeds[pool].Seconds / _capacities[pool];
    }

    /// <summary>
    /// Seconds and work, each averaged over the last drawings: their ratio counts a drawing by its length, so that a refinement
    /// of a few steps, most of whose time is overhead, does not pass for a slow worker.
    /// </summary>
    private readonly record struct Speed(double Took, double Work)
    {
        public double? Seconds => Work > 0 ? Took / Work : null;

        public Speed With(double seconds, double work) => new(Memory * Took + seconds, Memory * Work + work);
    }
}
