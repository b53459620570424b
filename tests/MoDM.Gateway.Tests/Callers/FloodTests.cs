using System.Globalization;
using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests.Callers;

/// <summary>
/// The scheduler on virtual time: eight workers that draw an image in about a second, and seven tenants of the same weight. Five
/// have batches of which something always waits, so that the workers are busy anyway; two each ask for 5 % of what the
/// workers draw, at random, where a seventh is everybody's share. In the flood one of these two asks for ten times as much, that is for half of it
/// all. Where workers were idle before it, a flood makes others wait as any load does, until one of them is done: there the rate of its
/// key keeps it out.
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

    [Fact]
    public void Where_workers_are_idle_the_rate_of_its_key_keeps_a_flood_from_the_others()
    {
        // Each asks for a quarter of what the workers draw; the flooder's key allows that, and ten at once.
        const double Quarter = 0.25 * Workers;
        var calm = WaitOfOther(1, fair: true, batches: 0, Quarter, allowed: Quarter);
        var (limited, free) = (WaitOfOther(10, fair: true, batches: 0, Quarter, allowed: Quarter), WaitOfOther(10, fair: true, batches: 0, Quarter));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"p95 of waiting and drawing {1 + calm:0.000} s, flooded {1 + limited:0.000} s, without a rate {1 + free:0.000} s"));

        Assert.InRange((1 + limited) / (1 + calm), 0.8, 1.2);
        Assert.True(free > limited, "A test that no rate passes shows nothing.");
    }

    /// <param name="allowed">Of the flooder, images in a second; null: as many as it asks for.</param>
    private static double WaitOfOther(double flood, bool fair, int batches = Batches, double rate = Rate, double? allowed = null)
    {
        var clock = new FakeTimeProvider();
        var bucket = allowed is { } perSecond ? new TokenBucket(60 * perSecond, 10, clock) : null;
        var scheduler = new RequestScheduler(int.MaxValue);
        for (var i = 0; i < Workers; i++)
            scheduler.Join(TestMixture.Large($"{i}"));
        var (drawing, asking) = (new Random(1), new Dictionary<int, Random> { [Flooder] = new(2), [Other] = new(3) });
        var (now, order, waits, whose) = (0.0, 0L, new List<double>(), new Dictionary<Ticket, int>());
        var events = new PriorityQueue<(int Tenant, WorkerSlot? Done), (double At, long Order)>();
        Later(Flooder);
        Later(Other);
        for (var i = 0; i < batches * Workers; i++)
            Ask(i % batches);
        while (events.TryDequeue(out var e, out var at) && at.At < Seconds)
        {
            clock.Advance(TimeSpan.FromSeconds(at.At - now));
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
                if (tenant < batches) Ask(tenant);
                events.Enqueue((tenant, slot), (now + 0.8 + 0.4 * drawing.NextDouble(), order++));
            }
        }
        waits.Sort();
        return waits[(int)(0.95 * waits.Count)];

        void Later(int tenant) => events.Enqueue((tenant, null),
            (now - Math.Log(1 - asking[tenant].NextDouble()) / (tenant == Flooder ? flood * rate : rate), order++));

        void Ask(int tenant)
        {
            if (tenant == Flooder && bucket?.Take(1) is not null) return;
            var ticket = new Ticket(CacheRoute.Miss, 1, TimeSpan.FromSeconds(now), TimeSpan.FromSeconds(now + 30)) { Tenant = fair ? $"{tenant}" : "" };
            whose[ticket] = tenant;
            scheduler.TryEnqueue([ticket]);
        }
    }
}
