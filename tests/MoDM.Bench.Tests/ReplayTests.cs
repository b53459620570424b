using Microsoft.Extensions.Time.Testing;
using MoDM.Bench.Load;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Tests;

public class ReplayTests
{
    private static readonly Answer Done = Answer.Failed("") with { Error = null };

    private static List<TraceEntry> Trace(int count) => [.. Enumerable.Range(0, count).Select(i => new TraceEntry($"{i}", i))];

    [Fact]
    public async Task A_closed_loop_keeps_as_many_requests_under_way_as_it_has_clients()
    {
        var (now, most) = (0, 0);
        var outcomes = await Replay.ClosedLoopAsync(Trace(40), 5, async (_, cancel) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await Task.Delay(2, cancel);
            Interlocked.Decrement(ref now);
            return Done;
        }, TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.InRange(most, 4, 5);
        Assert.Equal(Enumerable.Range(0, 40).Select(i => (long)i), outcomes.Select(o => o.Entry.Seed));
        Assert.All(outcomes, o => Assert.True(o.LatencyMs > 0));
    }

    [Fact]
    public async Task A_user_never_asks_for_two_pictures_at_once()
    {
        var busy = new HashSet<int>();
        var order = new List<(int User, long Seed)>();
        var trace = Enumerable.Range(0, 60).Select(i => new TraceEntry("x", i, User: i % 7)).ToList();
        await Replay.ClosedLoopAsync(trace, 4, async (entry, cancel) =>
        {
            lock (busy)
            {
                Assert.True(busy.Add(entry.User!.Value));
                order.Add((entry.User.Value, entry.Seed));
            }
            await Task.Delay(1 + (int)entry.Seed % 3, cancel);
            lock (busy)
                busy.Remove(entry.User.Value);
            return Done;
        }, TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Equal(60, order.Count);
        foreach (var user in order.GroupBy(o => o.User))
            Assert.Equal(user.Select(o => o.Seed).Order(), user.Select(o => o.Seed));
    }

    [Fact]
    public async Task An_open_loop_counts_from_the_arrival_and_waits_for_nobody()
    {
        var time = new FakeTimeProvider();
        var gates = Enumerable.Range(0, 3).Select(_ => new TaskCompletionSource<Answer>()).ToArray();
        var started = new List<long>();
        var replay = Replay.OpenLoopAsync(Trace(3), [0, 1, 2], (entry, _) =>
        {
            started.Add(entry.Seed);
            return gates[entry.Seed].Task;
        }, time, TestContext.Current.CancellationToken);
        Assert.Equal([0], started);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([0, 1], started);
        time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal([0, 1, 2], started);
        foreach (var gate in gates)
            gate.SetResult(Done);
        var outcomes = await replay;
        Assert.Equal([4000, 3000, 2000], outcomes.Select(o => o.LatencyMs));
        Assert.All(outcomes, o => Assert.Equal(4000, o.EndMs));
    }

    [Fact]
    public void Poisson_arrivals_ascend_at_the_rate_and_repeat_with_the_seed()
    {
        var times = Replay.PoissonArrivals(4000, 2, 5);
        Assert.Equal(times.Order(), times);
        Assert.InRange(4000 / times[^1], 1.9, 2.1);
        Assert.Equal(times, Replay.PoissonArrivals(4000, 2, 5));
        Assert.NotEqual(times, Replay.PoissonArrivals(4000, 2, 6));
    }
}
