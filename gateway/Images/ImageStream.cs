using MoDM.Api;
using MoDM.Gateway.Scheduling;
using MoDM.Planning;

namespace MoDM.Gateway.Images;

/// <summary>
/// A streamed request: previews and final images as OpenAI's events, progress and places in the queue as comments, and
/// a sign of life often enough for any load balancer's idle timeout (complaint 13).
/// </summary>
internal sealed class ImageStream(HttpContext context, ImageFlow flow, ImagePlan plan, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);
    private const int TicksBetweenHeartbeats = 10;

    private readonly EventStream _events = new(context.Response);

    public async Task<(DrawnImage? Image, ApiError? Error)[]> RunAsync(
        Func<int, Func<ImageEvent, WorkerSlot, ValueTask>, Task<(DrawnImage? Image, ApiError? Error)>> draw,
        CancellationTokenSource stop)
    {
        _events.Begin();
        using var done = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        var alive = StayAliveAsync(done.Token);
        try
        {
            return await Task.WhenAll(plan.Tickets.Select((_, i) => OneAsync(i, draw)));
        }
        finally
        {
            await done.CancelAsync();
            await alive;
        }
    }

    public void Dispose() => _events.Dispose();

    private async Task<(DrawnImage? Image, ApiError? Error)> OneAsync(
        int index, Func<int, Func<ImageEvent, WorkerSlot, ValueTask>, Task<(DrawnImage? Image, ApiError? Error)>> draw)
    {
        var result = await draw(index, (e, worker) => PassOnAsync(e, worker, index));
        if (result.Error is { } error) await _events.SendAsync(error, context.RequestAborted);
        if (result.Image is { } image) await _events.SendAsync(Completed(image, index), context.RequestAborted);
        return result;
    }

    private async ValueTask PassOnAsync(ImageEvent e, WorkerSlot worker, int index)
    {
        if (e.Type == ImageEvents.Progress)
        {
            await _events.SendAsync(new LiveState(index)
            {
                Step = e.Step,
                Steps = e.Steps,
                Model = worker.Model,
                EtaSeconds = Rounded(flow.SecondsLeft(plan, worker, e.Step ?? 0, e.Steps ?? 0)),
            }, context.RequestAborted);
            return;
        }
        var encoding = ImageAnswer.EncodingOf(plan.Request.OutputFormat);
        await _events.SendAsync(new ImageEvent
        {
            Type = plan.IsEdit ? ImageEvents.PartialEdit : ImageEvents.PartialGeneration,
            Index = index,
            B64Json = ImageAnswer.Encode(e.B64Json ?? [], encoding, plan.Request.OutputCompression),
            PartialImageIndex = e.PartialImageIndex,
            CreatedAt = CreatedAt,
            Size = plan.Size,
            OutputFormat = plan.Request.OutputFormat ?? "png",
        }, context.RequestAborted);
    }

    private ImageEvent Completed(DrawnImage image, int index)
    {
        var data = ImageAnswer.Data(context.Request, plan, image);
        return new ImageEvent
        {
            Type = plan.IsEdit ? ImageEvents.CompletedEdit : ImageEvents.CompletedGeneration,
            Index = index,
            B64Json = data.B64Json,
            Url = data.Url,
            CreatedAt = CreatedAt,
            Size = plan.Size,
            OutputFormat = plan.Request.OutputFormat ?? "png",
            Seed = image.Part.Seed,
            Modm = plan.Story(image),
        };
    }

    private async Task StayAliveAsync(CancellationToken done)
    {
        try
        {
            for (var tick = 0; ; tick++)
            {
                for (var i = 0; i < plan.Tickets.Count; i++)
                {
                    if (flow.Outlook(plan, i) is { } outlook) await _events.SendAsync(Queued(i, outlook.Ahead, outlook.Expected), done);
                }
                if (tick % TicksBetweenHeartbeats == 0) await _events.HeartbeatAsync(done);
                await Task.Delay(Tick, time, done);
            }
        }
        catch (OperationCanceledException)
        {
            // The images are done, or the client is gone.
        }
    }

    private static LiveState Queued(int index, int ahead, LatencyEstimate? eta) => new(index)
    {
        Queued = ahead,
        EtaSeconds = Rounded(eta?.Expected),
        EtaLow = Rounded(eta?.Low),
        EtaHigh = Rounded(eta?.High),
    };

    private static double? Rounded(double? seconds) => seconds is { } s ? Math.Round(s, 1) : null;

    private long CreatedAt => time.GetUtcNow().ToUnixTimeSeconds();
}
