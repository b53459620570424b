using MoDM.Onnx;

namespace MoDM.Worker.Diffusion;

/// <summary>A scheduler of a model folder, ready to make one schedule an image.</summary>
/// <param name="MaxSteps">The longest schedule it can make.</param>
/// <param name="DynamicShift">
/// From the denoiser's sequence length to <see cref="ScheduleRequest.Mu"/>; null when it has none.
/// </param>
internal sealed record NoiseScheduling(
    string Name, int MaxSteps, Func<ScheduleRequest, INoiseScheduler> Create, Func<int, double>? DynamicShift = null);

/// <summary>Chooses the noise scheduler that scheduler_config.json names.</summary>
internal static class NoiseSchedulers
{
    public static readonly IReadOnlyList<string> Supported =
    [
        "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler",
        "LCMScheduler", "FlowMatchEulerDiscreteScheduler",
    ];

    /// <exception cref="ModelException">A value that cannot be honoured; file, field, value and what would be right.</exception>
    public static NoiseScheduling Read(SchedulerConfig config)
    {
        var scheduling = config.ClassName switch
        {
            "EulerDiscreteScheduler" => EulerScheduler.Read(config),
            "EulerAncestralDiscreteScheduler" => EulerAncestralScheduler.Read(config),
            "DDIMScheduler" => DdimScheduler.Read(config),
            "DPMSolverMultistepScheduler" => DpmSolverScheduler.Read(config),
            "LCMScheduler" => LcmScheduler.Read(config),
            "FlowMatchEulerDiscreteScheduler" => FlowMatchScheduler.Read(config),
            _ => throw config.Wrong("_class_name", $"one of {string.Join(", ", Supported)}"),
        };
        config.RefuseUnread();
        return scheduling;
    }
}
