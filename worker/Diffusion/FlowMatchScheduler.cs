namespace MoDM.Worker.Diffusion;

/// <summary>
/// Euler's method on a rectified flow (Liu et al. 2022; Esser et al. 2024, section 5.3.2 for the shift):
/// x = (1 - sigma) data + sigma noise, the denoiser gives noise - data. Follows diffusers' FlowMatchEulerDiscreteScheduler.
/// </summary>
internal sealed class FlowMatchScheduler : INoiseScheduler
{
    private readonly float[] _timesteps, _sigmas;

    private FlowMatchScheduler(float[] timesteps, float[] sigmas) => (_timesteps, _sigmas) = (timesteps, sigmas);

    public ReadOnlySpan<float> Timesteps => _timesteps;
    public ReadOnlySpan<float> Sigmas => _sigmas;
    public float InitNoiseSigma => 1;
    public bool UsesStepNoise => false;

    public static NoiseScheduling Read(SchedulerConfig config)
    {
        var train = config.Whole("num_train_timesteps", 1000, 2, 100_000);
        var shift = config.Number("shift", 1);
        var dynamic = config.Flag("use_dynamic_shifting", false);
        var exponential = config.OneOf("time_shift_type", "exponential", "exponential", "linear") == "exponential";
        var (baseShift, maxShift) = (config.Number("base_shift", 0.5), config.Number("max_shift", 1.15));
        var baseLength = config.Whole("base_image_seq_len", 256, 1, 1 << 24);
        var maxLength = config.Whole("max_image_seq_len", 4096, baseLength + 1, 1 << 24);
        config.Off("invert_sigmas", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "stochastic_sampling");
        config.Absent("shift_terminal");
        if (shift <= 0)
            throw config.Wrong("shift", "a number above 0");

        double Shifted(double sigma) => shift * sigma / (1 + (shift - 1) * sigma);
        // The ends are those of the training schedule, to which a fixed shift was already applied once.
        var (max, min) = dynamic ? (1.0, 1.0 / train) : (Shifted(1), Shifted(1.0 / train));
        return new NoiseScheduling("FlowMatchEulerDiscreteScheduler", train, request =>
        {
            var numerator = exponential ? Math.Exp(request.Mu) : request.Mu;
            var levels = Diffusion.Timesteps.Linear(max, min, request.Steps)
                .Select(s => dynamic ? numerator / (numerator + (1 / s - 1)) : Shifted(s)).ToArray();
            return new FlowMatchScheduler(
                Array.ConvertAll(levels, s => (float)s * train), [.. levels.Select(s => (float)s), 0]);
        },
        dynamic ? length => baseShift + (maxShift - baseShift) * (length - baseLength) / (maxLength - baseLength) : null);
    }

    public void AddNoise(int step, ReadOnlySpan<float> data, ReadOnlySpan<float> noise, Span<float> sample)
    {
        var sigma = _sigmas[step];
        for (var i = 0; i < sample.Length; i++)
            sample[i] = sigma * noise[i] + (1 - sigma) * data[i];
    }

    public void ScaleInput(int step, ReadOnlySpan<float> sample, Span<float> input) => sample.CopyTo(input);

    public void Step(int step, ReadOnlySpan<float> output, Span<float> sample, ReadOnlySpan<float> noise, Span<float> estimate)
    {
        var sigma = _sigmas[step];
        var dt = _sigmas[step + 1] - sigma;
        for (var i = 0; i < sample.Length; i++)
        {
            estimate[i] = sample[i] - sigma * output[i];
            sample[i] += dt * output[i];
        }
    }
}
