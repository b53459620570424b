using CsCheck;
using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests.Callers;

/// <summary>Tenants share the workers by weight; one tenant alone is served as if there were no others.</summary>
public class FairShareTests
{
    private readonly RequestScheduler _scheduler = new(limit: 100);
    private readonly WorkerSlot _worker = TestMixture.Large();

    public FairShareTests() => _scheduler.Join(_worker);

    [Fact]
    public void Tenants_take_turns_however_much_one_of_them_asks_for()
    {
        Enqueue("flood", 20);
        Enqueue("b", 2);
        Enqueue("c", 1);

        Assert.Equal(["flood", "b", "c", "flood", "b", "flood", "flood"], Draw(7).Select(t => t.Tenant));
    }

    [Fact]
    public void A_tenant_with_three_times_the_weight_draws_three_times_as_much()
    {
        Enqueue("a", 40, weight: 3);
        Enqueue("b", 40);

        Assert.Equal(30, Draw(40).Count(t => t.Tenant == "a"));
    }

    [Fact]
    public void Short_images_cost_less_than_long_ones()
    {
        Enqueue("a", 40, work: 0.25);
        Enqueue("b", 40);

        Assert.Equal(20, Draw(25).Count(t => t.Tenant == "a"));
    }

    [Fact]
    public void A_tenant_that_was_idle_has_saved_nothing_up()
    {
        Enqueue("a", 50);
        Draw(30);

        Enqueue("b", 20);

        Assert.InRange(Draw(10).Count(t => t.Tenant == "b"), 5, 6);
    }

    [Fact]
    public void What_leaves_the_queue_unserved_is_not_charged()
    {
        Enqueue("a", 10);
        var gone = Enqueue("b", 20);
        foreach (var ticket in gone.Take(10))
            _scheduler.Remove(ticket);
        _scheduler.TryEnqueue([Ticket("b", deadline: 1), Ticket("b", deadline: 1)]);
        Assert.Equal(2, _scheduler.Expire(TimeSpan.FromSeconds(2)).Count);

        Assert.InRange(Draw(10).Count(t => t.Tenant == "b"), 5, 5);
    }

    [Fact]
    public void What_comes_back_from_a_worker_that_died_goes_next_and_is_charged_once()
    {
        Enqueue("a", 20);
        var lost = Enqueue("b", 20)[0];
        Draw(1);
        Assert.Same(lost, Assert.Single(_scheduler.Dispatch()).Ticket);

        for (var i = 0; i < 5; i++)
        {
            _scheduler.Requeue(lost);
            _scheduler.Release(_worker);
            Assert.Same(lost, Assert.Single(_scheduler.Dispatch()).Ticket);
        }
        _scheduler.Release(_worker);

        Assert.Equal(10, Draw(20).Count(t => t.Tenant == "b"));
    }

    [Fact]
    public void Hits_have_a_share_of_the_large_workers_where_there_are_no_others()
    {
        Enqueue("a", 20);
        _scheduler.TryEnqueue([Ticket("b", CacheRoute.Hit), Ticket("b", CacheRoute.Hit)]);

        Assert.Equal(["a", "b", "a", "b", "a"], Draw(5).Select(t => t.Tenant));
    }

    [Fact]
    public void A_small_worker_that_may_draw_both_is_shared_too()
    {
        var scheduler = new RequestScheduler(100) { SmallDrawsMisses = true };
        var small = TestMixture.Small();
        scheduler.Join(small);
        scheduler.TryEnqueue([.. Enumerable.Range(0, 10).Select(_ => Ticket("flood", deadline: 1))]);
        scheduler.TryEnqueue([Ticket("b", CacheRoute.Hit), Ticket("b")]);

        Assert.Equal(["flood", "b", "flood", "b", "flood"], Draw(scheduler, small, 5).Select(t => t.Tenant));
    }

