using MoDM.Mixture;
using MoDM.Planning;
namespace MoDM.Bench.Simulating;
internal static class Explore
{
    public static int Run(string[] args)
    {
        var gpu = GpuProfile.Mi210; const int n = 16;
        double[] sec = [91.5, 16.5]; double[] load = [35, 15];
        foreach (var obj in Enum.GetValues<SloObjective>())
        {
            var spec = PaperWorld.Mixture(gpu, n, 2, obj, DegradeStep.None, "sd3.5-large", "sdxl");
            foreach (var r in PlannerDrills.Steps("ours " + obj, new OurFleet(spec), [(8, 0.05), (55, 0.97), (7.5, 0.05)]))
                Console.WriteLine($"{r.Planner} {r.From}->{r.Target} ticks {r.TicksToSettle} over {r.Overshoot}: {string.Join(",", r.Sizes.Take(14))}");
            foreach (var seed in new[] { 0, 1, 2, 3 })
            foreach (var l in new double[] { 5, 10, 12, 14, 16, 18, 20, 24, 30, 60, 200, 2000 })
            {
                var s = PlannerDrills.NoiseSwaps(obj, l, seed);
                if (s > 1) Console.WriteLine($"noise {obj} load {l} seed {seed} swaps {s}");
            }
        }
        {
            var spec = PaperWorld.Mixture(gpu, n, 2, SloObjective.Quality, DegradeStep.None, "sd3.5-large", "sdxl");
            foreach (var t in new[] { false, true })
            foreach (var r in PlannerDrills.Steps("paper " + t, new PaperFleet(spec, sec, t), [(8, 0.05), (55, 0.97), (7.5, 0.05)]))
                Console.WriteLine($"{r.Planner} {r.From}->{r.Target} ticks {r.TicksToSettle} over {r.Overshoot}: {string.Join(",", r.Sizes.Take(14))}");
        }
        // burst: 
        foreach (var (name, arr) in new[] { ("burst", Arrivals.Burst(12, 2, 1800, 300, 4200)), ("over3x", Arrivals.Burst(26, 3, 1800, 600, 4800)) })
        foreach (var deg in new[] { DegradeStep.None, DegradeStep.SmallForMisses })
        foreach (var seed in new[] { 1, 2, 3 })
        {
            var spec = PaperWorld.Mixture(gpu, n, 2, SloObjective.Quality, deg, "sd3.5-large", "sdxl");
            var hits = HitModel.WithRate(0.72, 0.25);
            var r = new Simulation(new SimSettings(spec, sec, load, [12, 4], true, 7), new OurFleet(spec), PaperWorld.ByPolicy).Run(PaperWorld.Requests(arr, hits, seed));
            var good = r.Minutes.Skip(31).Take(9).Average(m => m.Within);
            var after = r.Ticks.Where(t => t.At >= 2100);
            var gone = name == "burst" ? after.FirstOrDefault(t => t.Waiting <= 2)?.At - 2100 : 0;
            Console.WriteLine($"{name} {deg} {seed}: arrived {r.Arrived} refused {r.Refused} expired {r.Expired} att {r.Attainment:0.000} acc {r.AttainmentOfAccepted:0.000} p99 {r.Percentile(99):0.0} goodput/min {good:0.0} gone {gone} bysmall {r.BySmall} max waiting {r.Ticks.Max(t => t.Waiting)}");
            if (args.Contains("-v") && seed == 1) foreach (var t in r.Ticks.Skip(25).Take(30)) Console.WriteLine($"   {t.At} {t.Step} {t.Reason}");
        }
        return 0;
    }
}
