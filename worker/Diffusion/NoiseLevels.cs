namespace MoDM.Worker.Diffusion;

/// <summary>The noise levels (sigmas) of a schedule, and the way back from a level to a training step.</summary>
internal static class NoiseLevels
{
    /// <summary>The training steps' levels between whole steps, by linear interpolation.</summary>
    public static double At(double[] levels, double timestep)
    {
        var t = Math.Clamp(timestep, 0, levels.Length - 1);
        var low = Math.Min((int)t, levels.Length - 2);
        return levels[low] + (t - low) * (levels[low + 1] - levels[low]);
    }

    /// <summary>Karras et al. 2022, equation 5, rho = 7.</summary>
    public static double[] Karras(double max, double min, int count)
    {
        const double Rho = 7;
        double from = Math.Pow(max, 1 / Rho), to = Math.Pow(min, 1 / Rho);
        return [.. Timesteps.Linear(0, 1, count).Select(r => Math.Pow(from + r * (to - from), Rho))];
    }

    /// <summary>Evenly in the logarithm.</summary>
    public static double[] Exponential(double max, double min, int count) =>
        [.. Timesteps.Linear(Math.Log(max), Math.Log(min), count).Select(Math.Exp)];

    /// <summary>The training step of a level, by linear interpolation in the logarithm.</summary>
    /// <param name="levels">Ascending.</param>
    public static double TimestepOf(double level, double[] levels)
    {
        var log = Math.Log(Math.Max(level, 1e-10));
        var low = 0;
        for (var i = 0; i < levels.Length - 1 && log >= Math.Log(levels[i]); i++)
            low = i;
        double a = Math.Log(levels[low]), b = Math.Log(levels[low + 1]);
        return low + Math.Clamp((a - log) / (a - b), 0, 1);
    }

    public static float Max(ReadOnlySpan<float> levels)
    {
        var max = 0f;
        foreach (var level in levels)
            max = Math.Max(max, level);
        return max;
    }
}
