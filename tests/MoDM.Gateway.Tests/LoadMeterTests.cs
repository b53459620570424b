using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Scheduling;

namespace MoDM.Gateway.Tests;

public class LoadMeterTests
{
    private static readonly QueueSnapshot Nothing = new(0, 0, 0, 10, []);

    private readonly FakeTimeProvider _time = new();
    private readonly LoadMeter _meter;

    public LoadMeterTests() => _meter = new LoadMeter(TestMixture.Spec(), _time);

    [Fact]
    public void A_sample_counts_what_came_since_the_last_one()
    {
        _meter.Arrived(TestMixture.Miss(default, images: 3));
        _meter.Arrived(TestMixture.Hit(default, images: 2, work: 0.9, raised: 0.4));
        _time.Advance(TimeSpan.FromSeconds(5));

        var sample = _meter.Take(new QueueSnapshot(4, 1, MissWork: 3.2, 10, [new WorkerLoad("large", true, 1, 1)]), [1, 2]);

        Assert.Equal((5, 3, 2), (sample.Seconds, sample.Misses, sample.Hits));
        Assert.Equal((1.8, 0.8), (sample.HitWork, sample.RaisedHitWork));
        Assert.Equal((4, 1), (sample.WaitingMisses, sample.WaitingHits));
        Assert.Equal([(1, 1), (2, 0)], sample.Pools.Select(p => (p.Workers, p.InFlight)));
        _time.Advance(TimeSpan.FromSeconds(2));
        var next = _meter.Take(Nothing, [1, 2]);
        Assert.Equal((2, 0, 0, 0), (next.Seconds, next.Misses, next.Hits, next.HitWork));
    }

    [Fact]
    public void What_came_in_all_goes_on_counting_when_a_sample_is_taken()
    {
        _meter.Arrived(TestMixture.Miss(default, images: 4, work: 0.5));
        _meter.Take(Nothing, [1, 1]);
        _meter.Arrived(TestMixture.Hit(default, images: 2, work: 0.9, raised: 0.4));

        Assert.Equal(new ArrivedLoad(4, 2, 2, 1.8, 0.8), _meter.Total);
    }

    [Fact]
    public void A_pool_without_workers_is_as_fast_as_its_last_ones_and_nothing_is_guessed()
    {
        _meter.Drew(0, 8, 1);
        Assert.Equal([2, null], _meter.SecondsPerImage(new QueueSnapshot(0, 0, 0, 10, [new WorkerLoad("large", true, 4, 4)])));

        Assert.Equal([2, null], _meter.SecondsPerImage(Nothing));
    }

    [Fact]
    public void What_was_measured_holds_when_a_full_drawing_has_other_steps()
    {
        _meter.Drew(0, 10, 1);
        _meter.StepsChanged(before: 50, now: 25);

        Assert.Equal(5, _meter.DrawSeconds(0)!.Value, 6);
    }

    [Fact]
    public void A_miss_that_draws_half_the_steps_is_half_a_miss()
    {
        _meter.Arrived(TestMixture.Miss(default, images: 4, work: 0.5));

        Assert.Equal(2, _meter.Take(Nothing, [1, 1]).Misses);
    }

    [Fact]
    public void Nothing_is_known_of_a_pool_that_has_drawn_nothing()
    {
        Assert.Null(_meter.DrawSeconds(0));
        Assert.Null(_meter.Take(Nothing, [1, 1]).Pools[0].Draw);
    }

    [Fact]
    public void The_seconds_of_a_full_drawing_follow_from_parts_of_one()
    {
        for (var i = 0; i < 40; i++)
            _meter.Drew(1, seconds: 2, work: 0.4);

        Assert.Equal(5, _meter.DrawSeconds(1)!.Value, 6);
        Assert.Null(_meter.DrawSeconds(0));
    }

    [Fact]
    public void The_last_drawings_count_and_a_short_one_with_much_overhead_hardly()
    {
        _meter.Drew(0, 100, 1);
        for (var i = 0; i < 100; i++)
            _meter.Drew(0, 10, 1);
        Assert.Equal(10, _meter.DrawSeconds(0)!.Value, 1);

        _meter.Drew(0, 1, 0.02); // Would be 50 s for a full drawing.

        Assert.InRange(_meter.DrawSeconds(0)!.Value, 10, 10.2);
    }

    [Fact]
    public void A_worker_that_draws_several_at_once_is_as_much_faster_to_the_planner()
    {
        _meter.Drew(0, 8, 1);

        Assert.Equal(2, _meter.Take(new QueueSnapshot(0, 0, 0, 10, [new WorkerLoad("large", true, 4, 4)]), [1, 1]).Pools[0].Draw);
    }

    [Fact]
    public void A_small_model_is_taken_to_be_faster_than_the_large_one_until_it_is_timed()
    {
        _meter.Drew(0, 9, 1);

        Assert.Equal(3, _meter.Take(Nothing, [1, 0]).Pools[1].Draw);
        Assert.Null(_meter.DrawSeconds(1)); // What a request is told is never a guess.
    }

    [Fact]
    public void The_time_to_load_is_kept_by_pool()
    {
        _meter.Loaded(1, 4);
        _meter.Loaded(1, 8);

        Assert.Equal([0, 6], _meter.Take(Nothing, [1, 1]).Pools.Select(p => p.Load));
    }
}
