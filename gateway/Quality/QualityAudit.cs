using System.Diagnostics;
using System.Numerics.Tensors;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Forwarding;
using MoDM.Gateway.Images;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Onnx;

namespace MoDM.Gateway.Quality;

/// <summary>
/// Has idle large workers draw sampled hits once more, from noise, one at a time, and scores what was served against it. Nobody
/// waits for these pictures: whoever needs the worker has it, and they enter neither the cache nor what the load is measured by.
/// </summary>
internal sealed partial class QualityAudit(
    AuditList list, QualityFloor floor, SpareDrawing drawing, ClipEmbedder embedder, TimeProvider time, ILogger<QualityAudit> log)
    : BackgroundService
{
    /// <summary>Between two looks for an idle worker.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await list.AnyAsync(stoppingToken);
                if (!await AuditNextAsync(stoppingToken)) await Task.Delay(Pause, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The gateway ends.
        }
    }

    /// <returns>False: not before a pause.</returns>
    private async Task<bool> AuditNextAsync(CancellationToken stop)
    {
        if (drawing.Borrow() is not { } worker || list.Take() is not { } candidate) return false;
        var outcome = SpareOutcome.Failed;
        try
        {
            (outcome, var large) = await drawing.DrawAsync(worker, candidate.Plan, candidate.Index, stop);
            if (large is not null && floor.Add(candidate.Plan.Mixture.Spec, Compare(candidate, large))) list.Clear();
        }
        // The loop outlives whatever one picture runs into: it costs a sample, not an answer.
        catch (Exception e) when (!stop.IsCancellationRequested)
        {
            Log.Failed(log, e);
            outcome = SpareOutcome.Failed;
        }
        if (outcome == SpareOutcome.Cancelled) list.PutBack(candidate);
        GatewayMetrics.Audits.WithLabels(outcome.ToString().ToLowerInvariant()).Inc();
        return outcome == SpareOutcome.Completed;
    }

    private QualitySample Compare(AuditCandidate candidate, byte[] large)
    {
        var prompt = embedder.EmbedText(candidate.Plan.Request.Prompt!).Vector;
        var (served, drawn) = (embedder.EmbedImage(RgbImage.Decode(candidate.Served)), embedder.EmbedImage(RgbImage.Decode(large)));
        return new QualitySample(Score(prompt, served), Score(prompt, drawn), 1 - TensorPrimitives.Dot<float>(served, drawn));
    }

    /// <summary>CLIPScore (Hessel et al. 2021, equation 1).</summary>
    private static double Score(float[] prompt, float[] picture) => 2.5 * Math.Max(TensorPrimitives.Dot<float>(prompt, picture), 0);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Debug, "A hit could not be drawn a second time")]
        public static partial void Failed(ILogger log, Exception e);
    }
}

/// <summary>What became of a drawing that nobody waits for.</summary>
internal enum SpareOutcome
{
    Completed,

    /// <summary>The worker was needed, or busy; it may be tried again.</summary>
    Cancelled,

    /// <summary>Also: it made way for another gateway's image.</summary>
    Failed,
}

/// <summary>Draws on idle large workers.</summary>
internal sealed class SpareDrawing(RequestQueue queue, LoadMeter meter, WorkerRegistry workers, WorkerForwarder forwarder)
{
    public SpareWorker? Borrow() => queue.Borrow();

    /// <summary>An image of a plan as the large model draws it, from noise.</summary>
    /// <returns>PNG bytes, when it was drawn to its end.</returns>
    public async Task<(SpareOutcome Outcome, byte[]? Png)> DrawAsync(SpareWorker spare, ImagePlan plan, int index, CancellationToken stop)
    {
        if (workers.AddressOf(spare.Worker) is not { } address) return (SpareOutcome.Failed, null);
        var job = ImageFlow.JobFor(plan with { Source = null, Request = plan.Request with { PartialImages = null } }, index, spare.Worker.Model);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var started = Stopwatch.GetTimestamp();
        var drawing = forwarder.DrawAsync(address, job with { InBackground = true }, static _ => ValueTask.CompletedTask, end.Token);
        await Task.WhenAny(drawing, spare.Needed);
        if (!drawing.IsCompleted) await end.CancelAsync();
        try
        {
            var answer = await drawing;
            if (answer.Outcome != WorkerOutcome.Completed)
                return (answer.Outcome == WorkerOutcome.Busy || spare.Needed.IsCompleted ? SpareOutcome.Cancelled : SpareOutcome.Failed, null);
            // As good a measure of the large model as a miss: it had the worker to itself from beginning to end.
            meter.Drew(spare.Worker.Rank, Stopwatch.GetElapsedTime(started).TotalSeconds, plan.Steps / (double)plan.Mixture.Spec.Steps);
            return (SpareOutcome.Completed, answer.Image);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return (SpareOutcome.Cancelled, null);
        }
    }
}
