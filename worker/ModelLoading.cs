using System.Diagnostics;
using MoDM.Api;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker;

/// <summary>
/// Loads and warms the model while the process already answers probes (complaint rows 9 and 10), then starts the loop.
/// A model that cannot be loaded ends the process with exit code 2.
/// </summary>
internal sealed class ModelLoading(
    WorkerOptions options, ModelFolder folder, JobLoop loop, WorkerMetrics metrics, IHostApplicationLifetime lifetime)
    : BackgroundService
{
    private sealed record State(string Phase, DiffusionPipeline? Pipeline, double? Seconds);

    private volatile State state = new("loading", null, null);

    /// <summary>Why loading failed, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>Null until the model is ready.</summary>
    public DiffusionPipeline? Pipeline => state is { Phase: "ready" } ready ? ready.Pipeline : null;

    public WorkerStatus Status
    {
        get
        {
            var now = state;
            return new WorkerStatus
            {
                Phase = now.Phase,
                Model = options.Name,
                Capacity = options.MaxBatch,
                Sizes = now.Pipeline is { } p ? [p.Sizes.Default] : [],
                LoadSeconds = now.Seconds,
            };
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The host waits for the part before the first await: leave at once.
        await Task.Yield();
        try
        {
            var start = Stopwatch.GetTimestamp();
            var pipeline = await DiffusionPipeline.LoadAsync(
                folder, new OnnxOptions { Threads = options.Threads, Device = options.Device });
            metrics.Loaded("load", Stopwatch.GetElapsedTime(start));
            state = new State("warming", pipeline, null);
            var warming = Stopwatch.GetTimestamp();
            WarmUp(pipeline);
            metrics.Loaded("warm_up", Stopwatch.GetElapsedTime(warming));
            loop.Start(pipeline);
            state = new State("ready", pipeline, Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3));
        }
        catch (Exception e) when (e is ModelException or Microsoft.ML.OnnxRuntime.OnnxRuntimeException)
        {
            Failure = e.Message;
            lifetime.StopApplication();
        }
    }

    // Every network once, in the shapes of a guided request: the first run of each allocates and compiles.
    private static void WarmUp(DiffusionPipeline pipeline)
    {
        var task = new ImageTask
        {
            Prompt = "warm-up",
            Seed = 0,
            Width = pipeline.Sizes.Width,
            Height = pipeline.Sizes.Height,
            Steps = 3,
            Skip = 1,
            Guidance = 2,
            Source = new RgbImage(pipeline.Sizes.Width, pipeline.Sizes.Height, new byte[3 * pipeline.Sizes.Width * pipeline.Sizes.Height]),
        };
        pipeline.Draw([task]);
    }
}
