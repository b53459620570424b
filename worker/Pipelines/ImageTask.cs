using MoDM.Onnx;
using MoDM.Worker.Diffusion;

namespace MoDM.Worker.Pipelines;

/// <summary>One image to draw.</summary>
internal sealed record ImageTask
{
    public required string Prompt { get; init; }
    public string Negative { get; init; } = "";
    public required long Seed { get; init; }
    public required int Width { get; init; }
    public required int Height { get; init; }

    /// <summary>T, the steps of the schedule.</summary>
    public required int Steps { get; init; }

    /// <summary>k, the steps that <see cref="Source"/> stands in for; T - k are run.</summary>
    public int Skip { get; init; }

    /// <summary>Classifier-free guidance (Ho and Salimans 2022); at 1 or below the negative prompt is not looked at.</summary>
    public required float Guidance { get; init; }

    /// <summary>Picture to start from, of the task's size; null for pure noise.</summary>
    public RgbImage? Source { get; init; }

    /// <summary>Steps (1 to T) after which <see cref="Progress"/> gets a preview.</summary>
    public IReadOnlySet<int> PreviewAfter { get; init; } = new HashSet<int>();

    /// <summary>Called after each step, on the thread that draws: the step (k + 1 to T) and perhaps a preview.</summary>
    public Action<int, RgbImage?>? Progress { get; init; }

    /// <summary>Takes this image, and only this one, out of its batch at the next step.</summary>
    public CancellationToken Cancelled { get; init; }

    /// <summary>Null for <see cref="GaussianNoise"/> of the seed.</summary>
    public NoiseSource? Noise { get; init; }

    public bool Guided => Guidance > 1;

    /// <summary>Whether both can go through the denoiser together: at each step it is told one timestep and one size.</summary>
    public bool FitsWith(ImageTask other) => (Width, Height, Steps, Skip, Guided) == (other.Width, other.Height, other.Steps, other.Skip, other.Guided);
}

/// <summary>A finished image.</summary>
/// <param name="Latents">Of the denoiser, before the autoencoder.</param>
/// <param name="Generation">From the start of its batch to the picture.</param>
/// <param name="Inference">The part of it inside ONNX Runtime.</param>
internal sealed record DrawnImage(RgbImage Picture, float[] Latents, TimeSpan Generation, TimeSpan Inference);
