namespace MoDM.Worker.Diffusion;

/// <summary>
/// Denoising diffusion implicit models (Song et al. 2021, equations 12 and 16). Follows diffusers' DDIMScheduler.
/// a = cumulative alpha at a training step; x = sqrt(a) data + sqrt(1 - a) noise.
/// </summary>
internal sealed class DdimScheduler : INoiseScheduler
{
    private readonly record struct Settings(NoiseTable Table, float FinalAlpha, float Clip);

    private readonly Settings _settings;
    private readonly float[] _timesteps;
    private readonly float _eta;

    private DdimScheduler(Settings settings, float[] timesteps, double eta) =>
        (_settings, _timesteps, _eta) = (settings, timesteps, (float)eta);

    public ReadOnlySpan<float> Timesteps => _timesteps;
    public ReadOnlySpan<float> Sigmas => [];
    public float InitNoiseSigma => 1;
    public bool UsesStepNoise => _eta > 0;

    public static NoiseScheduling Read(SchedulerConfig config)
    {
        var table = NoiseTable.Read(config, keepLast: false);
        var spacing = config.OneOf("timestep_spacing", "leading", Diffusion.Timesteps.Spacings);
        var offset = config.Whole("steps_offset", 0, 0, table.TrainSteps - 1);
        var final = config.Flag("set_alpha_to_one", true) ? 1 : table.AlphasCumulative[0];
        var clip = config.Flag("clip_sample", true) ? (float)config.Number("clip_sample_range", 1) : float.PositiveInfinity;
        config.Off("thresholding");
        config.Skip("clip_sample_range", "dynamic_thresholding_ratio", "sample_max_value");
        var settings = new Settings(table, final, clip);
        return new NoiseScheduling("DDIMScheduler", table.TrainSteps, request =>
        {
            var steps = Diffusion.Timesteps.Spread(spacing, request.Steps, table.TrainSteps, offset, round: true);
            return new DdimScheduler(settings, Array.ConvertAll(steps, t => (float)t), request.Eta);
        });
    }

    public void AddNoise(int step, ReadOnlySpan<float> data, ReadOnlySpan<float> noise, Span<float> sample)
    {
        var a = Alpha((int)_timesteps[step]);
        var (signal, level) = (MathF.Sqrt(a), MathF.Sqrt(1 - a));
        for (var i = 0; i < sample.Length; i++)
            sample[i] = signal * data[i] + level * noise[i];
    }

    public void ScaleInput(int step, ReadOnlySpan<float> sample, Span<float> input) => sample.CopyTo(input);

    public void Step(int step, ReadOnlySpan<float> output, Span<float> sample, ReadOnlySpan<float> noise, Span<float> estimate)
    {
        var t = (int)_timesteps[step];
        float a = Alpha(t), before = Alpha(t - _settings.Table.TrainSteps / _timesteps.Length);
        var (signal, level) = (MathF.Sqrt(a), MathF.Sqrt(1 - a));
        var variance = (1 - before) / (1 - a) * (1 - a / before);
        var deviation = _eta * MathF.Sqrt(variance);
        var (signalBefore, direction) = (MathF.Sqrt(before), MathF.Sqrt(1 - before - deviation * deviation));
        for (var i = 0; i < sample.Length; i++)
        {
            var (data, epsilon) = _settings.Table.Prediction == PredictionType.Epsilon
                ? ((sample[i] - level * output[i]) / signal, output[i])
                : (signal * sample[i] - level * output[i], signal * output[i] + level * sample[i]);
            estimate[i] = Math.Clamp(data, -_settings.Clip, _settings.Clip);
            sample[i] = signalBefore * estimate[i] + direction * epsilon;
            if (deviation > 0)
                sample[i] += deviation * noise[i];
        }
    }

    private float Alpha(int timestep) => timestep < 0 ? _settings.FinalAlpha
        : _settings.Table.AlphasCumulative[Math.Min(timestep, _settings.Table.TrainSteps - 1)];
}
