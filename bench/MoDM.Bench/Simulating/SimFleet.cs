using MoDM.Mixture;

namespace MoDM.Bench.Simulating;

internal enum SimState { Loading, Ready, Draining }

internal sealed class SimWorker(int id, int pool)
{
    public int Id => id;
    public int Pool => pool;
    public SimState State { get; set; }
    public int Busy { get; set; }
    public Gateway.Scheduling.WorkerSlot? Slot { get; set; }
}

/// <summary>The GPUs that are held: a worker that drains keeps its GPU until its image is done.</summary>
internal sealed class SimFleet(MixtureSpec spec)
{
    private readonly int[] _gpus = [.. spec.Pools.Select(p => p.GpusPerReplica)];
    private readonly List<SimWorker>[] _pools = [.. spec.Pools.Select(_ => new List<SimWorker>())];
    private readonly int[] _draining = new int[spec.Pools.Count()];
    private IReadOnlyList<int> _wanted = [];
    private bool _settled;
    private int _ids;

    public int Gpus { get; private set; }

    public IReadOnlyList<int> Wanted
    {
        get => _wanted;
        set => (_wanted, _settled) = (value, false);
    }

    public int Count(int pool) => _pools[pool].Count;

    public int Busy(int pool) => _pools[pool].Sum(w => w.Busy);

    public SimWorker Add(int pool)
    {
        var worker = new SimWorker(_ids++, pool);
        _pools[pool].Add(worker);
        Gpus += _gpus[pool];
        return worker;
    }

    public void Remove(SimWorker worker)
    {
        _pools[worker.Pool].Remove(worker);
        _draining[worker.Pool]--;
        Gpus -= _gpus[worker.Pool];
        _settled = false;
    }

    /// <summary>Workers that the plan has no place for, those that do least first; they are the caller's to drain.</summary>
    public IReadOnlyList<SimWorker> Surplus()
    {
        if (_settled) return [];
        var surplus = new List<SimWorker>();
        for (var pool = 0; pool < _pools.Length; pool++)
        {
            var too = _pools[pool].Count - _draining[pool] - Wanted[pool];
            if (too <= 0) continue;
            surplus.AddRange(_pools[pool].Where(w => w.State != SimState.Draining)
                .OrderBy(w => w.State).ThenBy(w => w.Busy).Take(too));
            _draining[pool] += too;
        }
        return surplus;
    }

    /// <summary>A pool that lacks a worker for which there is a GPU; null when there is none.</summary>
    public int? Missing()
    {
        if (_settled) return null;
        for (var pool = 0; pool < _pools.Length; pool++)
        {
            if (_pools[pool].Count - _draining[pool] < Wanted[pool] && Gpus + _gpus[pool] <= spec.GpuBudget) return pool;
        }
        _settled = true;
        return null;
    }

    /// <summary>Mean seconds of a full drawing over the small workers.</summary>
    public double SmallSeconds(double[] seconds)
    {
        var (count, speed) = (0, 0.0);
        for (var pool = 1; pool < _pools.Length; pool++)
            (count, speed) = (count + _pools[pool].Count, speed + _pools[pool].Count / seconds[pool]);
        return speed > 0 ? count / speed : seconds[^1];
    }
}
