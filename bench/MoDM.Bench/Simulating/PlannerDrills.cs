using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <summary>How a planner follows a load that changes at once.</summary>
/// <param name="Sizes">Large workers after each plan, from the last one before the change on.</param>
/// <param name="Target">What it settles at.</param>
internal sealed record StepResponse(string Planner, int From, int Target, IReadOnlyList<int> Sizes)
{
    /// <summary>Plans after the change until the size is the last one and stays.</summary>
    public int TicksToSettle
    {
        get
        {
            var ticks = Sizes.Count - 1;
            while (ticks > 0 && Sizes[ticks - 1] == Sizes[^1]) ticks--;
            return ticks;
        }
    }

    /// <summary>Workers beyond the target, on the far side of where it came from.</summary>
    public int Overshoot => Target < From ? Math.Max(0, Target - Sizes.Min()) : Math.Max(0, Sizes.Max() - Target);
}

/// <summary>Planners on samples without noise or workers: only what they decide.</summary>
internal static class PlannerDrills
{
    private static readonly double[] Seconds = [91.5, 16.5, 6.5];
    private static readonly double[] LoadSeconds = [35, 15, 10];

    /// <summary>Loads after which 16 GPUs want 16, 4 and 14 large workers under Quality.</summary>
    public static readonly IReadOnlyList<(double Rate, double HitRate)> SixteenFourFourteen = [(8, 0.05), (62, 0.985), (15, 0.5)];

    /// <summary>Each load, images a minute and hit rate, is held for an hour.</summary>
    public static IReadOnlyList<StepResponse> Steps(string planner, IFleetPolicy policy, IReadOnlyList<(double Rate, double HitRate)> loads)
    {
        var sizes = new List<int>();
        var changes = new List<int>();
        var now = 0.0;
        var current = new[] { 16, 0 };
        foreach (var (rate, hitRate) in loads)
        {
            changes.Add(sizes.Count);
            for (var end = now + 3600; now < end;)
            {
                now += policy.TickSeconds;
                current = [.. policy.Plan(Sample(policy.TickSeconds, rate, hitRate, current), now).Sizes];
                sizes.Add(current[0]);
            }
        }
        return [.. changes.Skip(1).Select((at, i) =>
        {
            var until = i + 2 < changes.Count ? changes[i + 2] : sizes.Count;
            var part = sizes.GetRange(at - 1, until - at + 1);
            return new StepResponse(planner, part[0], part[^1], part);
        })];
    }

    /// <summary>
    /// Complaint 1: two pools on one quota, whose shares of the load go 50/50, 70/30, 60/40, 75/25 and back, every 15 seconds
    /// for 10 minutes, with the whole budget in use.
    /// </summary>
    /// <returns>How often workers were moved from one pool to the other.</returns>
    public static int NoiseSwaps(SloObjective objective, double load, int seed)
    {
        var spec = PaperWorld.Mixture(GpuProfile.Mi210, 16, 2, objective, DegradeStep.SmallForMisses, "sd3.5-large", "sdxl");
        double[] shares = [0.5, 0.7, 0.6, 0.75];
        var random = new Random(seed);
        PlanState? state = null;
        var (swaps, before) = (0, (int[]?)null);
        for (var tick = 0; tick < 60; tick++)
        {
            var hitRate = seed == 0 ? shares[tick % 4] : shares[random.Next(4)];
            (var allocation, state) = CapacityPlanner.Plan(
                spec, Sample(15, load, hitRate, before ?? [8, 8]), state, TimeSpan.FromSeconds(15 * tick));
            int[] sizes = [.. allocation.Pools.Select(p => p.Replicas)];
            // The first 5 minutes let it find the load; then 10 minutes are counted.
            if (tick >= 20 && before is not null && sizes.Zip(before).Any(s => s.First < s.Second) && sizes.Zip(before).Any(s => s.First > s.Second)) swaps++;
            before = sizes;
        }
        return swaps;
    }

    /// <param name="perMinute">Arrivals.</param>
    public static LoadSample Sample(double seconds, double perMinute, double hitRate, IReadOnlyList<int> sizes) => new()
    {
        Seconds = seconds,
        Misses = seconds * perMinute / 60 * (1 - hitRate),
        Hits = seconds * perMinute / 60 * hitRate,
        HitWork = seconds * perMinute / 60 * hitRate * 0.7,
        RaisedHitWork = seconds * perMinute / 60 * hitRate * 0.55,
        WaitingMisses = 0,
        WaitingHits = 0,
        Pools = [.. sizes.Select((n, i) => new PoolLoad(n, 0, Seconds[i], LoadSeconds[i]))],
    };
}
