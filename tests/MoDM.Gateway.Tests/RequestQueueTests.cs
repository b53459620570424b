using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Tests;

public sealed class RequestQueueTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly RequestQueue _queue;
    private readonly WorkerSlot _worker = TestMixture.Large();

    public RequestQueueTests() => _queue = NewQueue(sloSeconds: 30);

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
    public void A_full_queue_says_when_there_will_be_room()
    {
        // Complaint 20: bounded, 429 with Retry-After.
        using var queue = NewQueue(sloSeconds: 60);
        Time(queue, seconds: 5);
        for (var i = 0; i < 5; i++)
            Assert.Null(Arrive(queue).Refusal);
        _time.Advance(TimeSpan.FromSeconds(1.5));

        var refusal = Arrive(queue).Refusal!.Value;

        Assert.Equal((true, 4), (refusal.QueueFull, refusal.RetryAfterSeconds)); // The first of five is done in 3.5 s.
    }

    [Fact]
    public void What_could_not_be_done_in_time_is_refused_at_once_and_let_in_when_it_said()
    {
        Time(_queue, seconds: 10);
        Assert.Null(Arrive(_queue).Refusal);
        Assert.Null(Arrive(_queue).Refusal);

        var refusal = Arrive(_queue).Refusal!.Value;

        // 20 s of waiting, 10 s of drawing, a little more to be sure.
        Assert.False(refusal.QueueFull);
        Assert.Contains("ready in about 31.5 s, and the limit is 30 s", refusal.Reason, StringComparison.Ordinal);
        Assert.Equal(2, refusal.RetryAfterSeconds);
        _time.Advance(TimeSpan.FromSeconds(refusal.RetryAfterSeconds - 1));
        Assert.NotNull(Arrive(_queue).Refusal);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(Arrive(_queue).Refusal);
    }

    [Fact]
    public async Task A_request_that_would_end_too_late_is_not_begun()
    {
        Time(_queue, seconds: 10);
        Arrive(_queue);
        var waiting = Arrive(_queue).Tickets![0];

        _time.Advance(TimeSpan.FromSeconds(19.4)); // 30 s less 10.5 s of drawing is the latest start.
        Assert.NotNull(_queue.Outlook(waiting));
        _time.Advance(TimeSpan.FromSeconds(0.4));

        Assert.True((await _queue.WaitAsync(waiting, TestContext.Current.CancellationToken)).Expired);
    }

    [Fact]
    public void Where_a_drawing_takes_longer_than_the_SLO_an_idle_worker_still_takes_it()
    {
        Time(_queue, seconds: 100);

        Assert.Null(Arrive(_queue).Refusal);
        Assert.NotNull(Arrive(_queue).Refusal);
    }

    [Fact]
    public void Who_waits_is_told_how_long_and_it_comes_true()
    {
        Time(_queue, seconds: 6);
        var first = Arrive(_queue).Tickets![0];
        var second = Arrive(_queue).Tickets![0];

        Assert.Equal((0.0, 6.0), (first.Expected!.Value.Wait, first.Expected.Value.Draw));
        Assert.Null(_queue.Outlook(first));
        Assert.Equal((6.0, 6.0), (second.Expected!.Value.Wait, second.Expected.Value.Draw));
        _time.Advance(TimeSpan.FromSeconds(2));
        var (ahead, eta) = _queue.Outlook(second)!.Value;
        Assert.Equal((0, 10.0), (ahead, eta!.Value.Expected));
        Assert.True(eta.Value.Low < 10 && eta.Value.High > 10);
        _time.Advance(TimeSpan.FromSeconds(4));
        _queue.Finished(first, _worker, seconds: 6);
        Assert.Null(_queue.Outlook(second));
    }

    [Fact]
    public void Hits_wait_for_small_workers_and_not_for_the_misses_before_them()
    {
        Time(_queue, seconds: 10);
        var small = TestMixture.Small();
        _queue.Join(small);
        var hit = _queue.Enqueue(TestMixture.Hit(_queue.Now, work: 0.5)).Tickets![0];
        _queue.Finished(hit, small, seconds: 1); // 2 s for all steps.
        Arrive(_queue);
        Arrive(_queue);
        _queue.Enqueue(TestMixture.Hit(_queue.Now, work: 0.5));

        var waiting = _queue.Enqueue(TestMixture.Hit(_queue.Now, work: 0.5)).Tickets![0];

        Assert.Equal((1.0, 1.0), (waiting.Expected!.Value.Wait, waiting.Expected.Value.Draw));
    }

    [Fact]
    public void Several_images_of_one_request_are_let_in_only_if_the_last_one_is_in_time()
    {
        Time(_queue, seconds: 10);

        Assert.NotNull(_queue.Enqueue(TestMixture.Miss(_queue.Now, images: 3)).Refusal);
        Assert.Null(_queue.Enqueue(TestMixture.Miss(_queue.Now, images: 2)).Refusal);
        Assert.Null(_queue.Enqueue(TestMixture.Miss(_queue.Now, images: 2, work: 0.1)).Refusal); // Short ones are.
    }

    [Fact]
    public void Without_a_worker_nothing_is_known_and_requests_wait_for_one()
    {
        Time(_queue, seconds: 10);
        _queue.Leave(_worker.Id);

        var (tickets, refusal) = Arrive(_queue);

        Assert.Null(refusal);
        Assert.Null(tickets![0].Expected);
        Assert.Equal(TimeSpan.FromSeconds(30), tickets[0].Deadline);
    }

    [Fact]
    public void Waits_that_were_longer_than_expected_make_it_more_careful()
    {
        var forecast = new WaitForecast(() => new SloSpec { Latency = TimeSpan.FromSeconds(30) });
        LatencyEstimate Told() => forecast.Expect(new QueueView(1, 0, 0, 0, 1, 0, 10, 0, false, NextFree: 7), CacheRoute.Miss, 1)!.Value;
        Assert.Equal((17, 10), (Told().Wait, Told().Draw));
        Assert.True(forecast.Admit(0, Told()).Admit);
        Assert.False(forecast.Admit(gone: 2, Told()).Admit); // Since when its client has waited.

        for (var i = 0; i < 10; i++)
            forecast.Learn(Told(), seconds: 40);

        Assert.False(forecast.Admit(0, Told()).Admit);
        Assert.True(Told().High > 30);
    }

    [Fact]
    public async Task A_worker_that_is_to_go_finishes_first_and_gets_nothing_more()
    {
        // Complaints 6 and 7.
        _queue.Join(_worker);
        var drawn = Enqueue();
        var waiting = Enqueue();

        var drained = _queue.DrainAsync(_worker);
        Assert.False(drained.IsCompleted);
        _queue.Finished(drawn, _worker, seconds: 1);

        await drained.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, _queue.Outlook(waiting)!.Value.Ahead);
        Assert.True(_queue.DrainAsync(TestMixture.Large("idle")).IsCompleted);
    }

    [Fact]
    public void A_step_of_the_ladder_is_in_force_at_once_and_can_be_taken_back()
    {
        _queue.Join(TestMixture.Small());
        var ticket = Enqueue();
        Assert.NotNull(_queue.Outlook(ticket));

        _queue.Follow(DegradeStep.SmallForMisses, missWorkers: 0);
        Assert.Null(_queue.Outlook(ticket));

        _queue.Follow(DegradeStep.HigherSkip, missWorkers: 0);
        _queue.Join(TestMixture.Small("other"));
        Assert.NotNull(_queue.Outlook(Enqueue()));
    }

    private RequestQueue NewQueue(double sloSeconds)
    {
        var spec = TestMixture.Spec(sloSeconds);
        return new RequestQueue(limit: 4, () => spec.Slo, new LoadMeter(spec, _time), _time);
    }

    /// <summary>A large worker joins, and draws an image in so many seconds.</summary>
    private void Time(RequestQueue queue, double seconds)
    {
        queue.Join(_worker);
        queue.Finished(Arrive(queue).Tickets![0], _worker, seconds);
    }

    private static (IReadOnlyList<Ticket>? Tickets, Refusal? Refusal) Arrive(RequestQueue queue) =>
        queue.Enqueue(TestMixture.Miss(queue.Now));

    private Ticket Enqueue() => Arrive(_queue).Tickets![0];
}
