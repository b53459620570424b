namespace MoDM.Worker.Diffusion;

/// <summary>
/// How the steps of a schedule are spread over the training steps, from the noisiest down (Lin et al. 2023, table 2).
/// </summary>
internal static class Timesteps
{
    public static readonly string[] Spacings = ["linspace", "leading", "trailing"];

    /// <param name="total">Training steps.</param>
    /// <param name="round">Whether <c>linspace</c> is rounded to whole training steps.</param>
    public static double[] Spread(string spacing, int count, int total, int offset, bool round) => spacing switch
    {
        "linspace" => [.. Linear(total - 1, 0, count).Select(t => round ? Math.Round(t) : t)],
        "leading" => [.. Enumerable.Range(0, count).Select(i => (double)((count - 1 - i) * (total / count) + offset))],
        _ => [.. Enumerable.Range(0, count).Select(i => Math.Round(total - i * ((double)total / count)) - 1)],
    };

    /// <summary>Evenly from one value to another, both included; one value is the first.</summary>
    public static double[] Linear(double from, double to, int count) =>
    [
        .. Enumerable.Range(0, count)
            .Select(i => count == 1 ? from : i == count - 1 ? to : from + i * (to - from) / (count - 1)),
    ];
}
