using MoDM.Operator.Load;

namespace MoDM.Operator.Tests.Load;

public class LoadHistoryTests
{
    private static readonly Mixture.MixtureSpec Spec = Documents.Mixture().Spec;

    [Fact]
    public void What_came_is_each_counters_own_increase_between_its_own_points()
    {
        var (load, history) = Take(new LoadHistory(), Gateway("a", 0, 10, 20), now: 1010);

        var sample = Known(load).Sample;
        Assert.Equal((10, 20, 20), (sample.Seconds, sample.Misses, sample.Hits));
        Assert.Equal((10, 6), (sample.HitWork, sample.RaisedHitWork));
        Assert.Equal((1010, 5), (history.UpTo, history.Pause));
    }

    [Fact]
    public void Nothing_is_counted_twice()
    {
        var (_, history) = Take(new LoadHistory(), Gateway("a", 0, 10, 20), now: 1010);

        var (load, _) = Take(history, Gateway("a", 0, 10, 20, 25), now: 1016);

        Assert.Equal((5, 5), (Known(load).Sample.Seconds, Known(load).Sample.Misses));
    }

    [Fact]
    public void No_newer_point_is_neither_news_nor_a_fault()
    {
        var (_, history) = Take(new LoadHistory(), Gateway("a", 0, 10, 20), now: 1010);

        var (load, same) = Take(history, Gateway("a", 0, 10, 20), now: 1014);

        Assert.Null(Assert.IsType<Reading<MeasuredLoad?>.Known>(load).Value);
        Assert.Equal(history, same);
    }

    [Fact]
    public void A_counter_that_goes_back_began_at_zero_again()
    {
        var (load, _) = Take(new LoadHistory(), Gateway("a", 100, 110, 3), now: 1010);

        Assert.Equal(13, Known(load).Sample.Misses);
    }

    [Fact]
    public void A_new_gateway_counts_from_zero_and_the_gone_one_says_nothing_of_now()
    {
        var (_, history) = Take(new LoadHistory(), Gateway("a", 0, 10, 20), now: 1010);
        List<Series> both = [.. Gateway("a", 0, 10, 20), .. Gateway("b", 1040, 4, 9)];

        var (load, _) = Take(history, both, now: 1046);

        Assert.Equal(9, Known(load).Sample.Misses);
        Assert.Equal(3, Known(load).Sample.WaitingMisses);
    }

    [Fact]
    public void Gauges_are_the_newest_ones_and_what_is_not_a_number_is_not_known()
    {
        var (load, _) = Take(new LoadHistory(), Gateway("a", 0, 10, 20), now: 1010);

        var sample = Known(load).Sample;
        Assert.Equal((3, 2), (sample.WaitingMisses, sample.WaitingHits));
        Assert.Equal((1.5, null), (sample.Pools[0].Draw, sample.Pools[1].Draw));
        Assert.Equal((2, 1, 7.0), (sample.Pools[0].Workers, sample.Pools[0].InFlight, sample.Pools[0].Load));
    }

    [Theory]
    [InlineData("empty", "has no modm_arrived_images_total")]
    [InlineData("old", "last scraped 60 s ago")]
    [InlineData("once", "scraped once")]
    [InlineData("NaN", "not a number")]
    public void No_data_is_unknown_and_never_zero(string what, string why)
    {
        // Complaint 3.
        IReadOnlyList<Series> series = what switch
        {
            "empty" => [],
            "once" => Gateway("a", 5),
            "NaN" => [.. Gateway("a", 0, 10, 20).Select(s => s.Name == MetricNames.ArrivedWork ? s with { Points = [.. s.Points.Select(p => (p.At, double.NaN))] } : s)],
            _ => Gateway("a", 0, 10, 20),
        };

        var (load, history) = Take(new LoadHistory(), series, now: what == "old" ? 1070 : what == "once" ? 1001 : 1010);

        Assert.Contains(why, Assert.IsType<Reading<MeasuredLoad?>.Unknown>(load).Why, StringComparison.Ordinal);
        Assert.Equal(0, history.UpTo);
    }

