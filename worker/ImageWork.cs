using MoDM.Api;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker;

/// <summary>A worker that draws.</summary>
internal sealed class ImageWork(ModelFolder folder, JobLoop loop) : IWorkload, IDisposable
{
    /// <summary>Null until the model is loaded.</summary>
    public DiffusionPipeline? Pipeline { get; private set; }

    public string Folder => folder.Root;

    public int Capacity => loop.Capacity;

    public SizeRule? Sizes => Pipeline?.Sizes;

    public bool Draining => loop.Draining;

    public void Drain(bool drain) => loop.Drain(drain);

    public Task EndAsync() => loop.EndAsync();

    public async Task LoadAsync(OnnxOptions options) => Pipeline = await DiffusionPipeline.LoadAsync(folder, options);

    // In the shapes of a guided request.
    public void WarmUp()
    {
        var (width, height) = (Pipeline!.Sizes.Width, Pipeline.Sizes.Height);
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
        Pipeline.Draw([task]);
    }

    public void Start() => loop.Start(Pipeline!);

    public void Dispose()
    {
        loop.Dispose();
        Pipeline?.Dispose();
    }
}
