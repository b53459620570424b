namespace MoDM.Planning;

/// <summary>What the paper's controller remembers.</summary>
/// <param name="Large">The unrounded number of large workers that it steers.</param>
public readonly record struct PaperState(double Large, double Integral, double LastError);

/// <summary>
/// The rule of arXiv 2503.11972 (section 5.3, algorithm 1, PID of section 5.4), for one large and one small model on N GPUs,
/// as its authors published it: a baseline to compare with, with all its faults. It knows no queue, latency or SLO; between
/// 90 and 100 % load it has a large worker too few; its integral makes it overshoot (complaint 32).
/// <code>
/// W_m = (1 - H) R       work of misses, images a minute        mu_L, mu_S   images a minute of one worker
/// W_h = H R sum p_k (1 - k/T)   work of hits                   N_L          large workers; N - N_L are small
/// quality     the largest N_L with 0.9 (N_L mu_L - W_m + (N - N_L) mu_S) >= W_h, tried from ceil(W_m / mu_L) on
/// throughput  round(N W_m / (W_m + W_h mu_L / mu_S))
/// </code>
/// </summary>
public static class PaperPlanner
{
    public static readonly TimeSpan Period = TimeSpan.FromMinutes(3);
    private const double Headroom = 0.9;
    private const double Proportional = 0.6;
    private const double Integral = 0.05;
    private const double Derivative = 0.05;

    /// <summary>N_L for a load, before the controller; whether the paper's own system would have stopped serving here.</summary>
    /// <param name="missRate">Images a minute.</param>
    /// <param name="hitWork">Mean of 1 - k/T over the hits.</param>
    /// <param name="largeSeconds">Of a full drawing.</param>
    public static (int Large, bool Stops) ForQuality(
        double missRate, double hitRate, double hitWork, double largeSeconds, double smallSeconds, int gpus)
    {
        var (large, small) = (60 / largeSeconds, 60 / smallSeconds);
        var work = hitRate * hitWork;
        double Left(int n) => n * large - missRate + (gpus - n) * small;
        var n = (int)Math.Ceiling(missRate / large);
        var stops = Left(n) <= work || n > gpus;
        while (n <= gpus)
        {
            if (Headroom * Left(n) >= work)
            {
                n++;
                continue;
            }
            n--;
            break;
        }
        return (Math.Clamp(n, 1, gpus), stops);
    }

    /// <summary>The split by work alone, for a queue that never runs dry.</summary>
    public static int ForThroughput(double hitShare, double hitWork, double largeSeconds, double smallSeconds, int gpus)
    {
        var (miss, hit) = (1 - hitShare, hitShare * hitWork * smallSeconds / largeSeconds);
        return Math.Clamp((int)Math.Round(miss / (miss + hit) * gpus, MidpointRounding.ToEven), 1, gpus - 1);
    }

    /// <summary>One step of the controller towards <paramref name="target"/>.</summary>
    public static (int Large, PaperState State) Steer(PaperState state, int target, int most, int gpus)
    {
        var minutes = Period.TotalMinutes;
        var error = target - state.Large;
        var integral = state.Integral + error * minutes;
        var change = Proportional * error + Integral * integral + Derivative * (error - state.LastError) / minutes;
        var large = state.Large + Math.Clamp(change, -gpus, gpus);
        return (Math.Clamp((int)Math.Round(large, MidpointRounding.ToEven), 1, most), new PaperState(large, integral, error));
    }
}
