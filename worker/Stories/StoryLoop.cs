using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>
/// The one thread that writes. Texts join the running batch one prompt after the other in order of arrival, and leave it at
/// their end, limit, stop string or cancellation. What has no room in the batch waits, up to a bound.
/// </summary>
internal sealed class StoryLoop : IDisposable
{
    private readonly Lock _gate = new();
    private readonly AutoResetEvent _arrived = new(false);
    private readonly LinkedList<StoryJob> _waiting = new();
    private readonly StoryMetrics _metrics;
    private readonly Admission _admission;
    private Thread? _thread;
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

    public void Start(MambaModel model, NeoxTokenizer tokenizer)
    {
        _thread = new Thread(() => Run(model, tokenizer)) { IsBackground = true, Name = "writing" };
        _thread.Start();
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
        _arrived.Set();
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
        _arrived.Set();
        // The model must not go while a step runs on it.
        _thread?.Join();
        _arrived.Dispose();
    }

    private void Run(MambaModel model, NeoxTokenizer tokenizer)
    {
        using var writer = new StoryWriter(model, tokenizer, Capacity, _metrics, _admission.Release);
        while (!_stopping)
        {
            try
            {
                if (!writer.Turn(Take))
                    _arrived.WaitOne();
            }
            // The loop outlives whatever a turn runs into; its requests answer with the message, which is logged there.
            catch (Exception e)
            {
                writer.Fail(e);
            }
        }
    }

    private StoryJob? Take()
    {
        lock (_gate)
        {
            DropCancelled();
            var job = _waiting.First?.Value;
            if (job is not null)
                _waiting.RemoveFirst();
            _metrics.Queue(_waiting.Sum(j => j.Task.Count));
            return job;
        }
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
