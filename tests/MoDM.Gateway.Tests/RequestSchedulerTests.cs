using CsCheck;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests;

public class RequestSchedulerTests
{
    private readonly RequestScheduler _scheduler = new(limit: 10);

    [Fact]
    public void A_large_worker_takes_misses_first_and_hits_when_none_waits()
    {
        var (hit, miss) = (Ticket(CacheRoute.Hit), Ticket(CacheRoute.Miss));
        _scheduler.TryEnqueue([hit, miss]);
        _scheduler.Join(Large("a"));

        Assert.Same(miss, Assert.Single(_scheduler.Dispatch()).Ticket);
        _scheduler.Join(Large("b"));
        Assert.Same(hit, Assert.Single(_scheduler.Dispatch()).Ticket);
    }

    [Fact]
    public void A_small_worker_takes_hits_only()
    {
        var (hit, miss) = (Ticket(CacheRoute.Hit), Ticket(CacheRoute.Miss));
        _scheduler.TryEnqueue([miss, hit]);
        _scheduler.Join(Small("a", capacity: 5));

        Assert.Same(hit, Assert.Single(_scheduler.Dispatch()).Ticket);
        Assert.Equal(1, _scheduler.WaitingMisses);
    }

    [Fact]
    public void A_hit_goes_to_an_idle_small_worker_before_an_idle_large_one()
    {
        _scheduler.Join(Large("large"));
        _scheduler.Join(Small("small"));
        _scheduler.TryEnqueue([Ticket(CacheRoute.Hit), Ticket(CacheRoute.Hit)]);

        Assert.Equal(["small", "large"], _scheduler.Dispatch().Select(d => d.Worker.Id));
    }

    [Fact]
    public void The_better_small_model_is_used_first_and_equals_take_turns()
    {
        var (better, other, worse) = (Small("better"), Small("other"), Small("worse", rank: 2));
        foreach (var worker in new[] { worse, better, other })
            _scheduler.Join(worker);

        Assert.Equal("better", Next());
        _scheduler.Release(better);
        Assert.Equal("other", Next());
        Assert.Equal("better", Next());
        Assert.Equal("worse", Next());

        string Next()
        {
            _scheduler.TryEnqueue([Ticket(CacheRoute.Hit)]);
            return _scheduler.Dispatch().Single().Worker.Id;
        }
    }

    [Fact]
    public void The_earlier_deadline_goes_first_and_equals_in_order_of_arrival()
    {
        var late = Ticket(CacheRoute.Miss, deadline: 9);
        var first = Ticket(CacheRoute.Miss, deadline: 5);
        var second = Ticket(CacheRoute.Miss, deadline: 5);
        _scheduler.TryEnqueue([late, first, second]);
        _scheduler.Join(Large("a", capacity: 3));

        Assert.Equal([first, second, late], _scheduler.Dispatch().Select(d => d.Ticket));
    }

    [Fact]
    public void A_request_enters_whole_or_not_at_all()
    {
        Assert.True(_scheduler.TryEnqueue([.. Enumerable.Range(0, 8).Select(_ => Ticket(CacheRoute.Miss))]));
        Assert.False(_scheduler.TryEnqueue([Ticket(CacheRoute.Hit), Ticket(CacheRoute.Hit), Ticket(CacheRoute.Hit)]));
        Assert.Equal(8, _scheduler.Waiting);
    }

    [Fact]
    public void A_ticket_that_comes_back_keeps_its_place()
    {
        var (first, second) = (Ticket(CacheRoute.Miss), Ticket(CacheRoute.Miss));
        _scheduler.TryEnqueue([first, second]);
        var worker = Large("a");
        _scheduler.Join(worker);
        Assert.Same(first, _scheduler.Dispatch().Single().Ticket);

        _scheduler.Requeue(first);
        _scheduler.Release(worker);

        Assert.Same(first, _scheduler.Dispatch().Single().Ticket);
    }

    [Fact]
    public void Tickets_past_their_deadline_leave_and_are_not_drawn()
    {
        // Complaint 21.
        var (late, good) = (Ticket(CacheRoute.Miss, deadline: 1), Ticket(CacheRoute.Miss, deadline: 3));
        _scheduler.TryEnqueue([late, good]);

        Assert.Same(late, Assert.Single(_scheduler.Expire(TimeSpan.FromSeconds(2))));
        _scheduler.Join(Large("a"));
        Assert.Same(good, _scheduler.Dispatch().Single().Ticket);
    }

