using System.Globalization;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <param name="Seconds">Of a full drawing, by pool.</param>
/// <param name="LoadSeconds">From the decision to start a worker until it serves, by pool.</param>
/// <param name="Start">Workers that serve at the start.</param>
/// <param name="Deadlines">Late requests are refused, as the gateway does; without, everything waits for its turn.</param>
/// <param name="Jitter">Relative standard deviation of a drawing's time.</param>
internal sealed record SimSettings(
    MixtureSpec Spec, double[] Seconds, double[] LoadSeconds, int[] Start, bool Deadlines, int Seed, double Jitter = 0.03);

/// <summary>
/// A discrete-event simulation of one mixture: the production scheduler, estimates, admission and planner on virtual time;
/// only the drawing itself is a number of seconds.
/// </summary>
internal sealed class Simulation(SimSettings settings, IFleetPolicy policy, Func<SimRequest, SimJob> classify)
{
    private enum Happening { Tick, Ready, Finish }

    private readonly MixtureSpec _spec = settings.Spec;
    private readonly Random _random = new(settings.Seed);
    private readonly PriorityQueue<(Happening What, SimWorker? Worker, Ticket? Ticket), (double At, long Order)> _events = new();
    private readonly RequestScheduler _scheduler = new(int.MaxValue);
    private readonly Dictionary<string, SimWorker> _byId = [];
    private readonly Dictionary<Ticket, SimTicket> _tickets = [];
    private readonly LatencyBand _band = new();
    private readonly SimLog _log = new();
    private readonly SimFleet _fleet = new(settings.Spec);
    private readonly double[] _drawn = new double[settings.Seconds.Length];
    private double _now;
    private long _order;
    private DegradeStep _step;
    private double _missWorkers;
    private (double At, double Misses, double Hits, double Work, double Raised) _since;

    public SimResult Run(IEnumerable<SimRequest> requests)
    {
        _fleet.Wanted = settings.Start;
        for (var pool = 0; pool < settings.Start.Length; pool++)
        {
            for (var i = 0; i < settings.Start[pool]; i++)
                Serve(_fleet.Add(pool));
        }
        Schedule(policy.TickSeconds, Happening.Tick);
        using var arrivals = requests.GetEnumerator();
        var more = arrivals.MoveNext();
        while (more || _scheduler.Waiting > 0 || _tickets.Count > 0)
        {
            if (more && (!_events.TryPeek(out _, out var next) || arrivals.Current.At <= next.At))
            {
                Pass(arrivals.Current.At);
                Arrive(arrivals.Current);
                more = arrivals.MoveNext();
            }
            else
            {
                var (what, worker, ticket) = _events.TryDequeue(out var e, out var at) ? e : throw new InvalidOperationException("nothing left to happen");
                Pass(at.At);
                Happen(what, worker, ticket);
            }
            Settle();
        }
        return _log.Result(_now);
    }

    private void Happen(Happening what, SimWorker? worker, Ticket? ticket)
    {
        switch (what)
        {
            case Happening.Tick:
                Plan();
                Schedule(policy.TickSeconds, Happening.Tick);
                break;
            case Happening.Ready:
                if (worker!.State == SimState.Loading) Serve(worker);
                break;
            case Happening.Finish:
                Finish(worker!, ticket!);
                break;
        }
    }

    private void Arrive(SimRequest request)
    {
        _log.Arrived++;
        var job = classify(request);
        if (job.Work <= 0)
        {
            _log.Completed(_now, 0, within: true, small: false);
            return;
        }
        var hit = job.Route == CacheRoute.Hit;
        _since = _since with
        {
            Misses = _since.Misses + (hit ? 0 : 1),
            Hits = _since.Hits + (hit ? 1 : 0),
            Work = _since.Work + (hit ? job.Work : 0),
            Raised = _since.Raised + (hit ? job.Raised : 0),
        };
        var work = hit && InForce(DegradeStep.HigherSkip) ? job.Raised : job.Work;
        var (wait, draw) = ArrivalEstimate.Of(View(), job.Route, work);
        var told = _band.Of(job.Route, wait, draw);
        if (settings.Deadlines && !AdmissionPolicy.Decide(wait > 0 ? told.Worst - draw : 0, draw, _spec.Slo.Latency).Admit)
        {
            _log.Refused(_now);
            return;
        }
        var limit = settings.Deadlines ? AdmissionPolicy.Limit(draw, _spec.Slo.Latency) - 1.05 * draw : 1e9;
        var ticket = new Ticket(job.Route, work, TimeSpan.FromSeconds(_now), TimeSpan.FromSeconds(_now + Math.Max(0.001, limit)));
        _tickets[ticket] = new SimTicket(_now, told);
        _scheduler.TryEnqueue([ticket]);
    }