    [Fact]
    public void A_full_queue_has_room_for_a_tenant_that_holds_less_than_its_share()
    {
        Enqueue("flood", 100);
        Assert.False(_scheduler.TryEnqueue([Ticket("flood")]));
        Assert.Equal(1, _scheduler.Excess("flood", 1, 1));

        Assert.True(_scheduler.TryEnqueue([.. Enumerable.Range(0, 50).Select(_ => Ticket("b"))])); // Half of it.
        Assert.False(_scheduler.TryEnqueue([Ticket("b")]));
        Assert.True(_scheduler.TryEnqueue([.. Enumerable.Range(0, 33).Select(_ => Ticket("c"))])); // A third.
        Assert.True(_scheduler.TryEnqueue([.. Enumerable.Range(0, 10).Select(_ => Ticket("d"))]));
        Assert.False(_scheduler.TryEnqueue([.. Enumerable.Range(0, 10).Select(_ => Ticket("e"))])); // Twice the limit, and no more.
        Assert.Equal(193, _scheduler.Waiting);
    }

    [Fact]
    public void The_queue_is_never_longer_than_twice_its_limit() =>
        Gen.Select(Gen.Int[0, 5], Gen.Int[1, 6], Gen.Double[0.1, 5]).Array[1, 100].Sample(arrivals =>
        {
            var scheduler = new RequestScheduler(limit: 12);
            foreach (var (tenant, images, weight) in arrivals)
            {
                var before = scheduler.Waiting;
                var excess = scheduler.Excess($"{tenant}", weight, images);
                Assert.Equal(excess == 0, scheduler.TryEnqueue([.. Enumerable.Range(0, images).Select(_ => Ticket($"{tenant}", weight: weight))]));
                Assert.InRange(scheduler.Waiting, before, 24);
            }
        });

    [Fact]
    public void Shares_of_backlogged_tenants_differ_from_their_weights_by_one_image_at_most() =>
        Gen.Select(Gen.Double[0.25, 4].Array[2, 6], Gen.Int[0, 1000], Gen.Int[10, 200]).Sample((weights, seed, draws) =>
        {
            var random = new Random(seed);
            var scheduler = new RequestScheduler(int.MaxValue);
            var worker = TestMixture.Large();
            scheduler.Join(worker);
            for (var i = 0; i < weights.Length; i++)
                scheduler.TryEnqueue([.. Enumerable.Range(0, draws).Select(_ => Ticket($"{i}", work: 0.1 + 0.9 * random.NextDouble(), weight: weights[i]))]);

            var drawn = Draw(scheduler, worker, draws);

            var served = weights.Select((w, i) => drawn.Where(t => t.Tenant == $"{i}").Sum(t => t.Work) / w).ToList();
            for (var i = 0; i < weights.Length; i++)
            {
                for (var j = 0; j < i; j++)
                    Assert.InRange(Math.Abs(served[i] - served[j]), 0, 1 / weights[i] + 1 / weights[j] + 1e-9);
            }
        });

    [Fact]
    public void Nobody_starves() =>
        Gen.Select(Gen.Int[1, 8], Gen.Int[0, 1000], Gen.Int[0, 50]).Sample((others, seed, before) =>
        {
            var random = new Random(seed);
            var scheduler = new RequestScheduler(int.MaxValue);
            var worker = TestMixture.Large();
            scheduler.Join(worker);
            for (var i = 0; i < before; i++)
            {
                Arrive();
                Draw(scheduler, worker, 1);
            }
            var mine = Ticket("mine", deadline: 3600); // Later than anybody's.
            scheduler.TryEnqueue([mine]);

            var waited = 0;
            for (; scheduler.Ahead(mine) is not null; waited++)
            {
                Arrive();
                Draw(scheduler, worker, 1);
            }
            Assert.InRange(waited, 1, others + 1);

            void Arrive() => scheduler.TryEnqueue([.. Enumerable.Range(0, 5).Select(_ => Ticket($"{random.Next(others)}"))]);
        });

