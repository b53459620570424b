using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Core.Tests.Planning;

public class QueueingTests
{
    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(1, 0.9)]
    [InlineData(4, 0.8)]
    [InlineData(16, 0.9)]
    [InlineData(64, 0.95)]
    public void The_predicted_percentile_is_close_to_a_simulated_queue(int servers, double utilisation)
    {
        var demand = new Demand(servers * utilisation / 10, 0, 1, 1, 0, 0);
        var spec = Mixtures.Of(servers, (servers, servers), [], slo: 1000);

        var predicted = CapacityPlanner.Ideal(spec, demand, [10]).PredictedLatency!.Value.TotalSeconds;

        var simulated = Simulate(servers, demand.MissRate, 10, 0.99, seed: 3);
        Assert.InRange(predicted / simulated, 0.75, 1.35);
    }

    /// <summary>First come, first served; Poisson arrivals, every drawing takes the same time.</summary>
    private static double Simulate(int servers, double rate, double seconds, double percentile, int seed)
    {
        var random = new Random(seed);
        var free = new PriorityQueue<int, double>(Enumerable.Range(0, servers).Select(i => (i, 0.0)));
        var latencies = new List<double>();
        var now = 0.0;
        for (var i = 0; i < 400_000; i++)
        {
            now += -Math.Log(1 - random.NextDouble()) / rate;
            free.TryDequeue(out var server, out var at);
            var end = Math.Max(now, at) + seconds;
            free.Enqueue(server, end);
            latencies.Add(end - now);
        }
        latencies.Sort();
        return latencies[(int)(percentile * latencies.Count)];
    }
}