    private void Finish(SimWorker worker, Ticket ticket)
    {
        _scheduler.Release(worker.Slot!);
        worker.Busy--;
        var seen = _tickets[ticket];
        _tickets.Remove(ticket);
        var latency = _now - seen.Arrived;
        _log.Completed(_now, latency, latency <= _spec.Slo.Latency.TotalSeconds, worker.Pool > 0);
        _log.Predicted(latency >= seen.Told.Low && latency <= seen.Told.High, seen.Told.Wait > 0);
        _band.Observe(seen.Told, latency);
        if (worker.State == SimState.Draining && worker.Busy == 0) Free(worker);
    }

    private void Plan()
    {
        var pools = settings.Seconds.Select((_, i) => new PoolLoad(
            _fleet.Count(i), _fleet.Busy(i), _drawn[i] > 0 ? _drawn[i] : settings.Seconds[i], settings.LoadSeconds[i])).ToList();
        var sample = new LoadSample
        {
            Seconds = _now - _since.At,
            Misses = _since.Misses,
            Hits = _since.Hits,
            HitWork = _since.Work,
            RaisedHitWork = _since.Raised,
            WaitingMisses = _scheduler.WaitingMisses,
            WaitingHits = _scheduler.WaitingHits,
            Pools = pools,
        };
        var plan = policy.Plan(sample, _now);
        _since = (_now, 0, 0, 0, 0);
        (_step, _missWorkers) = (plan.Step, plan.MissWorkers);
        _scheduler.SmallDrawsMisses = InForce(DegradeStep.SmallForMisses);
        _log.Planned(new SimTick(_now, (sample.Misses + sample.Hits) / sample.Seconds * 60, plan, _scheduler.Waiting));
        _fleet.Wanted = plan.Sizes;
    }

    /// <summary>Workers follow the plan; whatever can begin, begins; whoever has waited too long is told.</summary>
    private void Settle()
    {
        foreach (var worker in _fleet.Surplus())
        {
            if (worker.Slot is not null) _scheduler.Leave(worker.Slot.Id);
            worker.State = SimState.Draining;
            if (worker.Busy == 0) Free(worker);
        }
        while (_fleet.Missing() is { } pool)
        {
            var worker = _fleet.Add(pool);
            Schedule(settings.LoadSeconds[pool], Happening.Ready, worker);
        }
        foreach (var late in _scheduler.Expire(TimeSpan.FromSeconds(_now)))
        {
            _tickets.Remove(late);
            _log.Expired(_now);
        }
        if (_scheduler.Waiting == 0) return;
        foreach (var (ticket, slot) in _scheduler.Dispatch())
            Draw(ticket, _byId[slot.Id]);
    }

    private void Draw(Ticket ticket, SimWorker worker)
    {
        worker.Busy++;
        var noise = settings.Jitter * SimilarityHits.Gaussian(_random);
        var seconds = settings.Seconds[worker.Pool] * ticket.Work * Math.Clamp(1 + noise, 0.8, 1.2);
        var full = seconds / ticket.Work;
        ref var mean = ref _drawn[worker.Pool];
        mean = mean == 0 ? full : mean + 0.05 * (full - mean);
        Schedule(seconds, Happening.Finish, worker, ticket);
    }

    private void Serve(SimWorker worker)
    {
        worker.State = SimState.Ready;
        worker.Slot = new WorkerSlot(worker.Id.ToString("x8", CultureInfo.InvariantCulture), "m", worker.Pool == 0, worker.Pool, 1);
        _byId[worker.Slot.Id] = worker;
        _scheduler.Join(worker.Slot);
    }

    private void Free(SimWorker worker)
    {
        _fleet.Remove(worker);
        if (worker.Slot is not null) _byId.Remove(worker.Slot.Id);
    }

    private QueueView View()
    {
        var (large, small) = (_scheduler.Places(large: true), _scheduler.Places(large: false));
        // Those that load now will draw before most of the queue's turn comes.
        return new QueueView(Math.Max(large.Places, _fleet.Wanted[0]), Math.Max(small.Places, _fleet.Wanted.Skip(1).Sum()), large.Free, small.Free, _scheduler.WaitingMisses, _scheduler.WaitingHitWork,
            settings.Seconds[0], _fleet.SmallSeconds(settings.Seconds), _scheduler.SmallDrawsMisses, _missWorkers);
    }

    private bool InForce(DegradeStep step) => _step >= step && _spec.Slo.Degrade >= step;

    private void Pass(double at)
    {
        _log.GpuSeconds += _fleet.Gpus * (at - _now);
        _now = at;
    }

    private void Schedule(double after, Happening what, SimWorker? worker = null, Ticket? ticket = null) =>
        _events.Enqueue((what, worker, ticket), (_now + after, _order++));

    private readonly record struct SimTicket(double Arrived, LatencyEstimate Told);
}
