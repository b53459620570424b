using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <param name="Share">Of the requests within the SLO, at each rate.</param>
/// <param name="Holds">The highest rate up to which 99 % stay within.</param>
internal sealed record SloRow(
    string Gpus, string System, double TimesLarge, IReadOnlyDictionary<string, double> Share, double Holds, double? RisingBreak, double? Paper);

/// <summary>
/// Up to which rate latency stays within a multiple of the large model's own time. Steady: an hour of Poisson arrivals at each
/// rate. Rising: the paper's load generator; the rate at which one in ten of the last five minutes' requests was late.
/// Everything waits for its turn in all systems, so that no request is refused.
/// </summary>
internal static class SloSuite
{
    private const double HitRate = 0.72;
    private const double Good = 0.99;
    private const int RisingRequests = 2000;

    public static IReadOnlyList<SloRow> Run(int seed) =>
    [
        .. Run(GpuProfile.Mi210, 16, 2, 6, 26, 2, new() { ["large only"] = 14, ["MoDM-SDXL (paper's rule)"] = 22 }, seed),
        .. Run(GpuProfile.Mi210, 16, 4, 6, 26, 2, [], seed),
        .. Run(GpuProfile.A40, 4, 2, 2, 12, 1, new() { ["large only"] = 5, ["MoDM-SDXL (paper's rule)"] = 10 }, seed),
    ];

    private static IEnumerable<SloRow> Run(
        GpuProfile gpu, int gpus, double slo, int from, int to, int step, Dictionary<string, double> paper, int seed)
    {
        string[] models = ["sd3.5-large", "sdxl"];
        double[] seconds = [.. models.Select(m => gpu[m].Seconds)];
        var spec = PaperWorld.Mixture(gpu, gpus, slo, SloObjective.Quality, DegradeStep.None, models);
        var hits = SimilarityHits.WithRate(HitRate, 0.25);
        var rising = Arrivals.Rising(from, to, RisingRequests);
        var systems = new (string Name, Func<IFleetPolicy> Policy, Func<SimRequest, SimJob> Classify)[]
        {
            ("large only", () => new FixedFleet(gpus, 0), PaperWorld.Miss),
            ("MoDM-SDXL (paper's rule)", () => new PaperFleet(spec, seconds, throughput: false), PaperWorld.ByPolicy),
            ("MoDM-SDXL (ours)", () => new OurFleet(spec), PaperWorld.ByPolicy),
        };
        foreach (var (name, policy, classify) in systems)
        {
            SimResult Simulate(Arrivals arrivals) => new Simulation(
                new SimSettings(spec, seconds, [.. models.Select(m => gpu[m].LoadSeconds)], [gpus, 0], Deadlines: false, seed), policy(), classify)
                .Run(PaperWorld.Requests(arrivals, hits, seed));
            var share = new Dictionary<string, double>();
            double? holds = null;
            for (var rate = from; rate <= to; rate += step)
            {
                var within = Simulate(Arrivals.Steady(rate, 3600)).Attainment;
                share[$"{rate}"] = within;
                if (within < Good) holds ??= rate - step;
            }
            yield return new SloRow($"{gpus} {gpu.Name}", name, slo, share, holds ?? to, Break(Simulate(rising), rising),
                paper.TryGetValue(name, out var figure) ? figure : null);
        }
    }

    /// <summary>The rate in the middle of the first five minutes in which one in ten was late; null: in none.</summary>
    private static double? Break(SimResult result, Arrivals arrivals)
    {
        for (var minute = 5; minute < result.Minutes.Count; minute++)
        {
            var window = result.Minutes.Skip(minute - 5).Take(5).ToList();
            if (window.Sum(m => m.Within) < 0.9 * window.Sum(m => m.Completed)) return arrivals.PerMinute(minute * 60 - 150);
        }
        return null;
    }
}
