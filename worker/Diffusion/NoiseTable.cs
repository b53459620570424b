namespace MoDM.Worker.Diffusion;

internal enum PredictionType
{
    /// <summary>The noise.</summary>
    Epsilon,

    /// <summary>alpha * noise - sigma * data (Salimans and Ho 2022, section 4).</summary>
    Velocity,
}

/// <summary>
/// The noise levels that a model was trained with: cumulative products of 1 - beta, one a training step. Float where
/// diffusers has float, since 1 - alpha at the first steps amplifies the rounding.
/// </summary>
internal sealed class NoiseTable
{
    private NoiseTable(float[] alphas, PredictionType prediction)
    {
        (AlphasCumulative, Prediction) = (alphas, prediction);
        Sigmas = Array.ConvertAll(alphas, a => (double)MathF.Sqrt((1 - a) / a));
    }

    public float[] AlphasCumulative { get; }

    /// <summary>sqrt((1 - a) / a): noise over data.</summary>
    public double[] Sigmas { get; }

    public PredictionType Prediction { get; }
    public int TrainSteps => AlphasCumulative.Length;

    /// <param name="defaults">The class's own defaults: DDPM's betas, or the latent models'.</param>
    /// <param name="keepLast">
    /// Whether the last level stays above zero (2^-24) with rescaled betas, for methods that divide by it.
    /// </param>
    public static NoiseTable Read(
        SchedulerConfig config, bool keepLast, (double Start, double End, string Schedule)? defaults = null)
    {
        var (defaultStart, defaultEnd, defaultSchedule) = defaults ?? (1e-4, 0.02, "linear");
        config.Absent("trained_betas");
        var steps = config.Whole("num_train_timesteps", 1000, 2, 100_000);
        var start = config.Number("beta_start", defaultStart);
        var end = config.Number("beta_end", defaultEnd);
        var schedule = config.OneOf("beta_schedule", defaultSchedule, "linear", "scaled_linear", "squaredcos_cap_v2");
        if (!(start > 0 && start <= end && end < 1))
            throw config.Wrong("beta_start", "0 < beta_start <= beta_end < 1");
        var prediction = config.OneOf("prediction_type", "epsilon", "epsilon", "v_prediction") == "epsilon"
            ? PredictionType.Epsilon : PredictionType.Velocity;

        var betas = schedule switch
        {
            "linear" => Linear(start, end, steps),
            "scaled_linear" => Array.ConvertAll(Linear(Math.Sqrt(start), Math.Sqrt(end), steps), b => b * b),
            _ => Cosine(steps),
        };
        var rescale = config.Flag("rescale_betas_zero_snr", false);
        if (rescale)
            betas = ZeroTerminal(betas);
        var alphas = Cumulative(betas);
        if (rescale && keepLast)
            alphas[^1] = MathF.Pow(2, -24);
        return new NoiseTable(alphas, prediction);
    }

    // torch.linspace in float: from both ends towards the middle.
    private static float[] Linear(double start, double end, int count)
    {
        float from = (float)start, to = (float)end, step = (to - from) / (count - 1);
        return [.. Enumerable.Range(0, count).Select(i => i < count / 2 ? from + step * i : to - step * (count - 1 - i))];
    }

    // Nichol and Dhariwal 2021, equation 17, betas capped at 0.999.
    private static float[] Cosine(int count)
    {
        static double Bar(double t) => Math.Pow(Math.Cos((t + 0.008) / 1.008 * Math.PI / 2), 2);
        return [.. Enumerable.Range(0, count).Select(
            i => (float)Math.Min(1 - Bar((i + 1.0) / count) / Bar((double)i / count), 0.999))];
    }

    private static float[] Cumulative(float[] betas)
    {
        var product = 1.0;
        return Array.ConvertAll(betas, b => (float)(product *= 1 - b));
    }

    // Lin et al. 2023, algorithm 1: the last level becomes pure noise.
    private static float[] ZeroTerminal(float[] betas)
    {
        var roots = Array.ConvertAll(Cumulative(betas), MathF.Sqrt);
        float first = roots[0], last = roots[^1];
        var bars = Array.ConvertAll(roots, r =>
        {
            var shifted = (r - last) * (first / (first - last));
            return shifted * shifted;
        });
        var result = new float[betas.Length];
        for (var i = 0; i < result.Length; i++)
            result[i] = 1 - (i == 0 ? bars[0] : bars[i] / bars[i - 1]);
        return result;
    }
}
