using System.Diagnostics;
using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Worker;

/// <summary>
/// Loads and warms the model while the process already answers probes (complaint rows 9 and 10), then starts on requests.
/// A model that cannot be loaded ends the process with exit code 2.
/// </summary>
internal sealed class ModelLoading(
    WorkerOptions options, IWorkload work, LoadMetrics metrics, IHostApplicationLifetime lifetime) : BackgroundService
{
    private sealed record State(string Phase, bool Loaded, double? Seconds);

    private volatile State _state = new("loading", false, null);

    /// <summary>Why loading failed, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>The model is loaded and warm.</summary>
    public bool Ready => _state.Phase == "ready";

    public WorkerStatus Status
    {
        get
        {
            var now = _state;
            return new WorkerStatus
            {
                Phase = work.Draining ? "draining" : now.Phase,
                Model = options.Name,
                Capacity = work.Capacity,
                Sizes = now.Loaded ? work.Sizes : null,
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
            await work.LoadAsync(new OnnxOptions { Threads = options.Threads, Device = options.Device });
            metrics.Loaded("load", Stopwatch.GetElapsedTime(start));
            _state = new State("warming", true, null);
            var warming = Stopwatch.GetTimestamp();
            work.WarmUp();
            metrics.Loaded("warm_up", Stopwatch.GetElapsedTime(warming));
            work.Start();
            _state = new State("ready", true, Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3));
        }
        // Whatever a folder holds: a worker without a model must not go on, and must say why.
        catch (Exception e)
        {
            Failure = e is ModelException ? e.Message : $"{work.Folder}: cannot be served: {e.Message}";
            lifetime.StopApplication();
        }
    }
}
