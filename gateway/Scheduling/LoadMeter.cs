using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Scheduling;

/// <summary>A request's images as they come to the queue.</summary>
/// <param name="Came">When the request did, on the queue's clock.</param>
/// <param name="Work">Share of the mixture's T steps that each image has to draw.</param>
/// <param name="UsualWork">The same as the hit policy has it while the workers are enough.</param>
/// <param name="RaisedWork">The same at <see cref="DegradeStep.HigherSkip"/>.</param>
internal readonly record struct Arrival(
    TimeSpan Came, CacheRoute Route, int Images, double Work, double UsualWork, double RaisedWork);

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
    private readonly double[] _loadSeconds;
    private long _since;
    private double _misses, _hits, _hitWork, _raisedHitWork;

    public LoadMeter(MixtureSpec spec, TimeProvider time)
    {
        (_time, _since) = (time, time.GetTimestamp());
        _models = [.. spec.Pools.Select(p => p.Name)];
        (_speeds, _loadSeconds) = (new Speed[_models.Length], new double[_models.Length]);
    }

    /// <summary>Also what is then refused: it is demand.</summary>
    public void Arrived(Arrival arrival)
    {
        lock (_lock)
        {
            if (arrival.Route == CacheRoute.Miss)
            {
                _misses += arrival.Images * arrival.Work;
                return;
            }
            _hits += arrival.Images;
            _hitWork += arrival.Images * arrival.UsualWork;
            _raisedHitWork += arrival.Images * arrival.RaisedWork;
        }
    }

    /// <param name="pool">Its place in the document; 0 is the large one.</param>
    /// <param name="seconds">From when the image was sent to a worker until it came back.</param>
    /// <param name="work">Share of the mixture's T steps that was drawn.</param>
    public void Drew(int pool, double seconds, double work)
    {
        lock (_lock) _speeds[pool] = _speeds[pool].With(seconds, work);
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

    /// <summary>What came since the last call.</summary>
    /// <param name="workers">That exist in each pool, starting ones too, those that are about to end not.</param>
    public LoadSample Take(QueueSnapshot queue, IReadOnlyList<int> workers)
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            var sample = new LoadSample
            {
                Seconds = _time.GetElapsedTime(_since, now).TotalSeconds,
                Misses = _misses,
                Hits = _hits,
                HitWork = _hitWork,
                RaisedHitWork = _raisedHitWork,
                WaitingMisses = (int)Math.Ceiling(queue.MissWork),
                WaitingHits = queue.Hits,
                Pools = [.. _models.Select((model, i) => PoolOf(i, workers[i], [.. queue.Workers.Where(w => w.Model == model)]))],
            };
            (_since, _misses, _hits, _hitWork, _raisedHitWork) = (now, 0, 0, 0, 0);
            return sample;
        }
    }

    /// <summary>A worker that draws c images at once in S seconds is, to the planner, one that needs S / c for each.</summary>
    private PoolLoad PoolOf(int pool, int workers, WorkerLoad[] loads)
    {
        var seconds = _speeds[pool].Seconds / (loads.Length > 0 ? loads.Average(w => w.Capacity) : 1);
        return new(workers, loads.Sum(w => w.InFlight), seconds ?? (pool == 1 ? _speeds[0].Seconds / GuessedSpeedUp : null), _loadSeconds[pool]);
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
