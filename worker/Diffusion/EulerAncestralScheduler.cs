namespace MoDM.Worker.Diffusion;

/// <summary>
/// Euler steps to below the next noise level, and fresh noise back up to it (k-diffusion's ancestral sampling). Follows
/// diffusers' EulerAncestralDiscreteScheduler.
/// </summary>
internal sealed class EulerAncestralScheduler : INoiseScheduler
{
    private readonly float[] _timesteps, _sigmas;
    private readonly PredictionType _prediction;

    private EulerAncestralScheduler(float[] timesteps, float[] sigmas, PredictionType prediction, bool scaled)
    {
        (_timesteps, _sigmas, _prediction) = (timesteps, sigmas, prediction);
        InitNoiseSigma = EulerScheduler.InitialScale(sigmas, scaled);
    }

    public ReadOnlySpan<float> Timesteps => _timesteps;
    public ReadOnlySpan<float> Sigmas => _sigmas;
    public float InitNoiseSigma { get; }
    public bool UsesStepNoise => true;

    public static NoiseScheduling Read(SchedulerConfig config)
    {
        var table = NoiseTable.Read(config, keepLast: true);
        var spacing = config.OneOf("timestep_spacing", "linspace", Diffusion.Timesteps.Spacings);
        var offset = config.Whole("steps_offset", 0, 0, table.TrainSteps - 1);
        return new NoiseScheduling("EulerAncestralDiscreteScheduler", table.TrainSteps, request =>
        {
            var steps = Diffusion.Timesteps.Spread(spacing, request.Steps, table.TrainSteps, offset, round: false);
            float[] sigmas = [.. steps.Select(t => (float)NoiseLevels.At(table.Sigmas, t)), 0];
            return new EulerAncestralScheduler(
                Array.ConvertAll(steps, t => (float)t), sigmas, table.Prediction, spacing == "leading");
        });
    }

    public void AddNoise(int step, ReadOnlySpan<float> data, ReadOnlySpan<float> noise, Span<float> sample)
    {
        for (var i = 0; i < sample.Length; i++)
            sample[i] = data[i] + noise[i] * _sigmas[step];
    }

    public void ScaleInput(int step, ReadOnlySpan<float> sample, Span<float> input) =>
        EulerScheduler.Scale(_sigmas[step], sample, input);

    public void Step(int step, ReadOnlySpan<float> output, Span<float> sample, ReadOnlySpan<float> noise, Span<float> estimate)
    {
        float from = _sigmas[step], to = _sigmas[step + 1];
        var up = MathF.Sqrt(to * to * (from * from - to * to) / (from * from));
        var dt = MathF.Sqrt(to * to - up * up) - from;
        EulerScheduler.Estimate(_prediction, from, output, sample, estimate);
        for (var i = 0; i < sample.Length; i++)
            sample[i] += (sample[i] - estimate[i]) / from * dt + noise[i] * up;
    }
}