    [Fact]
    public void One_whose_worker_died_late_may_wait_once_more_at_its_old_place()
    {
        var (late, other) = (Ticket(CacheRoute.Miss, deadline: 5), Ticket(CacheRoute.Miss, deadline: 60));
        _scheduler.TryEnqueue([late, other]);
        var worker = Large("a");
        _scheduler.Join(worker);
        _scheduler.Dispatch();

        late.Renew(TimeSpan.FromSeconds(30));
        _scheduler.Requeue(late);
        _scheduler.Release(worker);

        Assert.Empty(_scheduler.Expire(TimeSpan.FromSeconds(9)));
        Assert.Same(late, _scheduler.Dispatch().Single().Ticket);
    }

    [Fact]
    public void Small_workers_draw_misses_only_while_the_planner_says_so()
    {
        var (first, second) = (Ticket(CacheRoute.Miss), Ticket(CacheRoute.Miss));
        _scheduler.Join(Large("large"));
        _scheduler.Join(Small("small"));
        _scheduler.TryEnqueue([first, second]);
        Assert.Equal("large", _scheduler.Dispatch().Single().Worker.Id);

        _scheduler.SmallDrawsMisses = true;

        Assert.Equal("small", _scheduler.Dispatch().Single().Worker.Id);
    }

    [Fact]
    public void A_small_worker_that_may_draw_both_takes_the_earlier_deadline()
    {
        _scheduler.SmallDrawsMisses = true;
        var (miss, hit) = (Ticket(CacheRoute.Miss, deadline: 9), Ticket(CacheRoute.Hit, deadline: 5));
        _scheduler.TryEnqueue([miss, hit]);
        _scheduler.Join(Small("small", capacity: 2));

        Assert.Equal([hit, miss], _scheduler.Dispatch().Select(d => d.Ticket));
    }

    [Fact]
    public void A_worker_that_has_left_finishes_what_it_draws_and_gets_nothing_more()
    {
        var worker = Large("a", capacity: 2);
        _scheduler.Join(worker);
        _scheduler.TryEnqueue([Ticket(CacheRoute.Miss), Ticket(CacheRoute.Miss)]);
        Assert.Equal((2, 2), _scheduler.Places(large: true));
        _scheduler.Dispatch();

        _scheduler.Leave("a");
        _scheduler.Release(worker);
        _scheduler.TryEnqueue([Ticket(CacheRoute.Miss)]);

        Assert.Empty(_scheduler.Dispatch());
        Assert.Equal((0, 0), _scheduler.Places(large: true));
        Assert.Equal(1, worker.InFlight);
    }

    [Fact]
    public void Nothing_is_lost_or_drawn_twice_and_no_worker_is_overfilled() =>
        Gen.Int[0, 5].Array[1, 200].Sample(actions =>
        {
            var scheduler = new RequestScheduler(limit: 20);
            var workers = new[] { Large("l", 2), Small("s1"), Small("s2", 3) };
            foreach (var worker in workers)
                scheduler.Join(worker);
            var (accepted, started) = (0, new List<Ticket>());
            var running = new List<WorkerSlot>();
            foreach (var action in actions)
            {
                if (action <= 2)
                    accepted += scheduler.TryEnqueue([Ticket(action == 0 ? CacheRoute.Miss : CacheRoute.Hit)]) ? 1 : 0;
                else if (running.Count > 0)
                {
                    scheduler.Release(running[0]);
                    running.RemoveAt(0);
                }
                foreach (var (ticket, worker) in scheduler.Dispatch())
                {
                    started.Add(ticket);
                    running.Add(worker);
                    if (ticket.Route == CacheRoute.Miss) Assert.True(worker.IsLarge);
                }
                Assert.All(workers, w => Assert.InRange(w.InFlight, 0, w.Capacity));
                // Nothing waits that a free worker could draw.
                Assert.False(scheduler.WaitingMisses > 0 && workers[0].Free);
                Assert.False(scheduler.WaitingHits > 0 && workers.Any(w => w.Free && !w.IsLarge));
            }
            Assert.Equal(accepted, started.Count + scheduler.Waiting);
            Assert.Equal(started.Count, started.Distinct().Count());
        });

    private static Ticket Ticket(CacheRoute route, int deadline = 60) => new(route, 1, TimeSpan.Zero, TimeSpan.FromSeconds(deadline));

    private static WorkerSlot Large(string id, int capacity = 1) => new(id, "large", isLarge: true, 0, capacity);

    private static WorkerSlot Small(string id, int capacity = 1, int rank = 1) => new(id, "small", isLarge: false, rank, capacity);
}
