using System.Text.Json.Serialization;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <param name="Paper">The paper's figure, or null.</param>
internal sealed record ThroughputRow(
    string Workload, string System, double ThroughputRatio,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? Paper, double ImagesPerMinute, string Split);

/// <summary>
/// The paper's throughput experiment: 5,000 requests come faster than 16 MI210 can serve them, nothing is refused, and the
/// time until the last image counts. Published: the service times, the k table, the hit rate of 92.8 % at 100,000 entries.
/// Fitted, as they are not published: one hit rate a dataset (0.72, 0.62), the spread of similarities (0.02), and, on DiffusionDB
/// alone, the threshold of retrieval only. NIRVANA is given MoDM's hits, each with at most half of its steps.
/// </summary>
internal static class ThroughputSuite
{
    public const int Gpus = 16;
    private const int Requests = 5000;
    private const double Flood = 40;
    private const double RetrievalThreshold = 0.2645;
    private const int Seeds = 3;
    private const double StepSkipping = 2.7;
    private const string Large = "sd3.5-large";

    private static readonly Dictionary<(string, string), double> Published = new()
    {
        [("DiffusionDB", "large only")] = 1,
        [("DiffusionDB", "NIRVANA-like")] = 1.2,
        [("DiffusionDB", "retrieval only")] = 1.8,
        [("DiffusionDB", "MoDM-SDXL (paper's rule)")] = 2.5,
        [("DiffusionDB", "MoDM-SANA (paper's rule)")] = 3.2,
        [("MJHQ", "large only")] = 1,
        [("MJHQ", "NIRVANA-like")] = 1.1,
        [("MJHQ", "retrieval only")] = 1.4,
        [("MJHQ", "MoDM-SDXL (paper's rule)")] = 2.1,
        [("MJHQ", "MoDM-SANA (paper's rule)")] = 2.4,
    };

    public static IReadOnlyList<(string Name, IHitModel Hits)> Workloads { get; } =
    [
        ("DiffusionDB", SimilarityHits.WithRate(0.72, 0.25)),
        ("MJHQ", SimilarityHits.WithRate(0.62, 0.25)),
        ("DiffusionDB, 100,000 entries", SimilarityHits.WithRate(0.928, 0.25)),
        ("index of 10,000 images", new IndexHits(10_000)),
    ];

    /// <summary>Means of three seeds, which all systems share.</summary>
    public static IReadOnlyList<ThroughputRow> Run(GpuProfile gpu, int seed) => [.. Workloads.SelectMany(w => Run(gpu, w, seed, Seeds))];

    public static IReadOnlyList<ThroughputRow> Run(GpuProfile gpu, (string Name, IHitModel Hits) workload, int seed, int seeds) =>
    [
        .. Enumerable.Range(seed, seeds).SelectMany(s => Run(gpu, workload.Name, workload.Hits, s)).GroupBy(r => r.System).Select(g => g.First() with
        {
            ThroughputRatio = g.Average(r => r.ThroughputRatio),
            ImagesPerMinute = g.Average(r => r.ImagesPerMinute),
        }),
    ];

    public static IReadOnlyList<ThroughputRow> Run(GpuProfile gpu, string workload, IHitModel hits, int seed)
    {
        var perMinute = Flood * Gpus * 60 / gpu[Large].Seconds;
        var requests = PaperWorld.Requests(Arrivals.Steady(perMinute, Requests / perMinute * 60), hits, seed).ToList();
        SimResult Simulate(string[] models, int[] start, Func<SimRequest, SimJob> classify, Func<MixtureSpec, double[], IFleetPolicy> policy)
        {
            var spec = PaperWorld.Mixture(gpu, Gpus, 0, SloObjective.Throughput, DegradeStep.None, models);
            double[] seconds = [.. models.Select(m => gpu[m].Seconds)];
            return new Simulation(new SimSettings(spec, seconds, [.. models.Select(m => gpu[m].LoadSeconds)], start, Deadlines: false, seed),
                policy(spec, seconds), classify).Run(requests);
        }
        SimResult Alone(string model, Func<SimRequest, SimJob> classify) => Simulate([model], [Gpus], classify, (_, _) => new FixedFleet(Gpus));
        SimResult Mixed(string small, Func<MixtureSpec, double[], IFleetPolicy> policy) =>
            Simulate([Large, small], [Gpus - 1, 1], PaperWorld.ByPolicy, policy);

        var alone = Alone(Large, PaperWorld.Miss);
        ThroughputRow Row(string system, SimResult result, string split) => new(workload, system, result.PerMinute / alone.PerMinute,
            Published.TryGetValue((workload, system), out var paper) ? paper : null, result.PerMinute, split);
        var rows = new List<ThroughputRow>
        {
            Row("large only", alone, "16"),
            Row("small only, SDXL", Alone("sdxl", PaperWorld.Miss), "16"),
            Row("small only, SANA", Alone("sana", PaperWorld.Miss), "16"),
            Row("NIRVANA-like", Alone(Large, PaperWorld.Nirvana), "16"),
            Row("retrieval only", Alone(Large, PaperWorld.Retrieval(RetrievalThreshold)), "16"),
            Row("large, step-skipping 2.7x", Alone(Large, PaperWorld.StepSkipping(StepSkipping)), "16"),
        };
        foreach (var small in new[] { "sdxl", "sana" })
        {
            var name = small.ToUpperInvariant();
            var rule = Mixed(small, (spec, seconds) => new PaperFleet(spec, seconds, throughput: true));
            rows.Add(Row($"MoDM-{name} (paper's rule)", rule, Split(rule)));
            var ours = Mixed(small, (spec, _) => new OurFleet(spec));
            rows.Add(Row($"MoDM-{name} (ours)", ours, Split(ours)));
            // Who knows the workload in advance tries every split that does not change.
            var best = Enumerable.Range(1, Gpus - 1).Select(n => (Large: n, Result: Simulate(
                [Large, small], [n, Gpus - n], PaperWorld.ByPolicy, (_, _) => new FixedFleet(n, Gpus - n)))).MaxBy(b => b.Result.PerMinute);
            rows.Add(Row($"MoDM-{name} (best fixed split)", best.Result, $"{best.Large}+{Gpus - best.Large}"));
        }
        return rows;
    }

    /// <summary>The split that was held the longest.</summary>
    private static string Split(SimResult result) => result.Ticks.GroupBy(t => string.Join('+', t.Plan.Sizes)).MaxBy(g => g.Count())?.Key ?? "";
}
