using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <param name="Attainment">Share of all arrivals with an image within the SLO; refused ones count as late.</param>
/// <param name="P99">Seconds, of those that were let in.</param>
internal sealed record LoadRow(
    string Load, string System, string Objective, int Seed, double Attainment, double P99, double GpuHours, int Refused, int Expired, int Swaps,
    double InBand);

/// <param name="BacklogGoneAfter">Seconds from the end of the burst until no more than two images wait.</param>
internal sealed record BurstRow(int Seed, double? BacklogGoneAfter, double Attainment, int Refused);

/// <param name="Capacity">Images a minute that the best fixed split draws without end, at full quality.</param>
/// <param name="Goodput">Images a minute within the SLO, while three times that arrive.</param>
internal sealed record OverloadRow(
    int Seed, string Ladder, double Capacity, double Goodput, double P99, double Slo, int Arrived, int Refused, int Expired);

/// <summary>Loads that change, on 16 MI210 with SD3.5 Large and SDXL or SANA, SLO twice the large model's time.</summary>
internal static class LoadSuite
{
    private const int Gpus = ThroughputSuite.Gpus;
    private const double HitRate = 0.72;
    private static readonly GpuProfile Gpu = GpuProfile.Mi210;

    /// <summary>The paper's rising load, 6 to 26 a minute, and a day in the same range.</summary>
    public static (IReadOnlyList<LoadRow> Rows, SimResult Shown) Changing(int seed)
    {
        var rows = new List<LoadRow>();
        SimResult? shown = null;
        foreach (var small in new[] { "sdxl", "sana" })
        {
            foreach (var (load, arrivals) in new[]
            {
                ("rising", Arrivals.Rising(6, 26, 2000)),
                ("diurnal", Arrivals.Diurnal(4, 22)),
                ("bursts", new Arrivals("bursts", t => t % 3600 is >= 1800 and < 2100 ? 20 : 10, 4 * 3600)),
            })
            {
                foreach (var objective in new[] { SloObjective.Cost, SloObjective.Quality })
                {
                    var world = new World(small, objective, DegradeStep.None, seed);
                    var requests = PaperWorld.Requests(arrivals, world.Hits, seed).ToList();
                    var jobs = requests.Select(PaperWorld.ByPolicy).ToList();
                    var hits = jobs.Where(j => j.Route == CacheRoute.Hit).ToList();
                    LoadRow Row(string system, SimResult r) => new(
                        load, $"MoDM-{small.ToUpperInvariant()} ({system})", $"{objective}", seed, r.Attainment, r.Percentile(99), r.GpuHours,
                        r.Refused, r.Expired, r.Swaps, r.InBand);
                    var ours = world.Run(new OurFleet(world.Spec), requests, deadlines: true);
                    rows.Add(Row("ours", ours));
                    rows.Add(Row("oracle", world.Run(new OracleFleet(world.Spec, world.Seconds, arrivals.PerMinute,
                        (double)hits.Count / jobs.Count, hits.Average(h => h.Work)), requests, deadlines: false, free: true)));
                    if (objective == SloObjective.Quality)
                        rows.Add(Row("paper's rule", world.Run(new PaperFleet(world.Spec, world.Seconds, throughput: false), requests, deadlines: false)));
                    if (load == "rising" && objective == SloObjective.Cost) shown ??= ours;
                }
            }
        }
        return (rows, shown!);
    }

    /// <summary>12 a minute, and twice that for 5 minutes.</summary>
    public static BurstRow Burst(int seed)
    {
        const double start = 1800, length = 300;
        var world = new World("sdxl", SloObjective.Quality, DegradeStep.None, seed);
        var result = world.Run(new OurFleet(world.Spec), PaperWorld.Requests(Arrivals.Burst(12, 2, start, length, 4200), world.Hits, seed), deadlines: true);
        var gone = result.Ticks.FirstOrDefault(t => t.At >= start + length && t.Waiting <= 2)?.At - start - length;
        return new BurstRow(seed, gone, result.Attainment, result.Refused);
    }

    /// <summary>Three times what can be drawn, for 10 minutes.</summary>
    public static OverloadRow Overload(DegradeStep ladder, double capacity, int seed)
    {
        const double start = 1800, length = 600;
        var world = new World("sdxl", SloObjective.Quality, ladder, seed);
        var arrivals = Arrivals.Burst(0.8 * capacity, 3 / 0.8, start, length, 4800);
        var result = world.Run(new OurFleet(world.Spec), PaperWorld.Requests(arrivals, world.Hits, seed), deadlines: true);
        // The first minute fills the queue, with what had begun before.
        var goodput = result.Minutes.Skip((int)(start / 60) + 1).Take((int)(length / 60) - 1).Average(m => m.Within);
        return new OverloadRow(seed, $"{ladder}", capacity, goodput, result.Percentile(99), world.Spec.Slo.Latency.TotalSeconds,
            result.Arrived, result.Refused, result.Expired);
    }

    private sealed class World(string small, SloObjective objective, DegradeStep ladder, int seed)
    {
        private readonly double[] _load = [Gpu["sd3.5-large"].LoadSeconds, Gpu[small].LoadSeconds];

        public MixtureSpec Spec { get; } = PaperWorld.Mixture(Gpu, Gpus, 2, objective, ladder, "sd3.5-large", small);
        public double[] Seconds { get; } = [Gpu["sd3.5-large"].Seconds, Gpu[small].Seconds];
        public IHitModel Hits { get; } = SimilarityHits.WithRate(HitRate, 0.25);

        /// <param name="free">Workers come and go at once.</param>
        public SimResult Run(IFleetPolicy policy, IEnumerable<SimRequest> requests, bool deadlines, bool free = false) => new Simulation(
            new SimSettings(Spec, Seconds, free ? [0, 0] : _load, policy is PaperFleet ? [Gpus, 0] : [6, 1], deadlines, seed), policy, PaperWorld.ByPolicy)
            .Run(requests);
    }
}
