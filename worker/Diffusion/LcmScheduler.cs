namespace MoDM.Worker.Diffusion;

/// <summary>
/// Latent consistency models (Luo et al. 2023, algorithm 3): every step jumps to the data and, but for the last, back to
/// the next noise level with fresh noise. Follows diffusers' LCMScheduler. Schedules are cut from a long one.
/// </summary>
internal sealed class LcmScheduler : INoiseScheduler
{
    private const float SigmaData = 0.5f;

    private readonly NoiseTable _table;
    private readonly float[] _timesteps;
    private readonly float _scaling, _clip;

    private LcmScheduler(NoiseTable table, float[] timesteps, float scaling, float clip) =>
        (_table, _timesteps, _scaling, _clip) = (table, timesteps, scaling, clip);

    public ReadOnlySpan<float> Timesteps => _timesteps;
    public ReadOnlySpan<float> Sigmas => [];
    public float InitNoiseSigma => 1;
    public bool UsesStepNoise => true;

    public static NoiseScheduling Read(SchedulerConfig config)
    {
        var table = NoiseTable.Read(config, keepLast: false, (0.00085, 0.012, "scaled_linear"));
        var original = config.Whole("original_inference_steps", 50, 1, table.TrainSteps);
        var clip = config.Flag("clip_sample", false) ? (float)config.Number("clip_sample_range", 1) : float.PositiveInfinity;
        var scaling = (float)config.Number("timestep_scaling", 10);
        config.Off("thresholding");
        // The class has these fields, and its schedule reads none of them.
        config.Skip("timestep_spacing", "steps_offset", "clip_sample_range", "dynamic_thresholding_ratio", "sample_max_value",
            "set_alpha_to_one");
        return new NoiseScheduling("LCMScheduler", original, request =>
        {
            var stride = table.TrainSteps / original;
            var picked = Enumerable.Range(0, request.Steps).Select(i => (int)((double)i * original / request.Steps));
            return new LcmScheduler(table, [.. picked.Select(i => (float)((original - i) * stride - 1))], scaling, clip);
        });
    }

    public void AddNoise(int step, ReadOnlySpan<float> data, ReadOnlySpan<float> noise, Span<float> sample)
    {
        var a = _table.AlphasCumulative[(int)_timesteps[step]];
        var (signal, level) = (MathF.Sqrt(a), MathF.Sqrt(1 - a));
        for (var i = 0; i < sample.Length; i++)
            sample[i] = signal * data[i] + level * noise[i];
    }

    public void ScaleInput(int step, ReadOnlySpan<float> sample, Span<float> input) => sample.CopyTo(input);

    public void Step(int step, ReadOnlySpan<float> output, Span<float> sample, ReadOnlySpan<float> noise, Span<float> estimate)
    {
        var a = _table.AlphasCumulative[(int)_timesteps[step]];
        var (signal, level) = (MathF.Sqrt(a), MathF.Sqrt(1 - a));
        // Boundary condition of a consistency function: at time 0 it is the identity.
        var time = _timesteps[step] * _scaling;
        var square = time * time + SigmaData * SigmaData;
        var (keep, take) = (SigmaData * SigmaData / square, time / MathF.Sqrt(square));
        var last = step == _timesteps.Length - 1;
        var next = last ? 1 : _table.AlphasCumulative[(int)_timesteps[step + 1]];
        var (nextSignal, nextLevel) = (MathF.Sqrt(next), MathF.Sqrt(1 - next));
        for (var i = 0; i < sample.Length; i++)
        {
            var data = _table.Prediction == PredictionType.Epsilon
                ? (sample[i] - level * output[i]) / signal
                : signal * sample[i] - level * output[i];
            estimate[i] = take * Math.Clamp(data, -_clip, _clip) + keep * sample[i];
            sample[i] = last ? estimate[i] : nextSignal * estimate[i] + nextLevel * noise[i];
        }
    }
}
