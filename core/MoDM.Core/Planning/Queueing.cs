namespace MoDM.Planning;

/// <summary>
/// Waiting times in a queue with c servers and Poisson arrivals, by H. Sakasegawa, "An approximation formula
/// L_q = alpha rho^beta / (1 - rho)", Ann. Inst. Stat. Math. 29 (1977).
/// <code>
/// rho   utilisation, in [0, 1)          S   mean seconds of service
/// P_w = rho^(sqrt(2 (c + 1)) - 1)       probability that an arrival has to wait
/// W   = (1 + cs2) / 2 * S / (c (1 - rho))   mean wait of those that wait, taken as exponential
/// </code>
/// </summary>
internal static class Queueing
{
    /// <summary>(1 + cs2) / 2: drawing a fixed number of steps takes nearly the same time every time.</summary>
    public const double Variability = 0.55;

    public static double WaitProbability(double servers, double utilisation) =>
        utilisation >= 1 ? 1 : utilisation <= 0 ? 0 : Math.Pow(utilisation, Math.Sqrt(2 * (servers + 1)) - 1);

    /// <returns>Infinity when the servers are not enough.</returns>
    public static double MeanWait(double servers, double utilisation, double seconds) =>
        utilisation >= 1 || servers <= 0 ? double.PositiveInfinity : Variability * seconds / (servers * (1 - utilisation));
}

/// <summary>A class of requests: its time on a worker, and an exponential wait before it with probability P_w.</summary>
internal readonly record struct Sojourn(double Service, double WaitProbability, double MeanWait)
{
    /// <summary>P(latency > t).</summary>
    public double Tail(double t) =>
        t < Service ? 1 : double.IsInfinity(MeanWait) ? WaitProbability
        : MeanWait <= 0 ? 0 : WaitProbability * Math.Exp(-(t - Service) / MeanWait);

    /// <summary>The latency that a share p of the requests stays within.</summary>
    public double Percentile(double p) =>
        WaitProbability <= 1 - p ? Service : Service + MeanWait * Math.Log(WaitProbability / (1 - p));
}