    [Fact]
    public void Who_waits_is_told_how_many_go_before_it() =>
        Gen.Select(Gen.Int[1, 6], Gen.Int[0, 1000], Gen.Int[0, 30]).Sample((tenants, seed, drawn) =>
        {
            var random = new Random(seed);
            var scheduler = new RequestScheduler(int.MaxValue);
            var worker = TestMixture.Large();
            scheduler.Join(worker);
            for (var i = 0; i < 60; i++)
                scheduler.TryEnqueue([Ticket($"{random.Next(tenants)}", deadline: random.Next(1, 60), weight: 1)]);
            Draw(scheduler, worker, drawn);
            var mine = Ticket($"{random.Next(tenants)}", deadline: random.Next(1, 60));
            scheduler.TryEnqueue([mine]);
            var (told, work) = (scheduler.Ahead(mine)!.Value, scheduler.WorkBefore(mine).Misses);

            var actual = Draw(scheduler, worker, scheduler.Waiting).FindIndex(t => t == mine);

            // Of tenants that are equally far, the earlier one goes first.
            Assert.InRange(actual - told, 0, tenants - 1);
            Assert.InRange(work - told, -0.001, 0.001);
        });

    [Fact]
    public void One_tenant_is_served_as_if_there_were_no_others() =>
        Gen.Select(Gen.Int[0, 9], Gen.Int[1, 9], Gen.Double[0.1, 1]).Array[1, 200].Sample(actions =>
        {
            var (scheduler, before) = (new RequestScheduler(int.MaxValue), new ByDeadlineOnly());
            var workers = new Dictionary<bool, WorkerSlot> { [true] = new("l", "l", true, 0, 2), [false] = new("s", "s", false, 1, 2) };
            scheduler.Join(workers[true]);
            var smallIsThere = false;
            var running = new List<(Ticket Ticket, bool Large)>();
            foreach (var (action, number, work) in actions)
            {
                switch (action)
                {
                    case <= 4:
                        var ticket = Ticket("only", action % 2 == 0 ? CacheRoute.Miss : CacheRoute.Hit, number, work);
                        Assert.True(scheduler.TryEnqueue([ticket]));
                        before.Waiting.Add(ticket);
                        break;
                    case 5 or 6 when running.Count > 0:
                        var (ended, large) = running[number % running.Count];
                        running.Remove((ended, large));
                        if (action == 6)
                        {
                            scheduler.Requeue(ended);
                            before.Waiting.Add(ended);
                        }
                        scheduler.Release(workers[large]);
                        break;
                    case 7:
                        scheduler.SmallDrawsMisses = number % 2 == 0;
                        break;
                    case 8 when number < 4:
                        var late = scheduler.Expire(TimeSpan.FromSeconds(number));
                        Assert.Equal(before.Waiting.Count(t => t.Expires.TotalSeconds <= number), late.Count);
                        late.ForEach(t => before.Waiting.Remove(t));
                        break;
                    case 9 when running.TrueForAll(r => r.Large):
                        smallIsThere = !smallIsThere;
                        if (smallIsThere) scheduler.Join(workers[false]);
                        else scheduler.Leave("s");
                        break;
                }
                var expected = before.Dispatch(
                    2 - running.Count(r => r.Large), smallIsThere ? 2 - running.Count(r => !r.Large) : 0, scheduler.SmallDrawsMisses);
                var started = scheduler.Dispatch().Select(d => (d.Ticket, d.Worker.IsLarge)).ToList();
                Assert.Equal(expected, started);
                running.AddRange(started);
                Assert.Equal(before.Waiting.Count, scheduler.Waiting);
                foreach (var waiting in before.Waiting)
                    Assert.Equal(before.Ahead(waiting), scheduler.Ahead(waiting));
            }
        });

    [Fact]
    public void A_flood_of_one_tenant_refuses_and_delays_nobody_else()
    {
        var (time, spec) = (new FakeTimeProvider(), TestMixture.Spec(sloSeconds: 60));
        using var queue = new RequestQueue(limit: 4, () => spec.Slo, new LoadMeter(spec, time), time);
        queue.Join(_worker);
        var first = queue.Enqueue(TestMixture.Miss(queue.Now)).Tickets![0];
        queue.Finished(first, _worker, seconds: 5);
        var flood = Enumerable.Range(0, 20).Select(_ => queue.Enqueue(TestMixture.Miss(queue.Now) with { Tenant = "flood" })).ToList();
        Assert.Equal(5, flood.Count(f => f.Refusal is null)); // One is drawn; the queue is full, and 25 s long.

        var (tickets, refusal) = queue.Enqueue(TestMixture.Miss(queue.Now) with { Tenant = "b" });

        Assert.Null(refusal);
        Assert.Equal((5.0, 5.0), (tickets![0].Expected!.Value.Wait, tickets[0].Expected!.Value.Draw));
        Assert.Equal(0, queue.Outlook(tickets[0])!.Value.Ahead);
        Assert.True(queue.Enqueue(TestMixture.Miss(queue.Now) with { Tenant = "flood" }).Refusal is { QueueFull: true, RetryAfterSeconds: > 5 });
    }

