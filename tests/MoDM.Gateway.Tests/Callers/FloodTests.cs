using System.Globalization;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests.Callers;

/// <summary>
/// The scheduler on virtual time: eight workers that draw an image in about a second, and seven tenants of the same weight. Five
/// have batches of which something always waits, so that the workers are busy anyway; two each ask for 5 % of what the
/// workers draw, at random, where a seventh is everybody's share. In the flood one of these two asks for ten times as much, that is for half of it
/// all. (Where workers were idle before it, a flood makes others wait as any load does: until one of them is done.)
/// </summary>
public class FloodTests
{
    private const int Workers = 8, Batches = 5, Flooder = 5, Other = 6;
    private const double Rate = 0.05 * Workers, Seconds = 20_000;

    [Fact]
    public void A_flood_of_one_tenant_moves_the_95th_percentile_of_another_ones_waiting_by_a_fifth_at_most()
    {
        var (calm, flooded, unfair) = (WaitOfOther(flood: 1, fair: true), WaitOfOther(flood: 10, fair: true), WaitOfOther(flood: 10, fair: false));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"p95 {calm:0.000} s, flooded {flooded:0.000} s ({flooded / calm:0.00} times), by deadline only {unfair:0.0} s"));

        Assert.InRange(flooded / calm, 0.8, 1.2);
        Assert.True(unfair > 5 * flooded, "A test that the old order passes shows nothing.");
    }

    private static double WaitOfOther(double flood, bool fair)
    {
        var scheduler = new RequestScheduler(int.MaxValue);
        for (var i = 0; i < Workers; i++)
            scheduler.Join(TestMixture.Large($"{i}"));
        var (drawing, asking) = (new Random(1), new Dictionary<int, Random> { [Flooder] = new(2), [Other] = new(3) });
        var (now, order, waits, whose) = (0.0, 0L, new List<double>(), new Dictionary<Ticket, int>());
        var events = new PriorityQueue<(int Tenant, WorkerSlot? Done), (double At, long Order)>();
        Later(Flooder);
        Later(Other);
        for (var i = 0; i < Batches * Workers; i++)
            Ask(i % Batches);
        while (events.TryDequeue(out var e, out var at) && at.At < Seconds)
        {
            now = at.At;
            if (e.Done is { } worker)
            {
                scheduler.Release(worker);
            }
            else
            {
                Ask(e.Tenant);
                Later(e.Tenant);
            }
            foreach (var (ticket, slot) in scheduler.Dispatch())
            {
                whose.Remove(ticket, out var tenant);
                if (tenant == Other) waits.Add(now - ticket.Queued.TotalSeconds);
                if (tenant < Batches) Ask(tenant);
                events.Enqueue((tenant, slot), (now + 0.8 + 0.4 * drawing.NextDouble(), order++));
            }
        }
        waits.Sort();
        return waits[(int)(0.95 * waits.Count)];

        void Later(int tenant) => events.Enqueue((tenant, null),
            (now - Math.Log(1 - asking[tenant].NextDouble()) / (tenant == Flooder ? flood * Rate : Rate), order++));

        void Ask(int tenant)
        {
            var ticket = new Ticket(CacheRoute.Miss, 1, TimeSpan.FromSeconds(now), TimeSpan.FromSeconds(now + 30)) { Tenant = fair ? $"{tenant}" : "" };
            whose[ticket] = tenant;
            scheduler.TryEnqueue([ticket]);
        }
    }
}
