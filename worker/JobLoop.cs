using System.Diagnostics;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker;

/// <summary>An admitted image and who waits for it.</summary>
internal sealed class Job(ImageTask task, bool inBackground = false)
{
    private readonly TaskCompletionSource<DrawnImage> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ImageTask Task => task;

    /// <summary>Nobody waits for it, and it is not counted as admitted.</summary>
    public bool InBackground => inBackground;

    /// <summary>The image; cancelled when the task was.</summary>
    public Task<DrawnImage> Done => _done.Task;

    public void Finish(DrawnImage? image)
    {
        if (image is null)
            _done.TrySetCanceled(task.Cancelled);
        else
            _done.TrySetResult(image);
    }

    public void Fail(Exception e) => _done.TrySetException(e);
}

/// <summary>
/// The one thread that draws. Images are admitted up to the capacity, which is the largest batch; an idle worker also
/// takes a request of more images, which then run in several batches. A batch takes what waits and fits together at its
/// start: what is admitted meanwhile waits for the next. There is no queue beyond that; the gateway has one.
/// </summary>
internal sealed class JobLoop : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private readonly LinkedList<Job> _waiting = new();
    private readonly WorkerMetrics _metrics;
    private readonly Admission _admission;
    private volatile bool _stopping;
    private Thread? _drawing;

    /// <summary>Ends the job in the background, while there is one.</summary>
    private CancellationTokenSource? _makeWay;

    public JobLoop(int capacity, WorkerMetrics metrics)
    {
        (Capacity, _metrics) = (capacity, metrics);
        _admission = new Admission(capacity, metrics.InFlight);
    }

    public int Capacity { get; }

    /// <summary>Nothing is admitted, and what was admitted is drawn.</summary>
    public bool Draining => _admission.Draining;

    public void Start(DiffusionPipeline pipeline)
    {
        pipeline.Stepped = _metrics.Step;
        _drawing = new Thread(() => Run(pipeline)) { IsBackground = true, Name = "denoising" };
        _drawing.Start();
    }

    /// <summary>Takes all tasks of a request, or none when the worker is busy.</summary>
    public IReadOnlyList<Job>? TryAdmit(IReadOnlyList<ImageTask> tasks)
    {
        var jobs = tasks.Select(t => new Job(t)).ToArray();
        lock (_gate)
        {
            DropCancelled();
            if (_stopping || !_admission.TryTake(jobs.Length))
                return null;
            _makeWay?.Cancel();
            foreach (var job in jobs)
                _waiting.AddLast(job);
        }
        _arrived.Release();
        return jobs;
    }

    /// <summary>
    /// Takes an image that nobody waits for, when there is nothing else. It takes no room: it ends at its next step as soon as
    /// anything is admitted, which is drawn then.
    /// </summary>
    public IReadOnlyList<Job>? TryAdmitInBackground(ImageTask task)
    {
        Job job;
        lock (_gate)
        {
            if (_stopping || _makeWay is not null || !_admission.Idle) return null;
            _makeWay = CancellationTokenSource.CreateLinkedTokenSource(task.Cancelled);
            _waiting.AddLast(job = new Job(task with { Cancelled = _makeWay.Token }, inBackground: true));
        }
        _arrived.Release();
        return [job];
    }

    public void Drain(bool drain)
    {
        _admission.Drain(drain);
        if (drain) MakeWay();
    }

    /// <summary>Drains for good; the task ends when what was admitted is drawn.</summary>
    public Task EndAsync()
    {
        lock (_gate) DropCancelled();
        MakeWay();
        return _admission.EndAsync();
    }

    /// <summary>Ends with the running batch, one in the background with its running step; what waits is never drawn.</summary>
    public void Dispose()
    {
        _stopping = true;
        MakeWay();
        _arrived.Release();
        _drawing?.Join(); // The model must not go while a step runs on it.
    }

    private void MakeWay()
    {
        lock (_gate) _makeWay?.Cancel();
    }

    private void Run(DiffusionPipeline pipeline)
    {
        while (!_stopping)
        {
            var batch = Take();
            if (batch.Count == 0)
                _arrived.Wait();
            else
                Draw(pipeline, batch);
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
                Release([node.Value]);
                node.Value.Finish(null);
            }
            node = next;
        }
    }

    private void Release(IReadOnlyList<Job> jobs)
    {
        lock (_gate)
        {
            _admission.Release(jobs.Count(j => !j.InBackground));
            if (!jobs.Any(j => j.InBackground)) return;
            _makeWay!.Dispose();
            _makeWay = null;
        }
    }

    private List<Job> Take()
    {
        lock (_gate)
        {
            var batch = new List<Job>();
            for (var node = _waiting.First; node is not null && batch.Count < Capacity;)
            {
                var next = node.Next;
                if (batch.Count == 0 || batch[0].Task.FitsWith(node.Value.Task))
                {
                    batch.Add(node.Value);
                    _waiting.Remove(node);
                }
                node = next;
            }
            return batch;
        }
    }

    private void Draw(DiffusionPipeline pipeline, List<Job> batch)
    {
        var start = Stopwatch.GetTimestamp();
        DrawnImage?[]? images = null;
        Exception? failure = null;
        try
        {
            images = pipeline.Draw([.. batch.Select(j => j.Task)]);
            _metrics.Generation(Stopwatch.GetElapsedTime(start), images.Count(i => i is not null));
        }
        // The loop outlives whatever one batch runs into; its requests answer with the message, which is logged there.
        catch (Exception e)
        {
            failure = e;
        }
        // Free before anyone is told, so that whoever is told may send the next request.
        Release(batch);
        for (var i = 0; i < batch.Count; i++)
        {
            if (failure is null)
                batch[i].Finish(images![i]);
            else
                batch[i].Fail(failure);
        }
    }
}
