using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests;

public sealed class RequestQueueTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly RequestQueue _queue;
    private readonly WorkerSlot _worker = new("a", "large", isLarge: true, 0, 1);

    public RequestQueueTests() => _queue = new RequestQueue(limit: 4, _time);

    public void Dispose() => _queue.Dispose();

    [Fact]
    public async Task A_turn_comes_when_a_worker_joins()
    {
        var ticket = Enqueue();
        var turn = _queue.WaitAsync(ticket, TestContext.Current.CancellationToken);
        Assert.False(turn.IsCompleted);

        _queue.Join(_worker);

        Assert.Same(_worker, (await turn).Worker);
    }

    [Fact]
    public async Task A_deadline_passes_without_anybody_doing_anything()
    {
        var turn = _queue.WaitAsync(Enqueue(), TestContext.Current.CancellationToken);

        _time.Advance(TimeSpan.FromSeconds(31));

        Assert.True((await turn).Expired);
        Assert.Equal(0, _queue.Snapshot().Misses);
    }

    [Fact]
    public async Task A_caller_that_leaves_frees_its_place()
    {
        using var leave = new CancellationTokenSource();
        var (first, second) = (Enqueue(), Enqueue());
        var turn = _queue.WaitAsync(first, leave.Token);

        await leave.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => turn);
        _queue.Join(_worker);
        Assert.Same(_worker, (await _queue.WaitAsync(second, TestContext.Current.CancellationToken)).Worker);
    }

    [Fact]
    public async Task A_turn_that_nobody_took_is_handed_back()
    {
        var (first, second) = (Enqueue(), Enqueue());
        _queue.Join(_worker);

        _queue.GiveUp(first);

        Assert.Same(_worker, (await _queue.WaitAsync(second, TestContext.Current.CancellationToken)).Worker);
        _queue.GiveUp(second); // Taken: the worker is not handed back twice.
        Assert.Equal(1, _worker.InFlight);
    }

    [Fact]
    public void A_full_queue_says_when_to_come_back_by_the_pace_of_late()
    {
        // Complaint 20: bounded, 429 with Retry-After.
        _queue.Join(_worker);
        Enqueue();
        _queue.Finished(_worker, seconds: 5);
        for (var i = 0; i < 5; i++)
            Enqueue(mayFail: true);

        Assert.Equal(20, _queue.TryEnqueue([NewTicket()])); // Four wait, five seconds each.
    }

    private Ticket Enqueue(bool mayFail = false)
    {
        var ticket = NewTicket();
        var refused = _queue.TryEnqueue([ticket]);
        if (!mayFail) Assert.Null(refused);
        return ticket;
    }

    private Ticket NewTicket() => new(CacheRoute.Miss, 1, _queue.Now, _queue.Now + TimeSpan.FromSeconds(30));
}
