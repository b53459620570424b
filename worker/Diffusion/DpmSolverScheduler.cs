namespace MoDM.Worker.Diffusion;

/// <summary>
/// DPM-Solver++ multistep of order 1 to 3 (Lu et al. 2022b, algorithm 2 and appendix). Follows diffusers'
/// DPMSolverMultistepScheduler with algorithm_type "dpmsolver++".
/// alpha, sigma: signal and noise of a level, alpha^2 + sigma^2 = 1; lambda = log(alpha / sigma); m: data predictions.
/// </summary>
internal sealed class DpmSolverScheduler : INoiseScheduler
{
    private sealed record Settings(
        PredictionType Prediction, int Order, bool Midpoint, bool LowerOrderFinal, bool EulerAtFinal, bool EndsInZero);

    private readonly Settings _settings;
    private readonly float[] _timesteps, _sigmas;

    // Data predictions of the last three steps, newest first.
    private readonly float[][] _history = [[], [], []];
    private int _known;

    private DpmSolverScheduler(Settings settings, float[] timesteps, float[] sigmas) =>
        (_settings, _timesteps, _sigmas) = (settings, timesteps, sigmas);

    public ReadOnlySpan<float> Timesteps => _timesteps;
    public ReadOnlySpan<float> Sigmas => _sigmas;
    public float InitNoiseSigma => 1;
    public bool UsesStepNoise => false;

