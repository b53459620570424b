using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Core.Tests.Planning;

public class ArrivalEstimateTests
{
    private static readonly QueueView Idle = new(4, 2, 4, 2, 0, 0, 100, 20, false);

    [Fact]
    public void With_a_free_worker_there_is_no_wait()
    {
        Assert.Equal((0, 100), ArrivalEstimate.Of(Idle, CacheRoute.Miss, 1));
        Assert.Equal((0, 10), ArrivalEstimate.Of(Idle, CacheRoute.Hit, 0.5));
    }

    [Fact]
    public void A_hit_that_only_a_large_worker_is_free_for_takes_its_time() =>
        Assert.Equal((0, 50), ArrivalEstimate.Of(Idle with { FreeSmall = 0 }, CacheRoute.Hit, 0.5));

    [Fact]
    public void A_miss_waits_for_the_misses_before_it()
    {
        var (wait, draw) = ArrivalEstimate.Of(Idle with { FreeLarge = 0, WaitingMisses = 8 }, CacheRoute.Miss, 1);

        Assert.Equal(8 * 100 / 4.0 + 100 / 5.0, wait, 6); // Two rounds of four, and the first one to end of those that run.
        Assert.Equal(100, draw);
    }

    [Fact]
    public void Images_of_one_request_wait_for_each_other()
    {
        var busy = Idle with { FreeLarge = 1 };

        Assert.Equal(0, ArrivalEstimate.Of(busy, CacheRoute.Miss, 1).Wait);
        Assert.True(ArrivalEstimate.Of(busy, CacheRoute.Miss, 1, before: 3).Wait > ArrivalEstimate.Of(busy, CacheRoute.Miss, 1, before: 1).Wait);
    }

    [Fact]
    public void Small_workers_shorten_a_miss_only_while_they_may_draw_it()
    {
        var busy = Idle with { FreeLarge = 0, FreeSmall = 0, WaitingMisses = 8 };

        Assert.True(ArrivalEstimate.Of(busy with { SmallDrawsMisses = true }, CacheRoute.Miss, 1).Wait < ArrivalEstimate.Of(busy, CacheRoute.Miss, 1).Wait / 2);
    }

    [Fact]
    public void Without_a_worker_that_could_the_wait_has_no_end() =>
        Assert.Equal(double.PositiveInfinity, ArrivalEstimate.Of(Idle with { Large = 0, FreeLarge = 0 }, CacheRoute.Miss, 1).Wait);

    [Fact]
    public void A_request_that_would_be_late_is_told_when_to_come_back()
    {
        Assert.True(AdmissionPolicy.Decide(20, 10, TimeSpan.FromSeconds(30)).Admit);

        var late = AdmissionPolicy.Decide(35.2, 10, TimeSpan.FromSeconds(30));
        Assert.Equal((false, 16), (late.Admit, late.RetryAfterSeconds));
        Assert.Equal("its image would be ready in about 45.2 s, and the limit is 30 s", late.Reason);
    }

    [Fact]
    public void A_model_slower_than_the_SLO_still_serves() =>
        Assert.True(AdmissionPolicy.Decide(20, 60, TimeSpan.FromSeconds(30)).Admit);

    [Fact]
    public void Four_of_five_outcomes_lie_in_the_band_whatever_they_are_and_however_late_they_are_known()
    {
        var random = new Random(5);
        var band = new LatencyBand();
        var pending = new Queue<(LatencyEstimate Told, double Seconds)>();
        var (inside, all) = (0, 0);
        for (var i = 0; i < 20_000; i++)
        {
            var told = band.Of(CacheRoute.Miss, 10, 20);
            // Twice as slow as estimated, in the second half three times, with a long tail.
            var seconds = 30 * (i < 10_000 ? 2 : 3) * (0.8 + 0.2 * -Math.Log(1 - random.NextDouble()));
            pending.Enqueue((told, seconds));
            if (pending.Count < 20) continue;
            var (earlier, outcome) = pending.Dequeue();
            all++;
            inside += outcome >= earlier.Low && outcome <= earlier.High ? 1 : 0;
            band.Observe(earlier, outcome);
        }

        Assert.InRange((double)inside / all, 0.78, 0.82);
    }
}
