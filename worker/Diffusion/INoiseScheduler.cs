namespace MoDM.Worker.Diffusion;

/// <summary>What a noise schedule is made for.</summary>
/// <param name="Steps">T, the steps of the whole schedule, whether all of them are run or not.</param>
/// <param name="Mu">Shift of a dynamically shifting flow schedule; ignored by the others.</param>
/// <param name="Eta">DDIM's share of fresh noise, 0 (none) to 1 (DDPM); ignored by the others.</param>
internal readonly record struct ScheduleRequest(int Steps, double Mu = 0, double Eta = 0);

/// <summary>
/// One image's way from noise to data. Steps are addressed by index, so a picture can come in at any step k; instances
/// remember earlier steps where the method needs them, and serve one image.
/// </summary>
internal interface INoiseScheduler
{
    /// <summary>What the denoiser is told at each step; as long as the schedule.</summary>
    ReadOnlySpan<float> Timesteps { get; }

    /// <summary>Noise levels, with the last one after the final step; empty for methods that do not use them.</summary>
    ReadOnlySpan<float> Sigmas { get; }

    /// <summary>Factor from standard normal noise to the sample before step 0.</summary>
    float InitNoiseSigma { get; }

    /// <summary>Whether <see cref="Step"/> reads fresh noise.</summary>
    bool UsesStepNoise { get; }

    /// <summary>The sample before step <paramref name="step"/>, if the picture is <paramref name="data"/>.</summary>
    void AddNoise(int step, ReadOnlySpan<float> data, ReadOnlySpan<float> noise, Span<float> sample);

    /// <summary>What the denoiser sees of a sample.</summary>
    void ScaleInput(int step, ReadOnlySpan<float> sample, Span<float> input);

    /// <summary>One step, in place.</summary>
    /// <param name="output">The denoiser's (guided) output.</param>
    /// <param name="noise">Standard normal, when <see cref="UsesStepNoise"/>; else empty.</param>
    /// <param name="estimate">Takes what the final picture looks like from here.</param>
    void Step(int step, ReadOnlySpan<float> output, Span<float> sample, ReadOnlySpan<float> noise, Span<float> estimate);
}
