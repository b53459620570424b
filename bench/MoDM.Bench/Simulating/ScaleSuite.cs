using System.Diagnostics;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <param name="WallSeconds">Of this machine, on one core.</param>
internal sealed record DayRow(int Gpus, int Arrived, int Completed, double Attainment, double GpuHours, double WallSeconds);

/// <param name="MedianMicroseconds">For one plan, observing and saying why included.</param>
internal sealed record PlanTimeRow(string Objective, int Workers, double MedianMicroseconds, double WorstMicroseconds);

/// <summary>How far planner and simulator go.</summary>
internal static class ScaleSuite
{
    /// <summary>A day with about a million requests on 1,000 GPUs.</summary>
    public static DayRow Day(int requests, int gpus, int seed)
    {
        var gpu = GpuProfile.Mi210;
        var spec = PaperWorld.Mixture(gpu, gpus, 2, SloObjective.Cost, DegradeStep.SmallForMisses, "sd3.5-large", "sdxl");
        var mean = requests / 1440.0;
        var arrivals = Arrivals.Diurnal(0.5 * mean, 1.5 * mean);
        var started = Stopwatch.GetTimestamp();
        var result = new Simulation(
            new SimSettings(spec, [gpu["sd3.5-large"].Seconds, gpu["sdxl"].Seconds], [35, 15], [gpus / 4, gpus / 16], Deadlines: true, seed),
            new OurFleet(spec), PaperWorld.ByPolicy).Run(PaperWorld.Requests(arrivals, SimilarityHits.WithRate(0.72, 0.25), seed));
        return new DayRow(gpus, result.Arrived, result.Completed, result.Attainment, result.GpuHours, Stopwatch.GetElapsedTime(started).TotalSeconds);
    }

    public static IReadOnlyList<PlanTimeRow> PlanTimes(int workers, int plans) => [.. Enum.GetValues<SloObjective>().Select(objective =>
    {
        var spec = PaperWorld.Mixture(GpuProfile.Mi210, workers, 2, objective, DegradeStep.SmallForMisses, "sd3.5-large", "sdxl", "sana");
        PlanState? state = null;
        var times = new double[plans];
        for (var i = 0; i < plans; i++)
        {
            var sample = PlannerDrills.Sample(60, workers * (1 + 0.3 * Math.Sin(i / 7.0)), 0.7, [workers / 2, workers / 4, workers / 4]);
            var started = Stopwatch.GetTimestamp();
            (_, state) = CapacityPlanner.Plan(spec, sample, state, TimeSpan.FromMinutes(i));
            times[i] = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
        }
        var settled = times.Skip(plans / 10);
        return new PlanTimeRow($"{objective}", workers, Percentiles.Of(settled, 50), Percentiles.Of(settled, 99));
    })];
}
