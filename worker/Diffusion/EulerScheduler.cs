namespace MoDM.Worker.Diffusion;

/// <summary>
/// Euler's method on the probability flow ODE (Karras et al. 2022, algorithm 2 without churn): x' = (x - data) / sigma.
/// Follows diffusers' EulerDiscreteScheduler.
/// </summary>
internal sealed class EulerScheduler : INoiseScheduler
{
    private readonly float[] _timesteps, _sigmas;
    private readonly PredictionType _prediction;

    private EulerScheduler(float[] timesteps, float[] sigmas, PredictionType prediction, bool scaled)
    {
        (_timesteps, _sigmas, _prediction) = (timesteps, sigmas, prediction);
        InitNoiseSigma = InitialScale(sigmas, scaled);
    }

    public ReadOnlySpan<float> Timesteps => _timesteps;
    public ReadOnlySpan<float> Sigmas => _sigmas;
    public float InitNoiseSigma { get; }
    public bool UsesStepNoise => false;

    public static NoiseScheduling Read(SchedulerConfig config)
    {
        var table = NoiseTable.Read(config, keepLast: true);
        var spacing = config.OneOf("timestep_spacing", "linspace", Diffusion.Timesteps.Spacings);
        var offset = config.Whole("steps_offset", 0, 0, table.TrainSteps - 1);
        var karras = config.Flag("use_karras_sigmas", false);
        var exponential = config.Flag("use_exponential_sigmas", false);
        var last = config.OneOf("final_sigmas_type", "zero", "zero", "sigma_min");
        config.OneOf("interpolation_type", "linear", "linear");
        config.OneOf("timestep_type", "discrete", "discrete");
        config.Off("use_beta_sigmas");
        config.Absent("sigma_min", "sigma_max");
        if (karras && exponential)
            throw config.Wrong("use_exponential_sigmas", "false beside use_karras_sigmas");
        return new NoiseScheduling("EulerDiscreteScheduler", table.TrainSteps, request =>
        {
            var steps = Diffusion.Timesteps.Spread(spacing, request.Steps, table.TrainSteps, offset, round: false);
            var levels = Array.ConvertAll(steps, t => NoiseLevels.At(table.Sigmas, t));
            if (karras || exponential)
            {
                levels = karras ? NoiseLevels.Karras(levels[0], levels[^1], request.Steps)
                    : NoiseLevels.Exponential(levels[0], levels[^1], request.Steps);
                steps = Array.ConvertAll(levels, s => NoiseLevels.TimestepOf(s, table.Sigmas));
            }
            float[] sigmas = [.. levels.Select(s => (float)s), last == "zero" ? 0 : (float)table.Sigmas[0]];
            return new EulerScheduler(Array.ConvertAll(steps, t => (float)t), sigmas, table.Prediction, spacing == "leading");
        });
    }

    public void AddNoise(int step, ReadOnlySpan<float> data, ReadOnlySpan<float> noise, Span<float> sample)
    {
        for (var i = 0; i < sample.Length; i++)
            sample[i] = data[i] + noise[i] * _sigmas[step];
    }

    public void ScaleInput(int step, ReadOnlySpan<float> sample, Span<float> input) => Scale(_sigmas[step], sample, input);

    public void Step(int step, ReadOnlySpan<float> output, Span<float> sample, ReadOnlySpan<float> noise, Span<float> estimate)
    {
        var sigma = _sigmas[step];
        var dt = _sigmas[step + 1] - sigma;
        Estimate(_prediction, sigma, output, sample, estimate);
        for (var i = 0; i < sample.Length; i++)
            sample[i] += (sample[i] - estimate[i]) / sigma * dt;
    }

    /// <summary>x / sqrt(sigma^2 + 1): unit variance for the denoiser.</summary>
    public static void Scale(float sigma, ReadOnlySpan<float> sample, Span<float> input)
    {
        var factor = MathF.Sqrt(sigma * sigma + 1);
        for (var i = 0; i < input.Length; i++)
            input[i] = sample[i] / factor;
    }

    /// <summary>The data that an output stands for, at noise level <paramref name="sigma"/>.</summary>
    public static void Estimate(
        PredictionType prediction, float sigma, ReadOnlySpan<float> output, ReadOnlySpan<float> sample, Span<float> estimate)
    {
        if (prediction == PredictionType.Epsilon)
        {
            for (var i = 0; i < estimate.Length; i++)
                estimate[i] = sample[i] - sigma * output[i];
            return;
        }
        var (a, b) = (-sigma / MathF.Sqrt(sigma * sigma + 1), sigma * sigma + 1);
        for (var i = 0; i < estimate.Length; i++)
            estimate[i] = output[i] * a + sample[i] / b;
    }

    /// <summary>The noisiest level; with data's own variance on top when the schedule starts below the training's end.</summary>
    public static float InitialScale(ReadOnlySpan<float> sigmas, bool withData)
    {
        var max = NoiseLevels.Max(sigmas);
        return withData ? MathF.Sqrt(max * max + 1) : max;
    }
}
