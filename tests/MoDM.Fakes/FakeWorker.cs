using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Fakes;

/// <summary>
/// A worker on the wire without a model: it holds to the worker's HTTP contract and draws a plain picture whose colour
/// comes from the prompt. Tests set how fast, how busy and how mortal it is.
/// </summary>
public sealed class FakeWorker : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly List<FakeJob> _jobs = [], _background = [];
    private readonly List<int> _drains = [];
    private CancellationTokenSource? _makeWay;
    private int _inFlight, _refused;

    private FakeWorker(string model)
    {
        Model = model;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(k => k.Limits.MaxRequestBodySize = 64 << 20);
        _app = builder.Build();
        _app.MapGet("/readyz", () =>
        {
            var phase = Draining ? "draining" : Ready ? "ready" : "loading";
            return Results.Json(Status(phase), ApiJson.Default.WorkerStatus, statusCode: phase == "ready" ? 200 : 503);
        });
        _app.MapPost("/drain", () => Drain(true));
        _app.MapDelete("/drain", () => Drain(false));
        _app.MapPost("/v1/images/generations", async context =>
            await AnswerAsync(context, (await JsonSerializer.DeserializeAsync(context.Request.Body, ApiJson.Default.ImageRequest))!, null));
        _app.MapPost("/v1/images/edits", async context =>
        {
            var form = await context.Request.ReadFormAsync();
            var (request, error) = ImageRequestReader.ReadForm(form.Select(f => KeyValuePair.Create(f.Key, f.Value.ToString())), ImageRequestReader.GatewayOnly);
            if (request is null) throw new InvalidOperationException(error!.Message);
            using var bytes = new MemoryStream();
            await form.Files["image"]!.CopyToAsync(bytes);
            await AnswerAsync(context, request, bytes.ToArray());
        });
    }

    public string Model { get; }
    public Uri Address { get; private set; } = null!;
    public int Capacity { get; init; } = 1;

    public SizeRule Sizes { get; set; } = new(128, 128, 0);
    public bool Ready { get; set; } = true;

    /// <summary>As POST /drain makes it: it refuses what is new as busy.</summary>
    public bool Draining { get; set; }

    /// <summary>Images that it drew when it was told to drain, each time.</summary>
    public IReadOnlyList<int> Drains
    {
        get { lock (_lock) return [.. _drains]; }
    }

    /// <summary>Requests that it refused as busy.</summary>
    public int Refused => Volatile.Read(ref _refused);
    public TimeSpan StepTime { get; set; } = TimeSpan.Zero;

    /// <summary>Before the response's headers.</summary>
    public TimeSpan Silence { get; set; } = TimeSpan.Zero;

    /// <summary>The connection is cut after this many steps.</summary>
    public int? DiesAtStep { get; set; }

    /// <summary>Answers the next so many requests with 503 and x-modm-busy.</summary>
    public int BusyAnswers { get; set; }

    /// <summary>Answers with this error instead of an image.</summary>
    public ApiError? Error { get; set; }

    public IReadOnlyList<FakeJob> Jobs
    {
        get { lock (_lock) return [.. _jobs]; }
    }

    /// <summary>Those that nobody waits for, as the gateway said.</summary>
    public IReadOnlyList<FakeJob> BackgroundJobs
    {
        get { lock (_lock) return [.. _background]; }
    }

    /// <summary>Instead of a plain picture.</summary>
    public Func<ImageRequest, RgbImage>? Draws { get; set; }

    public static async Task<FakeWorker> StartAsync(string model, int capacity = 1)
    {
        var worker = new FakeWorker(model) { Capacity = capacity };
        await worker._app.StartAsync();
        worker.Address = new Uri(worker._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return worker;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private IResult Drain(bool drain)
    {
        lock (_lock)
        {
            Draining = drain;
            if (drain) _drains.Add(Volatile.Read(ref _inFlight));
        }
        return Results.Json(Status(drain ? "draining" : "ready"), ApiJson.Default.WorkerStatus);
    }

    private WorkerStatus Status(string phase) =>
        new() { Phase = phase, Model = Model, Capacity = Capacity, Sizes = Sizes, LoadSeconds = 0.1 };

    private async Task AnswerAsync(HttpContext context, ImageRequest request, byte[]? source)
    {
        var job = new FakeJob(request, source) { Headers = string.Join('\n', context.Request.Headers.Select(h => $"{h.Key}: {h.Value}")) };
        if (context.Request.Headers[WorkerHeaders.Background] == "true")
        {
            await AnswerInBackgroundAsync(context, request, job);
            return;
        }
        if (Interlocked.Increment(ref _inFlight) > Capacity || Draining || BusyAnswers-- > 0)
        {
            Interlocked.Decrement(ref _inFlight);
            Refuse(context);
            return;
        }
        lock (_lock)
        {
            _makeWay?.Cancel();
            _jobs.Add(job);
        }
        try
        {
            await DrawAsync(context, request, job, context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            job.Cancelled = true;
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }

    /// <summary>Only while there is nothing else, and until there is.</summary>
    private async Task AnswerInBackgroundAsync(HttpContext context, ImageRequest request, FakeJob job)
    {
        using var makeWay = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var taken = false;
        lock (_lock)
        {
            if (Volatile.Read(ref _inFlight) == 0 && !Draining && _makeWay is null)
            {
                (_makeWay, taken) = (makeWay, true);
                _background.Add(job);
            }
        }
        if (!taken)
        {
            Refuse(context);
            return;
        }
        try
        {
            await DrawAsync(context, request, job, makeWay.Token);
            job.Completed = true;
        }
        catch (OperationCanceledException)
        {
            job.Cancelled = true;
        }
        finally
        {
            lock (_lock) _makeWay = null;
        }
    }

    private void Refuse(HttpContext context)
    {
        Interlocked.Increment(ref _refused);
        context.Response.Headers["x-modm-busy"] = "true";
        context.Response.StatusCode = 503;
    }

    private async Task DrawAsync(HttpContext context, ImageRequest request, FakeJob job, CancellationToken gone)
    {
        if (Error is { } error)
        {
            context.Response.StatusCode = error.Status;
            await context.Response.WriteAsJsonAsync(new ApiErrorBody(error), ApiJson.Default.ApiErrorBody, cancellationToken: gone);
            return;
        }
        await Task.Delay(Silence, gone);
        context.Response.ContentType = "text/event-stream";
        var steps = request.NumInferenceSteps ?? 50;
        for (var step = (request.SkipSteps ?? 0) + 1; step <= steps; step++)
        {
            if (StepTime > TimeSpan.Zero) await Task.Delay(StepTime, gone);
            gone.ThrowIfCancellationRequested();
            if (DiesAtStep == step)
            {
                context.Abort();
                return;
            }
            job.StepsDone = step;
            await SendAsync(context, new ImageEvent { Type = ImageEvents.Progress, Step = step, Steps = steps });
        }
        var png = (Draws?.Invoke(request) ?? Picture(request, job.Source)).Encode(ImageEncoding.Png);
        await SendAsync(context, new ImageEvent
        {
            Type = job.Source is null ? ImageEvents.CompletedGeneration : ImageEvents.CompletedEdit,
            B64Json = png,
            Seed = request.Seed,
            Modm = new ImageStory
            {
                Images = [new ImagePart { Seed = request.Seed!.Value, Model = Model, Steps = steps, SkippedSteps = request.SkipSteps ?? 0, GenerationMs = 1, InferenceMs = 1 }],
            },
        });
    }

    private static async Task SendAsync(HttpContext context, ImageEvent e)
    {
        await context.Response.WriteAsync($"event: {e.Type}\ndata: {JsonSerializer.Serialize(e, ApiJson.Default.ImageEvent)}\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    /// <summary>128 x 128, one colour by the prompt's first colour word, a corner by the seed so that no two are equal.</summary>
    private static RgbImage Picture(ImageRequest request, byte[]? source)
    {
        var pixels = new byte[128 * 128 * 3];
        var (r, g, b) = request.Prompt! switch
        {
            var p when p.Contains("red", StringComparison.Ordinal) => (200, 30, 30),
            var p when p.Contains("green", StringComparison.Ordinal) => (30, 160, 30),
            _ => (40, 60, 200),
        };
        for (var i = 0; i < pixels.Length; i += 3)
            (pixels[i], pixels[i + 1], pixels[i + 2]) = ((byte)r, (byte)g, (byte)b);
        BitConverter.TryWriteBytes(pixels, request.Seed ?? 0);
        if (source is not null) source.AsSpan(^16..).CopyTo(pixels.AsSpan(64));
        return new RgbImage(128, 128, pixels);
    }
}

/// <summary>What a fake worker was asked to draw, and how far it came.</summary>
public sealed record FakeJob(ImageRequest Request, byte[]? Source)
{
    public string Headers { get; init; } = "";
    public int StepsDone { get; set; }
    public bool Cancelled { get; set; }

    /// <summary>Of a job in the background.</summary>
    public bool Completed { get; set; }
}
