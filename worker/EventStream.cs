using System.Text.Json;
using System.Threading.Channels;
using MoDM.Api;
using MoDM.Http;
using MoDM.Onnx;

namespace MoDM.Worker;

/// <summary>
/// A request's server-sent events: progress after every step, previews, each image when it is finished. The drawing
/// thread only posts; encoding and writing happen on the request's side.
/// </summary>
internal sealed partial class EventStream(DrawingPlan plan, bool edit) : IDisposable
{
    private readonly record struct Posted(int Index, int Step, RgbImage? Preview, Task<Pipelines.DrawnImage>? Done);

    private readonly Channel<Posted> _channel = Channel.CreateUnbounded<Posted>(new() { SingleReader = true });
    private readonly int[] _previews = new int[plan.Count];

    /// <summary>From the drawing thread, after a step.</summary>
    public void Post(int index, int step, RgbImage? preview) => _channel.Writer.TryWrite(new(index, step, preview, null));

    public async Task WriteAsync(HttpContext context, IReadOnlyList<Job> jobs, long created)
    {
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.Body.FlushAsync(context.RequestAborted);
        for (var i = 0; i < jobs.Count; i++)
            _ = Follow(i, jobs[i].Done);
        var open = jobs.Count;
        await foreach (var posted in _channel.Reader.ReadAllAsync(context.RequestAborted))
        {
            if (posted.Done is null)
            {
                await Write(context, Progress(posted));
                if (posted.Preview is not null)
                    await Write(context, Partial(posted, created));
                continue;
            }
            if (posted.Done.IsFaulted)
            {
                var failure = posted.Done.Exception.InnerException!;
                Log.Failed(context.RequestServices.GetRequiredService<ILogger<EventStream>>(), failure);
                await WriteError(context, failure);
                return;
            }
            if (posted.Done.IsCanceled)
                return;
            await Write(context, Completed(posted.Index, posted.Done.Result, created));
            if (--open == 0)
                return;
        }
    }

    public void Dispose() => _channel.Writer.TryComplete();

    // Posted after all of the image's own steps, so events stay in order.
    private async Task Follow(int index, Task<Pipelines.DrawnImage> done)
    {
        await ((Task)done).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _channel.Writer.TryWrite(new(index, 0, null, done));
    }

    private ImageEvent Progress(Posted posted) => new()
    {
        Type = ImageEvents.Progress,
        Index = posted.Index,
        Step = posted.Step,
        Steps = plan.Steps,
    };

    private ImageEvent Partial(Posted posted, long created) => new()
    {
        Type = edit ? ImageEvents.PartialEdit : ImageEvents.PartialGeneration,
        Index = posted.Index,
        B64Json = plan.Encode(posted.Preview!),
        CreatedAt = created,
        Size = plan.Size,
        OutputFormat = plan.Format,
        PartialImageIndex = _previews[posted.Index]++,
    };

    private ImageEvent Completed(int index, Pipelines.DrawnImage image, long created) => new()
    {
        Type = edit ? ImageEvents.CompletedEdit : ImageEvents.CompletedGeneration,
        Index = index,
        B64Json = plan.Encode(image.Picture),
        CreatedAt = created,
        Size = plan.Size,
        OutputFormat = plan.Format,
        Seed = plan.Seed + index,
        Modm = plan.Story([plan.Part(index, image)]),
    };

    private static Task Write(HttpContext context, ImageEvent e) =>
        Write(context, e.Type, JsonSerializer.SerializeToUtf8Bytes(e, ApiJson.Default.ImageEvent));

    private static Task WriteError(HttpContext context, Exception e) => Write(
        context, ImageEvents.Error,
        JsonSerializer.SerializeToUtf8Bytes(new ApiErrorBody(ApiErrors.Failure(e)), ApiJson.Default.ApiErrorBody));

    private static async Task Write(HttpContext context, string name, byte[] data)
    {
        var body = context.Response.Body;
        await body.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"event: {name}\ndata: "), context.RequestAborted);
        await body.WriteAsync(data, context.RequestAborted);
        await body.WriteAsync("\n\n"u8.ToArray(), context.RequestAborted);
        await body.FlushAsync(context.RequestAborted);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "A drawing failed")]
        public static partial void Failed(ILogger log, Exception e);
    }
}
