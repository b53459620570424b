namespace MoDM.Worker;

/// <summary>
/// How many images or texts a worker has taken on, and whether it takes more. An idle one also takes a request that is larger
/// than the limit. Safe for concurrent use.
/// </summary>
internal sealed class Admission(int limit, Action<int> changed)
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _draining, _ending;
    private int _admitted;

    /// <summary>Nothing is taken, and what was taken is finished.</summary>
    public bool Draining => _draining || _ending;

    /// <summary>Nothing is taken on, and anything would be.</summary>
    public bool Idle
    {
        get { lock (_gate) return !Draining && _admitted == 0; }
    }

    public bool TryTake(int count)
    {
        lock (_gate)
        {
            if (Draining || (_admitted > 0 && _admitted + count > limit))
                return false;
            changed(_admitted += count);
            return true;
        }
    }

    public void Release(int count)
    {
        lock (_gate)
        {
            changed(_admitted -= count);
            if (_ending && _admitted == 0) _drained.TrySetResult();
        }
    }

    /// <summary>Drains until told otherwise; an end is for good.</summary>
    public void Drain(bool drain)
    {
        lock (_gate) _draining = drain;
    }

    /// <summary>Drains for good; the task ends when what was taken is finished.</summary>
    public Task EndAsync()
    {
        lock (_gate)
        {
            _ending = true;
            if (_admitted == 0) _drained.TrySetResult();
        }
        return _drained.Task;
    }
}
