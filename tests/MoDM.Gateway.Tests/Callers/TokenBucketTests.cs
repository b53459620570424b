using CsCheck;
using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Callers;

namespace MoDM.Gateway.Tests.Callers;

public class TokenBucketTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_burst_is_let_in_at_once_and_then_what_the_rate_says()
    {
        var bucket = new TokenBucket(perMinute: 30, burst: 4, _time);
        Assert.Null(bucket.Take(3));
        Assert.Equal((1, TimeSpan.FromSeconds(6)), bucket.Look());
        Assert.Null(bucket.Take(1));

        Assert.Equal(TimeSpan.FromSeconds(2), bucket.Take(1));
        Assert.Equal(TimeSpan.FromSeconds(8), bucket.Take(4));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(bucket.Take(1));
        Assert.Equal((0, TimeSpan.FromSeconds(8)), bucket.Look());
    }

    [Fact]
    public void It_never_holds_more_than_a_burst()
    {
        var bucket = new TokenBucket(perMinute: 60, burst: 2, _time);
        bucket.GiveBack(5);
        _time.Advance(TimeSpan.FromHours(1));

        Assert.Equal((2, TimeSpan.Zero), bucket.Look());
        Assert.NotNull(bucket.Take(3));
    }

    [Fact]
    public void What_is_given_back_can_be_taken_again()
    {
        var bucket = new TokenBucket(perMinute: 1, burst: 3, _time);
        Assert.Null(bucket.Take(3));

        bucket.GiveBack(2);

        Assert.Null(bucket.Take(2));
        Assert.NotNull(bucket.Take(1));
    }

    [Fact]
    public void In_any_time_no_more_than_burst_and_rate_and_who_comes_back_as_told_is_let_in() =>
        Gen.Select(Gen.Double[0.5, 5000], Gen.Int[1, 50], Gen.Select(Gen.Int[1, 60], Gen.Int[0, 20_000]).Array[1, 100]).Sample((rate, burst, asked) =>
        {
            var time = new FakeTimeProvider();
            var bucket = new TokenBucket(rate, burst, time);
            var (taken, minutes) = (0, 0.0);
            foreach (var (count, pause) in asked)
            {
                Advance(TimeSpan.FromMilliseconds(pause));
                if (bucket.Take(count) is { } wait)
                {
                    if (count > burst) continue;
                    Assert.True(wait > TimeSpan.Zero);
                    Advance(wait);
                    Assert.Null(bucket.Take(count));
                }
                taken += count;
                Assert.True(taken <= burst + rate * minutes + 0.001);
            }

            void Advance(TimeSpan by)
            {
                time.Advance(by);
                minutes += by.TotalMinutes;
            }
        });
}