    public static NoiseScheduling Read(SchedulerConfig config)
    {
        var table = NoiseTable.Read(config, keepLast: true);
        var spacing = config.OneOf("timestep_spacing", "linspace", Diffusion.Timesteps.Spacings);
        var offset = config.Whole("steps_offset", 0, 0, table.TrainSteps - 1);
        var karras = config.Flag("use_karras_sigmas", false);
        var exponential = config.Flag("use_exponential_sigmas", false);
        var zero = config.OneOf("final_sigmas_type", "zero", "zero", "sigma_min") == "zero";
        config.OneOf("algorithm_type", "dpmsolver++", "dpmsolver++");
        config.Off("thresholding", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting");
        config.Absent("lambda_min_clipped", "variance_type");
        config.Skip("dynamic_thresholding_ratio", "sample_max_value", "flow_shift", "time_shift_type");
        if (karras && exponential)
            throw config.Wrong("use_exponential_sigmas", "false beside use_karras_sigmas");
        var settings = new Settings(
            table.Prediction,
            config.Whole("solver_order", 2, 1, 3),
            config.OneOf("solver_type", "midpoint", "midpoint", "heun") == "midpoint",
            config.Flag("lower_order_final", true),
            config.Flag("euler_at_final", false),
            zero);
        return new NoiseScheduling("DPMSolverMultistepScheduler", table.TrainSteps - 1, request =>
        {
            var (count, total) = (request.Steps, table.TrainSteps);
            // Unlike the other schedulers, this one spreads one step more and leaves the last out.
            var steps = spacing == "trailing"
                ? Diffusion.Timesteps.Spread(spacing, count, total, 0, round: true)
                : Diffusion.Timesteps.Spread(spacing, count + 1, total, spacing == "leading" ? offset : 0, round: true)[..count];
            double[] levels;
            if (karras || exponential)
            {
                levels = karras ? NoiseLevels.Karras(table.Sigmas[^1], table.Sigmas[0], count)
                    : NoiseLevels.Exponential(table.Sigmas[^1], table.Sigmas[0], count);
                steps = Array.ConvertAll(levels, s => Math.Round(NoiseLevels.TimestepOf(s, table.Sigmas)));
            }
            else
            {
                levels = Array.ConvertAll(steps, t => NoiseLevels.At(table.Sigmas, t));
            }
            float[] sigmas = [.. levels.Select(s => (float)s), zero ? 0 : (float)table.Sigmas[0]];
            return new DpmSolverScheduler(settings, Array.ConvertAll(steps, t => (float)t), sigmas);
        });
    }

    public void AddNoise(int step, ReadOnlySpan<float> data, ReadOnlySpan<float> noise, Span<float> sample)
    {
        var (alpha, sigma, _) = Level(step);
        for (var i = 0; i < sample.Length; i++)
            sample[i] = (float)alpha * data[i] + (float)sigma * noise[i];
    }

    public void ScaleInput(int step, ReadOnlySpan<float> sample, Span<float> input) => sample.CopyTo(input);

    public void Step(int step, ReadOnlySpan<float> output, Span<float> sample, ReadOnlySpan<float> noise, Span<float> estimate)
    {
        Remember(step, output, sample, estimate);
        switch (Order(step))
        {
            case 1:
                First(step, sample);
                break;
            case 2:
                Second(step, sample);
                break;
            default:
                Third(step, sample);
                break;
        }
        _known = Math.Min(_known + 1, _settings.Order);
    }

    // Fewer known predictions, and the last steps of short schedules, take a lower order.
    private int Order(int step)
    {
        var left = _timesteps.Length - step;
        var brief = _settings.LowerOrderFinal && _timesteps.Length < 15;
        if (_settings.Order == 1 || _known < 1 || (left == 1 && (brief || _settings.EulerAtFinal || _settings.EndsInZero)))
            return 1;
        return _settings.Order == 2 || _known < 2 || (left == 2 && brief) ? 2 : 3;
    }

    private void Remember(int step, ReadOnlySpan<float> output, ReadOnlySpan<float> sample, Span<float> estimate)
    {
        var (alpha, sigma, _) = Level(step);
        var (a, s) = ((float)alpha, (float)sigma);
        for (var i = 0; i < estimate.Length; i++)
        {
            estimate[i] = _settings.Prediction == PredictionType.Epsilon
                ? (sample[i] - s * output[i]) / a
                : a * sample[i] - s * output[i];
        }
        var oldest = _history[2].Length == estimate.Length ? _history[2] : new float[estimate.Length];
        (_history[0], _history[1], _history[2]) = (oldest, _history[0], _history[1]);
        estimate.CopyTo(oldest);
    }

    private void First(int step, Span<float> sample)
    {
        var (alpha, sigma, lambda) = Level(step + 1);
        var (_, sigma0, lambda0) = Level(step);
        var keep = (float)(sigma / sigma0);
        var take = (float)(-alpha * (Math.Exp(lambda0 - lambda) - 1));
        for (var i = 0; i < sample.Length; i++)
            sample[i] = keep * sample[i] + take * _history[0][i];
    }

    private void Second(int step, Span<float> sample)
    {
        var (alpha, sigma, lambda) = Level(step + 1);
        var (_, sigma0, lambda0) = Level(step);
        var (_, _, lambda1) = Level(step - 1);
        var h = lambda - lambda0;
        var r = (lambda0 - lambda1) / h;
        var fall = Math.Exp(-h) - 1;
        var keep = (float)(sigma / sigma0);
        var take = (float)(-alpha * fall);
        var slope = (float)(_settings.Midpoint ? -0.5 * alpha * fall : alpha * (fall / h + 1));
        for (var i = 0; i < sample.Length; i++)
        {
            var d1 = (_history[0][i] - _history[1][i]) / (float)r;
            sample[i] = keep * sample[i] + take * _history[0][i] + slope * d1;
        }
    }

    private void Third(int step, Span<float> sample)
    {
        var (alpha, sigma, lambda) = Level(step + 1);
        var (_, sigma0, lambda0) = Level(step);
        var (_, _, lambda1) = Level(step - 1);
        var (_, _, lambda2) = Level(step - 2);
        var h = lambda - lambda0;
        var (r0, r1) = ((float)((lambda0 - lambda1) / h), (float)((lambda1 - lambda2) / h));
        var fall = Math.Exp(-h) - 1;
        var keep = (float)(sigma / sigma0);
        var take = (float)(-alpha * fall);
        var slope = (float)(alpha * (fall / h + 1));
        var curve = (float)(-alpha * ((fall + h) / (h * h) - 0.5));
        for (var i = 0; i < sample.Length; i++)
        {
            var (m0, m1, m2) = (_history[0][i], _history[1][i], _history[2][i]);
            var (near, far) = ((m0 - m1) / r0, (m1 - m2) / r1);
            var d1 = near + r0 / (r0 + r1) * (near - far);
            var d2 = (near - far) / (r0 + r1);
            sample[i] = keep * sample[i] + take * m0 + slope * d1 + curve * d2;
        }
    }

    private (double Alpha, double Sigma, double Lambda) Level(int step)
    {
        double ratio = _sigmas[step];
        var alpha = 1 / Math.Sqrt(ratio * ratio + 1);
        return (alpha, ratio * alpha, -Math.Log(ratio));
    }
}