    [Fact]
    public void Who_would_be_late_for_its_own_images_is_refused_for_those_only()
    {
        var (time, spec) = (new FakeTimeProvider(), TestMixture.Spec(sloSeconds: 30));
        using var queue = new RequestQueue(limit: 100, () => spec.Slo, new LoadMeter(spec, time), time);
        queue.Join(_worker);
        queue.Finished(queue.Enqueue(TestMixture.Miss(queue.Now)).Tickets![0], _worker, seconds: 5);
        while (queue.Enqueue(TestMixture.Miss(queue.Now) with { Tenant = "flood" }).Refusal is null) { }

        var let = 0;
        while (queue.Enqueue(TestMixture.Miss(queue.Now) with { Tenant = "b" }).Refusal is null) let++;

        Assert.InRange(let, 2, 3); // Every other place within 30 s is its own.
    }

    private List<Ticket> Enqueue(string tenant, int count, double work = 1, double weight = 1)
    {
        List<Ticket> tickets = [.. Enumerable.Range(0, count).Select(_ => Ticket(tenant, work: work, weight: weight))];
        Assert.True(_scheduler.TryEnqueue(tickets));
        return tickets;
    }

    private List<Ticket> Draw(int count) => Draw(_scheduler, _worker, count);

    private static List<Ticket> Draw(RequestScheduler scheduler, WorkerSlot worker, int count)
    {
        var drawn = new List<Ticket>();
        while (drawn.Count < count && scheduler.Dispatch() is [var (ticket, _)])
        {
            drawn.Add(ticket);
            scheduler.Release(worker);
        }
        return drawn;
    }

    private static Ticket Ticket(string tenant, CacheRoute route = CacheRoute.Miss, int deadline = 60, double work = 1, double weight = 1) =>
        new(route, work, TimeSpan.Zero, TimeSpan.FromSeconds(deadline)) { Tenant = tenant, Weight = weight };

    /// <summary>The order without tenants, as plainly as it can be said.</summary>
    private sealed class ByDeadlineOnly
    {
        public List<Ticket> Waiting { get; } = [];

        public int Ahead(Ticket ticket) => Of(ticket.Route).TakeWhile(t => t != ticket).Count();

        public List<(Ticket, bool Large)> Dispatch(int large, int small, bool smallDrawsMisses)
        {
            var started = new List<(Ticket, bool)>();
            for (; large > 0 && Of(CacheRoute.Miss).FirstOrDefault() is { } miss; large--)
                Start(miss, true);
            for (; small > 0 && ForSmall() is { } ticket; small--)
                Start(ticket, false);
            for (; large > 0 && !Of(CacheRoute.Miss).Any() && Of(CacheRoute.Hit).FirstOrDefault() is { } hit; large--)
                Start(hit, true);
            return started;

            void Start(Ticket ticket, bool toLarge)
            {
                Waiting.Remove(ticket);
                started.Add((ticket, toLarge));
            }

            Ticket? ForSmall()
            {
                var (miss, hit) = (smallDrawsMisses ? Of(CacheRoute.Miss).FirstOrDefault() : null, Of(CacheRoute.Hit).FirstOrDefault());
                return miss is not null && (hit is null || miss.Deadline < hit.Deadline) ? miss : hit;
            }
        }

        private IEnumerable<Ticket> Of(CacheRoute route) => Waiting.Where(t => t.Route == route).OrderBy(t => t.Deadline).ThenBy(t => t.Place);
    }
}
