using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Scheduling;

namespace MoDM.Gateway.Tests;

/// <summary>Which worker is lent for work that nobody waits for, and until when.</summary>
public sealed class SpareWorkerTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly RequestQueue _queue;
    private readonly WorkerSlot _large = TestMixture.Large();

    public SpareWorkerTests()
    {
        var spec = TestMixture.Spec();
        _queue = new RequestQueue(5, () => spec.Slo, new LoadMeter(spec, _time), _time);
    }

    public void Dispose() => _queue.Dispose();

    [Fact]
    public void Only_a_large_worker_that_draws_nothing_is_lent()
    {
        Assert.Null(_queue.Borrow());
        _queue.Join(TestMixture.Small());
        Assert.Null(_queue.Borrow());

        _queue.Join(_large);
        Assert.Same(_large, _queue.Borrow()!.Worker);

        _queue.Enqueue(TestMixture.Miss(_queue.Now));
        Assert.Null(_queue.Borrow());
    }

    [Fact]
    public void A_worker_that_draws_several_at_once_is_lent_only_while_it_draws_none()
    {
        _queue.Join(new WorkerSlot("l", "large", isLarge: true, 0, capacity: 4));
        var spare = _queue.Borrow()!;

        _queue.Enqueue(TestMixture.Miss(_queue.Now));

        // The others would be drawn slower beside it.
        Assert.True(spare.Needed.IsCompleted);
        Assert.Null(_queue.Borrow());
    }

    [Fact]
    public async Task An_image_gets_the_lent_worker_at_once_and_the_borrower_hears_of_it()
    {
        _queue.Join(_large);
        var spare = _queue.Borrow()!;
        Assert.False(spare.Needed.IsCompleted);

        var ticket = Assert.Single(_queue.Enqueue(TestMixture.Miss(_queue.Now)).Tickets!);

        Assert.Same(_large, (await ticket.Turn!.Task).Worker);
        Assert.True(spare.Needed.IsCompleted);
    }

    [Fact]
    public async Task Images_go_to_other_idle_workers_first()
    {
        _queue.Join(_large);
        _queue.Join(TestMixture.Large("l2"));
        _queue.Finished(_queue.Enqueue(TestMixture.Miss(_queue.Now)).Tickets![0], _large, seconds: 1); // The other is idle for longer now.
        var spare = _queue.Borrow()!;

        var other = (await _queue.Enqueue(TestMixture.Miss(_queue.Now)).Tickets![0].Turn!.Task).Worker;
        Assert.NotSame(spare.Worker, other);
        Assert.False(spare.Needed.IsCompleted);

        _queue.Enqueue(TestMixture.Miss(_queue.Now));
        Assert.True(spare.Needed.IsCompleted);
    }

    [Fact]
    public async Task A_worker_that_drains_or_leaves_is_given_back_and_not_lent_again()
    {
        _queue.Join(_large);
        var spare = _queue.Borrow()!;

        await _queue.DrainAsync(_large);

        Assert.True(spare.Needed.IsCompleted);
        Assert.Null(_queue.Borrow());

        _queue.Join(_large);
        spare = _queue.Borrow()!;
        _queue.Leave(_large.Id);
        Assert.True(spare.Needed.IsCompleted);
    }

    [Fact]
    public void A_lent_worker_counts_as_idle()
    {
        _queue.Join(_large);
        var before = Load();

        _queue.Borrow();

        Assert.Equal(before, Load());

        (int, int, int) Load()
        {
            var now = _queue.Snapshot();
            return (now.Misses, now.Hits, now.Workers.Sum(w => w.InFlight));
        }
    }
}
