using System.Text;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <param name="Table">Throughput, as a ratio to the large model alone.</param>
/// <param name="NoiseSwaps">By objective: the most swaps in 10 minutes of complaint 1's series, over a range of loads.</param>
internal sealed record PaperReport(
    int Seed, Environs Environs, IReadOnlyList<ThroughputRow> Table, IReadOnlyList<SloRow> Slo, IReadOnlyList<StepResponse> Steps,
    IReadOnlyDictionary<string, int> NoiseSwaps, IReadOnlyList<LoadRow> Loads, IReadOnlyList<BurstRow> Bursts,
    IReadOnlyList<OverloadRow> Overloads, DayRow Day, IReadOnlyList<PlanTimeRow> PlanTimes)
{
    private static readonly double[] NoiseLoads = [5, 10, 12, 14, 16, 18, 20, 24, 30, 60, 200];

    private SimResult? _shown;

    public static PaperReport Run(int seed, Action<string> log)
    {
        log($"seed {seed}: throughput");
        var table = ThroughputSuite.Run(GpuProfile.Mi210, seed);
        log("SLO breaking points");
        var slo = SloSuite.Run(seed);
        log("steps and noise");
        var spec = PaperWorld.Mixture(GpuProfile.Mi210, 16, 2, SloObjective.Quality, DegradeStep.None, "sd3.5-large", "sdxl");
        double[] seconds = [91.5, 16.5];
        StepResponse[] steps =
        [
            .. PlannerDrills.Steps("ours", new OurFleet(spec), PlannerDrills.SixteenFourFourteen),
            .. PlannerDrills.Steps("paper's rule", new PaperFleet(spec, seconds, throughput: false), PlannerDrills.SixteenFourFourteen),
        ];
        var noise = Enum.GetValues<SloObjective>().ToDictionary(o => $"{o}", o => NoiseLoads.Max(l => PlannerDrills.NoiseSwaps(o, l, 0)));
        log("rising, diurnal and bursting loads; overload");
        var seeds = Enumerable.Range(seed, 3).ToList();
        var changing = seeds.Select(LoadSuite.Changing).ToList();
        var capacity = table.First(r => r.System == "MoDM-SDXL (best fixed split)").ImagesPerMinute;
        var overloads = new[] { DegradeStep.None, DegradeStep.SmallForMisses }.SelectMany(l => seeds.Select(s => LoadSuite.Overload(l, capacity, s)));
        var report = new PaperReport(seed, Environs.Here(), table, slo, steps, noise, [.. changing.SelectMany(c => c.Rows)],
            [.. seeds.Select(LoadSuite.Burst)], [.. overloads], ScaleSuite.Day(1_000_000, 1000, seed), ScaleSuite.PlanTimes(10_000, 2000))
        {
            _shown = changing[0].Shown,
        };
        return report;
    }

    public string Render()
    {
        var text = new StringBuilder();
        Section("Throughput, 16 MI210, ratio to the large model alone", ["workload and system", "ratio", "paper", "images/min", "split"],
            Table.Select(r => new[] { $"{r.Workload}: {r.System}", $"{r.ThroughputRatio:0.00}", r.Paper is { } p ? $"{p:0.0}" : "", $"{r.ImagesPerMinute:0.0}", r.Split }));
        Section("SLO: highest rate (images/min) that is held", ["GPUs and system", "SLO", "steady, 99 %", "rising, 90 %", "paper"],
            Slo.Select(r => new[] { $"{r.Gpus}: {r.System}", $"{r.TimesLarge:0.#}x", $"{r.Holds:0}", r.RisingBreak is { } b ? $"{b:0.0}" : "held", r.Paper is { } p ? $"{p:0}" : "" }));
        Section("A load that changes at once", ["planner", "from", "to", "ticks", "overshoot", "sizes"],
            Steps.Select(s => new[] { s.Planner, $"{s.From}", $"{s.Target}", $"{s.TicksToSettle}", $"{s.Overshoot}", string.Join(' ', s.Sizes.Take(12)) }));
        text.Append($"Swaps in 10 minutes of 50/50, 70/30, 60/40, 75/25 every 15 s, at most: {string.Join(", ", NoiseSwaps.Select(n => $"{n.Key} {n.Value}"))}\n\n");
        Section("Loads that change", ["load, system, objective, seed", "within SLO", "p99 s", "GPU hours", "refused", "late", "swaps", "in 80 % band"],
            Loads.Select(r => new[] { $"{r.Load}, {r.System}, {r.Objective}, {r.Seed}", $"{r.Attainment:0.000}", $"{r.P99:0}", $"{r.GpuHours:0.0}", $"{r.Refused}", $"{r.Expired}", $"{r.Swaps}", $"{r.InBand:0.00}" }));
        Section("Twice the load for 5 minutes", ["seed", "backlog gone after s", "within SLO", "refused"],
            Bursts.Select(r => new[] { $"{r.Seed}", $"{r.BacklogGoneAfter:0}", $"{r.Attainment:0.000}", $"{r.Refused}" }));
        Section("Three times the capacity for 10 minutes", ["ladder, seed", "capacity/min", "goodput/min", "p99 s", "SLO s", "arrived", "refused", "late"],
            Overloads.Select(r => new[] { $"{r.Ladder}, {r.Seed}", $"{r.Capacity:0.0}", $"{r.Goodput:0.0}", $"{r.P99:0}", $"{r.Slo:0}", $"{r.Arrived}", $"{r.Refused}", $"{r.Expired}" }));
        text.Append($"A day of {Day.Arrived} requests on {Day.Gpus} GPUs: simulated in {Day.WallSeconds:0.0} s, {Day.Attainment:0.000} within the SLO, {Day.GpuHours:0} GPU hours\n");
        text.Append(string.Join("\n", PlanTimes.Select(p => $"A plan for {p.Workers} workers, {p.Objective}: median {p.MedianMicroseconds:0} us, p99 {p.WorstMicroseconds:0} us")) + "\n");
        return text.ToString();

        void Section(string title, IReadOnlyList<string> head, IEnumerable<IReadOnlyList<string>> rows) =>
            text.Append($"{title}\n\n{Bench.Table.Render(head, [.. rows])}\n");
    }

    public IEnumerable<(string Name, string Svg)> Charts()
    {
        var systems = Table.Select(r => r.System).Distinct().Where(s => !s.StartsWith("small only", StringComparison.Ordinal)).ToList();
        var workloads = Table.Select(r => r.Workload).Distinct().ToList();
        yield return ("throughput", SvgChart.Bars("Throughput on 16 MI210", "ratio to the large model alone", [.. workloads.Select(w => w.Split(',')[0] + (w.Contains("100,000", StringComparison.Ordinal) ? " 100k" : ""))], systems,
            [.. workloads.Select(w => (IReadOnlyList<double>)[.. systems.Select(s => Table.First(r => r.Workload == w && r.System == s).ThroughputRatio)])]));
        foreach (var group in Slo.GroupBy(r => (r.Gpus, r.TimesLarge)))
        {
            yield return ($"slo-{group.Key.Gpus.Replace(' ', '-')}-{group.Key.TimesLarge:0}x", SvgChart.Lines(
                $"Within {group.Key.TimesLarge:0}x the large model's time, {group.Key.Gpus}", "images a minute", "share of requests",
                [.. group.Select(r => new Series(r.System, [.. r.Share.Select(s => (double.Parse(s.Key), s.Value))]))]));
        }
        foreach (var group in Steps.GroupBy(s => s.From > s.Target))
        {
            yield return (group.Key ? "step-down" : "step-up", SvgChart.Lines("Large workers after a change of load", "plans", "large workers",
                [.. group.Select(s => new Series(s.Planner, [.. s.Sizes.Take(15).Select((n, i) => ((double)i, (double)n))], Steps: true))]));
        }
        if (_shown is null) yield break;
        yield return ("rising", SvgChart.Lines("Rising load, objective Cost, SD3.5 Large and SDXL", "minutes", "images a minute, workers, images",
        [
            new Series("arrivals a minute", [.. _shown.Ticks.Select(t => (t.At / 60, t.PerMinute))]),
            new Series("large workers", [.. _shown.Ticks.Select(t => (t.At / 60, (double)t.Plan.Sizes[0]))], Steps: true),
            new Series("small workers", [.. _shown.Ticks.Select(t => (t.At / 60, (double)t.Plan.Sizes[1]))], Steps: true),
            new Series("waiting", [.. _shown.Ticks.Select(t => (t.At / 60, (double)t.Waiting))]),
        ]));
    }
}
