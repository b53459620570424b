using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>
/// The threads that write. Texts join a running batch one prompt after the other in order of arrival, and leave it at their
/// end, limit, stop string or cancellation. What has no room in a batch waits, up to a bound.
/// </summary>
internal sealed class StoryLoop : IDisposable
{
    /// <summary>A thread with a batch of its own.</summary>
    private sealed class Lane : IDisposable
    {
        public AutoResetEvent Arrived { get; } = new(false);
        public required Thread Thread { get; init; }

        /// <summary>Texts that it has taken and not finished; changed under the gate.</summary>
        public int Load { get; set; }

        public void Dispose() => Arrived.Dispose();
    }

    private readonly Lock _gate = new();
    private readonly LinkedList<StoryJob> _waiting = new();
    private readonly StoryMetrics _metrics;
    private readonly Admission _admission;
    private Lane[] _lanes = [];
    private volatile bool _stopping;

    /// <param name="capacity">Texts written at once.</param>
    /// <param name="queue">Texts that may wait beyond those.</param>
    public StoryLoop(int capacity, int queue, StoryMetrics metrics)
    {
        (Capacity, _metrics) = (capacity, metrics);
        _admission = new Admission(capacity + queue, metrics.InFlight);
    }

    public int Capacity { get; }

    /// <summary>Nothing is admitted, and what was admitted is written.</summary>
    public bool Draining => _admission.Draining;

    /// <param name="lanes">Threads, which share the capacity evenly.</param>
    public void Start(MambaModel model, NeoxTokenizer tokenizer, int lanes = 1)
    {
        var rows = (Capacity + lanes - 1) / lanes;
        lock (_gate)
        {
            _lanes = new Lane[lanes];
            for (var i = 0; i < lanes; i++)
            {
                var index = i;
                _lanes[i] = new Lane { Thread = new Thread(() => Run(_lanes[index], model, tokenizer, rows)) { IsBackground = true, Name = "writing" } };
            }
        }
        foreach (var lane in _lanes)
            lane.Thread.Start();
    }

    /// <summary>Takes all tasks of a request, or none when too many wait.</summary>
    public IReadOnlyList<StoryJob>? TryAdmit(IReadOnlyList<StoryTask> tasks)
    {
        var jobs = tasks.Select(t => new StoryJob(t)).ToArray();
        lock (_gate)
        {
            DropCancelled();
            if (_stopping || !_admission.TryTake(tasks.Sum(t => t.Count)))
                return null;
            foreach (var job in jobs)
                _waiting.AddLast(job);
            _metrics.Queue(_waiting.Sum(j => j.Task.Count));
        }
        Wake();
        return jobs;
    }

    public void Drain(bool drain) => _admission.Drain(drain);

    /// <summary>Drains for good; the task ends when what was admitted is written.</summary>
    public Task EndAsync()
    {
        lock (_gate) DropCancelled();
        return _admission.EndAsync();
    }

    /// <summary>Ends with the running step; what is not written by then is never finished.</summary>
    public void Dispose()
    {
        _stopping = true;
        Wake();
        foreach (var lane in _lanes)
        {
            // The model must not go while a step runs on it.
            lane.Thread.Join();
            lane.Dispose();
        }
        _lanes = [];
    }

    private void Wake()
    {
        foreach (var lane in _lanes)
            lane.Arrived.Set();
    }

    private void Run(Lane lane, MambaModel model, NeoxTokenizer tokenizer, int rows)
    {
        using var writer = new StoryWriter(model, tokenizer, rows, _metrics, count => Release(lane, count));
        while (!_stopping)
        {
            try
            {
                if (!writer.Turn(() => Take(lane)))
                    lane.Arrived.WaitOne();
            }
            // The loop outlives whatever a turn runs into; its requests answer with the message, which is logged there.
            catch (Exception e)
            {
                writer.Fail(e);
            }
        }
    }

    // The first that waits, unless another lane has less to do: that one takes it within a step.
    private StoryJob? Take(Lane lane)
    {
        lock (_gate)
        {
            DropCancelled();
            var job = Array.Exists(_lanes, other => other.Load < lane.Load) ? null : _waiting.First?.Value;
            if (job is not null)
            {
                _waiting.RemoveFirst();
                lane.Load += job.Task.Count;
            }
            _metrics.Queue(_waiting.Sum(j => j.Task.Count));
            return job;
        }
    }

    private void Release(Lane lane, int count)
    {
        lock (_gate) lane.Load -= count;
        _admission.Release(count);
    }

    // Room that was kept for clients who left while they waited.
    private void DropCancelled()
    {
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.Task.Cancelled.IsCancellationRequested)
            {
                _waiting.Remove(node);
                _admission.Release(node.Value.Task.Count);
                foreach (var draft in node.Value.Drafts)
                    draft.Finish(null);
            }
            node = next;
        }
    }
}
