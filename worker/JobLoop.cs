using System.Diagnostics;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker;

/// <summary>An admitted image and who waits for it.</summary>
internal sealed class Job(ImageTask task)
{
    private readonly TaskCompletionSource<DrawnImage> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ImageTask Task => task;

    /// <summary>The image; cancelled when the task was.</summary>
    public Task<DrawnImage> Done => done.Task;

    public void Finish(DrawnImage? image)
    {
        if (image is null)
            done.TrySetCanceled(task.Cancelled);
        else
            done.TrySetResult(image);
    }

    public void Fail(Exception e) => done.TrySetException(e);
}

/// <summary>
/// The one thread that draws. Images are admitted up to the capacity, which is the largest batch; an idle worker also
/// takes a request of more images, which then run in several batches. A batch takes what waits and fits together at its
/// start: what is admitted meanwhile waits for the next. There is no queue beyond that; the gateway has one.
/// </summary>
internal sealed class JobLoop : IDisposable
{
    private readonly Lock gate = new();
    private readonly SemaphoreSlim arrived = new(0);
    private readonly LinkedList<Job> waiting = new();
    private readonly WorkerMetrics metrics;
    private volatile bool stopping;
    private int admitted;

    public JobLoop(int capacity, WorkerMetrics metrics) => (Capacity, this.metrics) = (capacity, metrics);

    public int Capacity { get; }

    public void Start(DiffusionPipeline pipeline)
    {
        pipeline.Stepped = metrics.Step;
        new Thread(() => Run(pipeline)) { IsBackground = true, Name = "denoising" }.Start();
    }

    /// <summary>Takes all tasks of a request, or none when the worker is busy.</summary>
    public IReadOnlyList<Job>? TryAdmit(IReadOnlyList<ImageTask> tasks)
    {
        var jobs = tasks.Select(t => new Job(t)).ToArray();
        lock (gate)
        {
            if (stopping || (admitted > 0 && admitted + jobs.Length > Capacity))
                return null;
            admitted += jobs.Length;
            metrics.InFlight(admitted);
            foreach (var job in jobs)
                waiting.AddLast(job);
        }
        arrived.Release();
        return jobs;
    }

    public void Dispose()
    {
        stopping = true;
        arrived.Release();
    }

    private void Run(DiffusionPipeline pipeline)
    {
        while (!stopping)
        {
            var batch = Take();
            if (batch.Count == 0)
                arrived.Wait();
            else
                Draw(pipeline, batch);
        }
    }

    private List<Job> Take()
    {
        lock (gate)
        {
            var batch = new List<Job>();
            for (var node = waiting.First; node is not null && batch.Count < Capacity;)
            {
                var next = node.Next;
                if (batch.Count == 0 || batch[0].Task.FitsWith(node.Value.Task))
                {
                    batch.Add(node.Value);
                    waiting.Remove(node);
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
            metrics.Generation(Stopwatch.GetElapsedTime(start), images.Count(i => i is not null));
        }
        // The loop outlives whatever one batch runs into; its requests answer 500 with the message, which is logged there.
        catch (Exception e)
        {
            failure = e;
        }
        // Free before anyone is told, so that whoever is told may send the next request.
        lock (gate)
        {
            admitted -= batch.Count;
            metrics.InFlight(admitted);
        }
        for (var i = 0; i < batch.Count; i++)
        {
            if (failure is null)
                batch[i].Finish(images![i]);
            else
                batch[i].Fail(failure);
        }
    }
}
