using Microsoft.Extensions.Time.Testing;
using MoDM.Operator.Cluster;

namespace MoDM.Operator.Tests.Cluster;

public sealed class WorkQueueTests : IDisposable
{
    private static readonly ObjectKey A = new("fog", "a");
    private static readonly ObjectKey B = new("fog", "b");
    private readonly FakeTimeProvider _time = new();
    private readonly WorkQueue _queue;

    public WorkQueueTests() => _queue = new WorkQueue(_time);

    public void Dispose() => _queue.Dispose();

    [Fact]
    public async Task A_key_added_many_times_is_handed_out_once()
    {
        _queue.Add(A);
        _queue.Add(A);
        _queue.Add(B);
        _queue.Add(A);

        Assert.Equal(2, _queue.Count);
        Assert.Equal([A, B], [await Take(), await Take()]);
        AssertEmpty();
    }

    [Fact]
    public async Task A_key_is_never_with_two_workers_and_comes_again_after_Done_when_it_was_added_meanwhile()
    {
        _queue.Add(A);
        await Take();
        _queue.Add(A);
        _queue.Add(A);
        AssertEmpty();

        _queue.Done(A);

        Assert.Equal(A, await Take());
        _queue.Done(A);
        AssertEmpty();
    }

    [Fact]
    public async Task Of_several_delays_the_earliest_wins_and_the_key_comes_once()
    {
        _queue.AddAfter(A, TimeSpan.FromSeconds(30));
        _queue.AddAfter(A, TimeSpan.FromSeconds(10));
        _queue.AddAfter(A, TimeSpan.FromSeconds(20));

        _time.Advance(TimeSpan.FromSeconds(9.9));
        AssertEmpty();
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(A, await Take());
        _queue.Done(A);
        _time.Advance(TimeSpan.FromMinutes(1));
        AssertEmpty();
    }

    [Fact]
    public async Task Failures_double_the_delay_from_a_second_to_a_minute_and_a_success_starts_over()
    {
        foreach (var seconds in (int[])[1, 2, 4, 8, 16, 32, 60, 60])
        {
            _queue.Failed(A);
            _time.Advance(TimeSpan.FromSeconds(seconds - 0.5));
            AssertEmpty();
            _time.Advance(TimeSpan.FromSeconds(0.5));
            Assert.Equal(A, await Take());
            _queue.Done(A);
        }

        _queue.Succeeded(A);
        _queue.Failed(A);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(A, await Take());
    }

    [Fact]
    public void What_is_forgotten_does_not_come_later()
    {
        _queue.AddAfter(A, TimeSpan.FromSeconds(5));
        _queue.Forget(A);

        _time.Advance(TimeSpan.FromMinutes(1));

        AssertEmpty();
    }

    [Fact]
    public async Task A_delay_that_ends_while_the_key_is_worked_on_waits_for_Done()
    {
        _queue.Add(A);
        await Take();
        _queue.AddAfter(A, TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(1));
        AssertEmpty();

        _queue.Done(A);

        Assert.Equal(A, await Take());
    }

    [Fact]
    public async Task Workers_in_parallel_see_every_key_and_none_twice_at_once()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var (busy, seen, overlaps) = (new int[20], new int[20], 0);
        async Task WorkAsync()
        {
            while (true)
            {
                var key = await _queue.TakeAsync(stop.Token);
                var i = int.Parse(key.Name);
                if (Interlocked.Increment(ref busy[i]) > 1) Interlocked.Increment(ref overlaps);
                Interlocked.Increment(ref seen[i]);
                await Task.Yield();
                Interlocked.Decrement(ref busy[i]);
                _queue.Done(key);
            }
        }
        var workers = Enumerable.Range(0, 4).Select(_ => Task.Run(WorkAsync)).ToArray();
        for (var i = 0; i < 2000; i++)
            _queue.Add(new ObjectKey("fog", $"{i % 20}"));

        await Eventually.Holds(() => _queue.Count == 0 && seen.All(s => s > 0), "all keys are worked on");
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(workers));
        Assert.Equal(0, overlaps);
    }

    private async Task<ObjectKey> Take() => await _queue.TakeAsync(TestContext.Current.CancellationToken);

    private void AssertEmpty() =>
        Assert.ThrowsAny<OperationCanceledException>(() => _queue.TakeAsync(new CancellationToken(true)).AsTask().GetAwaiter().GetResult());
}
