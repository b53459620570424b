using MoDM.Gateway;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <summary>bench plan: what would run for a trace, minute by minute and why, and which GPU budget its SLO would need.</summary>
internal static class PlanCommand
{
    public const string Usage =
        "plan --mixture FILE.yaml --trace FILE.jsonl|rising:6-26|... [--gpu demo|MI210|A40|FILE.json] [--hits 0.72|fixed:...|index:N] [--minutes 60] [--seed 1] [--json FILE]";

    private const int Unlimited = 100_000;
    private static readonly HashSet<string> Names = ["--mixture", "--trace", "--gpu", "--hits", "--minutes", "--seed", "--json"];

    private sealed record Minute(double At, double PerMinute, IReadOnlyList<int> Sizes, string Step, int Waiting, double? PredictedSeconds, int GpusForSlo, string Reason);

    public static int Run(IReadOnlyList<string> args, string demoMixture)
    {
        var line = new CommandLine(args, Names, new HashSet<string>());
        var seed = line.Whole("--seed", 0, 1_000_000, 1);
        var (mixture, problems) = MixtureFile.Read(line.Text("--mixture") ?? demoMixture, modelsAreHere: false);
        foreach (var problem in problems)
            line.Report(problem.ToString());
        if (line.Text("--trace") is null) line.Report("--trace is missing; a file with {\"prompt\", \"at\"} a line, or arrivals such as rising:6-26, belongs there.");
        if (mixture is not null && line.Problems.Count == 0)
        {
            try
            {
                return Plan(mixture.Spec, line, seed);
            }
            catch (InvalidDataException e)
            {
                line.Report(e.Message);
            }
        }
        foreach (var problem in line.Problems)
            Console.Error.WriteLine(problem);
        return 2;
    }

    private static int Plan(MixtureSpec spec, CommandLine line, int seed)
    {
        var gpu = GpuProfile.Read(line.Text("--gpu") ?? "demo");
        var arrivals = OwnWorkload.ReadArrivals(line.Text("--trace")!, 60.0 * line.Whole("--minutes", 1, 100_000, 60));
        var hits = OwnWorkload.ReadHits(line.Text("--hits") ?? "0.72", spec.Cache.Hits);
        var models = spec.Pools.Select(p => gpu[p.Name]).ToList();
        var policy = new Budgeted(spec, [.. models.Select(m => m.Seconds)]);
        int[] start = [.. CapacityPlanner.Plan(spec, null, null, TimeSpan.Zero).Allocation.Pools.Select(p => p.Replicas)];
        var result = new Simulation(new SimSettings(spec, [.. models.Select(m => m.Seconds)], [.. models.Select(m => m.LoadSeconds)], start, Deadlines: true, seed),
            policy, PaperWorld.Policy(spec.Steps, spec.Cache.Hits)).Run(PaperWorld.Requests(arrivals, hits, seed));

        var minutes = new List<Minute>();
        foreach (var (tick, gpus) in result.Ticks.Zip(policy.GpusForSlo))
        {
            if (minutes.Count > 0 && tick.At < minutes[^1].At + 59) continue;
            minutes.Add(new(tick.At, tick.PerMinute, tick.Plan.Sizes, $"{tick.Plan.Step}", tick.Waiting, tick.Plan.PredictedLatency, gpus, tick.Plan.Reason));
        }
        foreach (var m in minutes)
            Console.WriteLine($"{TimeSpan.FromSeconds(m.At):hh\\:mm}  {m.Reason}");
        Console.WriteLine();
        Console.WriteLine($"{result.Arrived} images came, {result.Attainment:0.0%} within {spec.Slo.Latency.TotalSeconds:0.#} s, {result.Refused} refused, {result.GpuHours:0.0} GPU hours.");
        var needed = policy.GpusForSlo.DefaultIfEmpty(0).Max();
        Console.WriteLine(needed <= spec.GpuBudget
            ? $"The budget of {spec.GpuBudget} is enough; the SLO needs {needed} at most."
            : $"The SLO would need a budget of {needed} GPUs; the document has {spec.GpuBudget}.");
        if (line.Text("--json") is { } json)
            ResultFile.Write(json, new { seed, budget = spec.GpuBudget, budgetForSlo = needed, result.Arrived, result.Attainment, result.Refused, result.GpuHours, minutes });
        return 0;
    }

    /// <summary>The production planner, and beside it the fewest GPUs that its demand would need if there were no bounds.</summary>
    private sealed class Budgeted(MixtureSpec spec, double[] seconds) : IFleetPolicy
    {
        private readonly MixtureSpec _free = spec with
        {
            GpuBudget = Unlimited,
            Large = spec.Large with { MaxReplicas = Unlimited },
            Small = [.. spec.Small.Select(p => p with { MaxReplicas = Unlimited })],
            Slo = spec.Slo with { Objective = SloObjective.Cost, Degrade = DegradeStep.None },
        };
        private PlanState? _state;

        public List<int> GpusForSlo { get; } = [];
        public double TickSeconds => CapacityPlanner.Tick(spec).TotalSeconds;

        public SimPlan Plan(LoadSample sample, double now)
        {
            (var allocation, _state) = CapacityPlanner.Plan(spec, sample, _state, TimeSpan.FromSeconds(now));
            var seen = _state.Demand!;
            var demand = new Demand(seen.MissRate, seen.HitRate, seen.HitWork, seen.RaisedHitWork, 0, 0);
            GpusForSlo.Add(CapacityPlanner.Ideal(_free, demand, seconds).Gpus);
            return OurFleet.Of(allocation, allocation.Reason);
        }
    }
}