    [Fact]
    public void The_query_asks_for_this_mixture_of_this_namespace_and_for_names_of_the_contract()
    {
        var query = new LoadHistory().Query("art", "postcards", TimeSpan.FromSeconds(10));

        Assert.Contains("namespace=\"art\",mixture=\"postcards\"", query, StringComparison.Ordinal);
        Assert.EndsWith("[150s]", query, StringComparison.Ordinal);
        Assert.Contains(MetricNames.DrawSeconds, query, StringComparison.Ordinal);
        Assert.EndsWith("[33s]", new LoadHistory(1000, Pause: 5).Query("art", "postcards", TimeSpan.FromSeconds(10)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5, 5, 0, 5)]     // Timely: in step with the points.
    [InlineData(5, 5, 1, 5)]
    [InlineData(5, 5, 4, 2)]     // Late: read the next one a second after it comes.
    [InlineData(5, 20, 3, 18)]   // A tick holds several points.
    [InlineData(15, 20, 0, 15)]
    [InlineData(30, 5, 3, 5)]    // Points come seldom: every tick, for what is not there,
    [InlineData(30, 5, 28, 3)]   // but soon after one that is due.
    [InlineData(5, 5, 12, 5)]    // Overdue: nobody knows when.
    [InlineData(0, 5, 3, 5)]     // Pauses not known yet.
    public void The_next_reading_comes_soon_after_a_point_and_a_tick_later_at_most(double pause, double tick, double age, double expected) =>
        Assert.Equal(
            TimeSpan.FromSeconds(expected), new LoadHistory(1000, pause).NextAfter(1000 + age, TimeSpan.FromSeconds(tick)));

    [Fact]
    public void After_an_outage_what_came_meanwhile_is_not_taken_for_what_came_just_now()
    {
        var (_, history) = Take(new LoadHistory(), Gateway("a", 0, 10, 20), now: 1010);

        var (load, next) = Take(history, Gateway("a", 1300, 500, 510, 520), now: 1310);

        Assert.Equal((10, 20), (Known(load).Sample.Seconds, Known(load).Sample.Misses));
        Assert.Equal(1310, next.UpTo);
    }

    [Fact]
    public void Whom_the_cache_answers_is_what_the_gateways_that_are_there_say()
    {
        var gateways = new[] { ("a", 1.0), ("b", 0), ("c", double.NaN) }.SelectMany(g => (Series[])
            [.. Gateway(g.Item1, 0, 10, 20), Of(g.Item1, 1000, 3, MetricNames.CacheAvailable, g.Item2)]);
        // One that is gone.
        var (load, _) = Take(new LoadHistory(), [.. gateways, Of("d", 940, 3, MetricNames.CacheAvailable, 0)], now: 1010);

        Assert.Equal(new CacheReach(2, 1), Known(load).Cache);
        Assert.Null(Known(Take(new LoadHistory(), Gateway("a", 0, 10, 20), now: 1010).Item1).Cache);
        Assert.Contains(MetricNames.CacheAvailable, new LoadHistory().Query("art", "postcards", TimeSpan.FromSeconds(10)), StringComparison.Ordinal);

        static Series Of(string pod, double from, int points, string name, double value) => new(
            new Dictionary<string, string> { ["__name__"] = name, ["pod"] = pod }, [.. Enumerable.Range(0, points).Select(i => (from + 5 * i, value))]);
    }

    private static MeasuredLoad Known(Reading<MeasuredLoad?> reading) => Assert.IsType<Reading<MeasuredLoad?>.Known>(reading).Value!;

    private static (Reading<MeasuredLoad?>, LoadHistory) Take(LoadHistory history, IReadOnlyList<Series> series, double now) =>
        history.Take(series, now, Spec, [2, 3], [7, 0]);

    /// <summary>A gateway's series, scraped every 5 s; with misses as given and as many hits, half of each left to draw.</summary>
    /// <param name="from">Seconds after 1000 when above 1000, else the first count.</param>
    private static List<Series> Gateway(string pod, double from, params double[] misses)
    {
        var (start, counts) = from >= 1000 ? (from, misses) : (1000, [from, .. misses]);
        Series Of(string name, Func<double, double> value, params (string, string)[] labels) => new(
            labels.Append(("__name__", name)).Append(("pod", pod)).ToDictionary(l => l.Item1, l => l.Item2),
            [.. counts.Select((c, i) => (start + 5 * i, value(c)))]);
        return
        [
            Of(MetricNames.ArrivedImages, c => c, ("route", "miss")),
            Of(MetricNames.ArrivedImages, c => c, ("route", "hit")),
            Of(MetricNames.ArrivedWork, c => c, ("route", "miss")),
            Of(MetricNames.ArrivedWork, c => c / 2, ("route", "hit")),
            Of(MetricNames.ArrivedWork, c => c * 0.3, ("route", "hit_raised")),
            Of(MetricNames.QueueWork, _ => 2.4, ("queue", "miss")),
            Of(MetricNames.QueueWork, _ => 2, ("queue", "hit")),
            Of(MetricNames.QueueLength, _ => 3, ("queue", "miss")),
            Of(MetricNames.InFlight, _ => 1, ("pool", "large"), ("model", "big")),
            Of(MetricNames.DrawSeconds, _ => 1.5, ("model", "big")),
            Of(MetricNames.DrawSeconds, _ => double.NaN, ("model", "little")),
        ];
    }
}
