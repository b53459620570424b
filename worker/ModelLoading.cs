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

    private volatile State _state = new("loading", null, null);

    /// <summary>Why loading failed, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>Null until the model is ready.</summary>
    public DiffusionPipeline? Pipeline => _state is { Phase: "ready" } ready ? ready.Pipeline : null;

    public WorkerStatus Status
    {
        get
        {
            var now = _state;
            return new WorkerStatus
            {
                Phase = loop.Draining ? "draining" : now.Phase,
                Model = options.Name,
                Capacity = options.MaxBatch,
                Sizes = now.Pipeline?.Sizes,
                LoadSeconds = now.Seconds,
            };
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Not before the server listens: a process that ends while native code is loading a model ends in a crash.
        var listening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var started = lifetime.ApplicationStarted.Register(listening.SetResult);
        await listening.Task.WaitAsync(stoppingToken);
        try
        {
            var start = Stopwatch.GetTimestamp();
            var pipeline = await DiffusionPipeline.LoadAsync(
                folder, new OnnxOptions { Threads = options.Threads, Device = options.Device });
            metrics.Loaded("load", Stopwatch.GetElapsedTime(start));
            _state = new State("warming", pipeline, null);
            var warming = Stopwatch.GetTimestamp();
            WarmUp(pipeline);
            metrics.Loaded("warm_up", Stopwatch.GetElapsedTime(warming));
            loop.Start(pipeline);
            _state = new State("ready", pipeline, Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3));
        }
        // Whatever a folder holds: a worker without a model must not go on, and must say why.
        catch (Exception e)
        {
            Failure = e is ModelException ? e.Message : $"{folder.Root}: cannot be served: {e.Message}";
            lifetime.StopApplication();
        }
    }

    // Every network once, in the shapes of a guided request: the first run of each allocates and compiles.
    private static void WarmUp(DiffusionPipeline pipeline)
    {
        var (width, height) = (pipeline.Sizes.Width, pipeline.Sizes.Height);
        var task = new ImageTask
        {
            Prompt = "warm-up",
            Seed = 0,
            Width = width,
            Height = height,
            Steps = 3,
            Skip = 1,
            Guidance = 2,
            Source = new RgbImage(width, height, new byte[3 * width * height]),
        };
        pipeline.Draw([task]);
    }
}
