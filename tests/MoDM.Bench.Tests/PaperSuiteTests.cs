using MoDM.Bench.Simulating;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Tests;

/// <summary>What the README says of the simulator. Virtual time and fixed seeds: the same on every machine.</summary>
public class PaperSuiteTests
{
    private static readonly Lazy<IReadOnlyList<ThroughputRow>> Throughput = new(() =>
        [.. ThroughputSuite.Workloads.SelectMany(w => ThroughputSuite.Run(GpuProfile.Mi210, w, 1, seeds: w.Hits is IndexHits ? 1 : 3))]);

    [Theory]
    [InlineData("large only", 1.0)]
    [InlineData("NIRVANA-like", 1.2)]
    [InlineData("retrieval only", 1.8)]
    [InlineData("MoDM-SDXL (paper's rule)", 2.5)]
    [InlineData("MoDM-SANA (paper's rule)", 3.2)]
    public void The_papers_table_comes_out_of_its_service_times_within_ten_percent(string system, double paper)
    {
        var row = Row("DiffusionDB", system);

        Assert.Equal(paper, row.Paper);
        Assert.InRange(row.ThroughputRatio, 0.9 * paper, 1.1 * paper);
    }

    [Fact]
    public void Ours_is_never_below_the_papers_rule()
    {
        foreach (var rule in Throughput.Value.Where(r => r.System.EndsWith("(paper's rule)", StringComparison.Ordinal)))
        {
            var ours = Row(rule.Workload, rule.System.Replace("(paper's rule)", "(ours)", StringComparison.Ordinal));
            Assert.True(ours.ThroughputRatio >= rule.ThroughputRatio, $"{rule.Workload}: {ours.ThroughputRatio} against {rule.ThroughputRatio}");
        }
    }

    [Fact]
    public void At_a_hit_rate_of_928_permille_ours_serves_five_and_eight_times_what_the_large_model_does()
    {
        Assert.True(Row("DiffusionDB, 100,000 entries", "MoDM-SDXL (ours)").ThroughputRatio >= 5);
        Assert.True(Row("DiffusionDB, 100,000 entries", "MoDM-SANA (ours)").ThroughputRatio >= 8);
    }

    [Fact]
    public void The_papers_breaking_points_on_16_MI210_are_within_ten_percent()
    {
        var rows = SloSuite.Run(1).Where(r => r is { Gpus: "16 MI210", TimesLarge: 2 }).ToDictionary(r => r.System);

        Assert.InRange(rows["large only"].RisingBreak!.Value, 0.9 * 14, 1.1 * 14);
        Assert.InRange(rows["MoDM-SDXL (paper's rule)"].Holds, 0.9 * 22, 1.1 * 22);
        Assert.True(rows["MoDM-SDXL (ours)"].Holds >= rows["MoDM-SDXL (paper's rule)"].Holds);
    }

    [Fact]
    public void A_change_of_the_load_settles_within_two_plans_and_does_not_overshoot()
    {
        // Complaint 32.
        foreach (var objective in Enum.GetValues<SloObjective>())
        {
            var spec = PaperWorld.Mixture(GpuProfile.Mi210, 16, 2, objective, DegradeStep.None, "sd3.5-large", "sdxl");
            Assert.All(PlannerDrills.Steps("ours", new OurFleet(spec), PlannerDrills.SixteenFourFourteen), s =>
            {
                Assert.True(Math.Abs(s.From - s.Target) >= 8, $"{s.From} to {s.Target} is no large change");
                Assert.InRange(s.TicksToSettle, 1, 2);
                Assert.Equal(0, s.Overshoot);
            });
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(12)]
    [InlineData(16)]
    [InlineData(20)]
    [InlineData(30)]
    [InlineData(200)]
    public void Noise_between_two_pools_on_one_quota_moves_workers_at_most_once_in_ten_minutes(double load)
    {
        // Complaint 1.
        foreach (var objective in Enum.GetValues<SloObjective>())
            Assert.InRange(PlannerDrills.NoiseSwaps(objective, load, 0), 0, 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void After_twice_the_load_for_five_minutes_the_backlog_is_gone_in_five(int seed) =>
        Assert.InRange(LoadSuite.Burst(seed).BacklogGoneAfter!.Value, 0, 300);

    [Theory]
    [InlineData(DegradeStep.None, 1)]
    [InlineData(DegradeStep.None, 2)]
    [InlineData(DegradeStep.SmallForMisses, 1)]
    [InlineData(DegradeStep.SmallForMisses, 2)]
    internal void At_three_times_the_capacity_those_who_are_let_in_are_in_time_and_nothing_stops(DegradeStep ladder, int seed)
    {
        // Complaint 20.
        var row = LoadSuite.Overload(ladder, Row("DiffusionDB", "MoDM-SDXL (best fixed split)").ImagesPerMinute, seed);

        Assert.True(row.P99 <= row.Slo, $"p99 {row.P99}");
        Assert.True(row.Expired <= 0.01 * (row.Arrived - row.Refused), $"{row.Expired} were let in and then late");
        Assert.True(row.Goodput >= 0.9 * row.Capacity, $"{row.Goodput} of {row.Capacity}");
        Assert.True(row.Refused > 0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void On_the_rising_load_ours_is_close_to_an_oracle_and_its_predictions_are_honest(int seed)
    {
        var rows = LoadSuite.Changing(seed).Rows;
        foreach (var ours in rows.Where(r => r.Load == "rising" && r.System.EndsWith("(ours)", StringComparison.Ordinal)))
        {
            var oracle = rows.First(r => r.Load == "rising" && r.Objective == ours.Objective && r.System == ours.System.Replace("ours", "oracle", StringComparison.Ordinal));
            Assert.True(ours.Attainment >= oracle.Attainment - 0.02, $"{ours} {oracle}");
            if (ours.Objective == "Cost") Assert.True(ours.GpuHours <= 1.1 * oracle.GpuHours, $"{ours} {oracle}");
        }
        Assert.All(rows.Where(r => r.System.EndsWith("(ours)", StringComparison.Ordinal)), r => Assert.InRange(r.InBand, 0.75, 0.85));
    }

    private static ThroughputRow Row(string workload, string system) => Throughput.Value.Single(r => r.Workload == workload && r.System == system);
}
