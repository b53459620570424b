using MoDM.Bench.Simulating;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Tests;

public class SimulationTests
{
    private static readonly MixtureSpec Spec = PaperWorld.Mixture(GpuProfile.Mi210, 4, 2, SloObjective.Quality, DegradeStep.None, "sd3.5-large", "sdxl");

    [Fact]
    public void Without_noise_the_times_are_those_of_a_queue_by_hand()
    {
        // One large worker, 10 s an image, arrivals at 0, 1 and 30: 10, 19 and 10 s.
        var result = Run(new FixedFleet(1, 0), [1, 0], [new(0, null, 0), new(1, null, 0), new(30, null, 0)], PaperWorld.Miss);

        Assert.Equal([10, 19, 10], result.Latencies.Select(l => Math.Round(l, 3)));
        Assert.Equal(40, result.Seconds, 6);
    }

    [Fact]
    public void A_worker_that_is_moved_finishes_its_image_and_then_loads()
    {
        // At 60 s the plan moves the only GPU; its image began at 55 and ends at 65; loading takes 15.
        var policy = new Scripted([1, 0], [0, 1]);
        var result = Run(policy, [1, 0], [new(55, null, 0), new(61, 0.30, 0)], PaperWorld.ByPolicy, budget: 1);

        Assert.Equal(10, result.Latencies[0], 3);
        Assert.Equal(65 + 15 - 61 + 2 * 0.4, result.Latencies[1], 3); // k = 30 of 50: 0.4 of 2 s.
        Assert.Equal(result.Seconds, result.GpuHours * 3600, 3);
    }

    [Fact]
    public void The_same_seed_gives_the_same_run()
    {
        SimResult Once() => new Simulation(new SimSettings(Spec, [10, 2], [20, 15], [3, 1], true, 4), new OurFleet(Spec), PaperWorld.ByPolicy)
            .Run(PaperWorld.Requests(Arrivals.Steady(30, 1200), SimilarityHits.WithRate(0.7, 0.25), 4));

        Assert.Equal(Once().Latencies, Once().Latencies);
    }

    [Fact]
    public void Every_request_is_drawn_refused_or_late_and_none_twice()
    {
        var result = new Simulation(new SimSettings(Spec, [91.5, 16.5], [35, 15], [3, 1], true, 4), new OurFleet(Spec), PaperWorld.ByPolicy)
            .Run(PaperWorld.Requests(Arrivals.Steady(30, 3600), SimilarityHits.WithRate(0.7, 0.25), 4));

        Assert.Equal(result.Arrived, result.Completed + result.Refused + result.Expired);
        Assert.True(result.Refused > 0);
    }

    [Fact]
    public void Arrivals_have_their_rate_and_hits_theirs()
    {
        var requests = PaperWorld.Requests(Arrivals.Steady(60, 36_000), SimilarityHits.WithRate(0.72, 0.25), 1).ToList();

        Assert.InRange(requests.Count, 35_000, 37_000);
        Assert.InRange(requests.Average(r => PaperWorld.ByPolicy(r).Route == CacheRoute.Hit ? 1.0 : 0), 0.70, 0.74);
    }

    [Fact]
    public void The_papers_rising_load_goes_from_its_first_rate_to_its_last()
    {
        var rising = Arrivals.Rising(6, 26, 2000);

        Assert.Equal(2000, rising.Times!.Count);
        Assert.InRange(rising.PerMinute(0), 6, 8);
        Assert.InRange(rising.PerMinute(rising.Seconds), 25.9, 26);
        Assert.Equal(60 / rising.PerMinute(0), rising.Times[0], 3);
    }

    [Fact]
    public void Hits_of_a_fixed_distribution_have_it()
    {
        var jobs = PaperWorld.Requests(Arrivals.Steady(600, 6000), new FixedHits(0.5, [1, 0, 0, 0, 3], PaperWorld.Hits), 2).Select(PaperWorld.ByPolicy).ToList();
        var hits = jobs.Where(j => j.Route == CacheRoute.Hit).ToList();

        Assert.InRange((double)hits.Count / jobs.Count, 0.48, 0.52);
        Assert.InRange(hits.Count(h => Math.Abs(h.Work - 0.9) < 1e-9) / (double)hits.Count, 0.23, 0.27);
        Assert.All(hits, h => Assert.True(Math.Abs(h.Work - 0.9) < 1e-9 || Math.Abs(h.Work - 0.4) < 1e-9));
    }

    [Fact]
    public void A_real_index_has_more_and_closer_hits_when_it_holds_more()
    {
        double Share(int capacity) => PaperWorld.Requests(Arrivals.Steady(60, 3000), new IndexHits(capacity), 1).Skip(1500)
            .Average(r => PaperWorld.ByPolicy(r).Route == CacheRoute.Hit ? 1.0 : 0);

        var (few, many) = (Share(50), Share(3000));

        Assert.True(many > few + 0.1, $"{few} {many}");
    }

    [Fact]
    public void The_normal_distribution_is_the_tables() =>
        Assert.Equal([0.5, 0.8413, 0.0228, 0.9987], new[] { 0, 1, -2, 3.0 }.Select(z => Math.Round(SimilarityHits.Normal(z), 4)));

    private static SimResult Run(
        IFleetPolicy policy, int[] start, SimRequest[] requests, Func<SimRequest, SimJob> classify, int budget = 4) => new Simulation(
            new SimSettings(Spec with { GpuBudget = budget }, [10, 2], [20, 15], start, Deadlines: false, 1, Jitter: 0), policy, classify).Run(requests);

    /// <summary>One plan after the other, then the last one.</summary>
    private sealed class Scripted(params int[][] plans) : IFleetPolicy
    {
        private int _next;

        public double TickSeconds => 30;

        public SimPlan Plan(LoadSample sample, double now) => new(plans[Math.Min(_next++, plans.Length - 1)], "as written");
    }
}
