using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using MoDM.Cluster;
using MoDM.Fakes;
using MoDM.Operator.Cluster;

namespace MoDM.Operator.Tests.Cluster;

/// <summary>Time is simulated with the durations of production: 15 s, renewed every 5 s; the requests are real.</summary>
public sealed class LeaseLoopTests : IAsyncLifetime
{
    private const string Lease = "/apis/coordination.k8s.io/v1/namespaces/modm/leases/modm-operator";
    private static readonly Task Never = new TaskCompletionSource().Task;
    private readonly FakeTimeProvider _time = new();
    private readonly List<Replica> _replicas = [];
    private readonly CancellationTokenSource _stopMonitor = new();
    private FakeApiServer _server = null!;
    private Task<string?> _monitor = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await FakeApiServer.StartAsync(_time);
        _monitor = Task.Run(MonitorAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopMonitor.CancelAsync();
        Assert.Null(await _monitor);
        _server.Heal();
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
        _stopMonitor.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("silent")]
    [InlineData("reset")]
    [InlineData("reset after the write", true)]
    [InlineData("409", true)]
    [InlineData("500")]
    public async Task When_the_leader_of_three_is_cut_off_another_leads_within_20_s_and_never_two(string fault, bool answersReads = false)
    {
        var leader = await LeaderOfThree();
        await Advance(12, until: () => false);

        // Its next renewal is under way when it happens.
        _server.Inject(new FakeFault
        {
            Client = leader.Name,
            Verb = answersReads ? "PUT" : null,
            Hold = fault == "silent" ? Never : null,
            ResetBefore = fault == "reset",
            ResetAfter = fault == "reset after the write",
            Status = int.TryParse(fault, out var status) ? status : null,
        });
        var hangs = fault == "silent" ? 1 : 0;
        if (fault == "reset after the write")
        {
            // Its renewals arrive, only it is not told: it must step down, and others must not step in.
            await Advance(40, until: () => false);
            Assert.False(leader.Loop.IsHeld);
            Assert.Equal(leader.Name, Holder());
            _server.Inject(new FakeFault { Client = leader.Name, ResetBefore = true });
            await leader.StopAsync();
        }
        var taken = await Advance(25, until: () => _replicas.Any(r => r != leader && r.Loop.IsHeld), hangs);

        Assert.InRange(taken, 0, 20.5);
        Assert.False(leader.Loop.IsHeld);
        Assert.True(leader.Terms[0].IsCancellationRequested);
        Assert.Equal([true, false], leader.Changes);
    }

    [Fact]
    public async Task A_leader_that_dies_between_sending_and_hearing_of_its_renewal_is_replaced()
    {
        var leader = await LeaderOfThree();
        _server.Inject(new FakeFault { Client = leader.Name, Verb = "PUT", HoldAnswer = Never });
        _server.Inject(new FakeFault { Client = leader.Name, ResetBefore = true });

        await Advance(15, until: () => !leader.Loop.IsHeld, hanging: 1);
        await leader.StopAsync();
        var taken = await Advance(25, until: () => _replicas.Any(r => r.Loop.IsHeld), hanging: 1);

        Assert.InRange(taken, 0, 20.5);
    }

    [Theory]
    [InlineData("reset before")]
    [InlineData("reset after")]
    [InlineData("500")]
    [InlineData("409")]
    public async Task A_few_failures_do_not_end_the_term(string fault)
    {
        var leader = await LeaderOfThree();
        var term = leader.Loop.Term;

        for (var i = 0; i < 3; i++)
        {
            _server.Inject(new FakeFault
            {
                Client = leader.Name,
                Times = 2,
                ResetBefore = fault == "reset before",
                ResetAfter = fault == "reset after",
                Status = int.TryParse(fault, out var status) ? status : null,
            });
            await Advance(12, until: () => false);
        }

        Assert.True(leader.Loop.IsHeld);
        Assert.False(term.IsCancellationRequested);
        Assert.Equal([true], leader.Changes);
        Assert.Equal(0, Transitions());
    }

    [Fact]
    public async Task The_term_ends_by_the_clock_while_the_loop_waits_for_an_answer()
    {
        var leader = Start("a", new LeaseOptions("modm", "modm-operator", "a") { Renew = TimeSpan.FromSeconds(30) });
        await Advance(10, until: () => leader.Loop.IsHeld);
        var term = leader.Loop.Term;

        _time.Advance(TimeSpan.FromSeconds(12.1));

        Assert.False(leader.Loop.IsHeld);
        Assert.True(term.IsCancellationRequested);
        Assert.Equal([true, false], leader.Changes);
    }

    [Fact]
    public async Task A_renewal_that_comes_too_late_begins_another_term()
    {
        var leader = Start("a", new LeaseOptions("modm", "modm-operator", "a") { Renew = TimeSpan.FromSeconds(11) });
        await Advance(10, until: () => leader.Loop.IsHeld);
        var first = leader.Loop.Term;
        var answer = new TaskCompletionSource();
        _server.Inject(new FakeFault { Verb = "PUT", HoldAnswer = answer.Task, Times = 1 });
        var written = Version();
        await Advance(11.5, until: () => Version() != written, hanging: 1);
        await Eventually.Holds(() => Version() != written, "renewed, but not told");
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(first.IsCancellationRequested);

        answer.SetResult();
        await Eventually.Holds(() => leader.Loop.IsHeld, "a second term");

        Assert.NotEqual(first, leader.Loop.Term);
        Assert.Equal([true, false, true], leader.Changes);
        Assert.Equal(1, Transitions());
    }

    [Fact]
    public async Task Stopping_releases_the_lease_and_another_takes_over_at_once()
    {
        var leader = await LeaderOfThree();
        var term = leader.Loop.Term;

        await leader.StopAsync();
        Assert.Equal(("", 1), (Holder(), (int)Spec()["leaseDurationSeconds"]!));
        var taken = await Advance(10, until: () => _replicas.Any(r => r.Loop.IsHeld));

        Assert.True(term.IsCancellationRequested);
        Assert.InRange(taken, 0, 2.5);
        Assert.Equal(1, Transitions());
    }

    [Fact]
    public async Task Stopping_in_the_middle_of_a_renewal_releases_too()
    {
        var leader = await LeaderOfThree();
        _server.Inject(new FakeFault { Client = leader.Name, Verb = "PUT", HoldAnswer = Never, Times = 1 });
        var written = Version();
        await Advance(6, until: () => Version() != written, hanging: 1);
        Assert.NotEqual(written, Version());

        await leader.StopAsync();

        Assert.Equal("", Holder());
    }

    [Fact]
    public async Task A_holder_that_another_has_replaced_steps_down_at_its_next_renewal_and_does_not_write_over_it()
    {
        var leader = await LeaderOfThree();
        _server.Patch(Lease, """{"spec":{"holderIdentity":"a person"}}""");

        await Advance(6, until: () => !leader.Loop.IsHeld);

        Assert.False(leader.Loop.IsHeld);
        Assert.Equal("a person", Holder());
    }

    [Theory]
    [InlineData("2001-01-01T00:00:00.000000Z")]
    [InlineData("2099-01-01T00:00:00.000000Z")]
    public async Task The_clock_of_the_other_does_not_matter(string theirs)
    {
        _server.Put(Lease, $$"""{"spec":{"holderIdentity":"other","leaseDurationSeconds":15,"renewTime":"{{theirs}}","leaseTransitions":4} }""");
        var replica = Start("a");

        await Advance(14.5, until: () => replica.Loop.IsHeld);
        Assert.False(replica.Loop.IsHeld);
        var more = await Advance(10, until: () => replica.Loop.IsHeld);

        Assert.InRange(more, 0, 3);
        Assert.Equal(5, Transitions());
    }

    [Fact]
    public async Task A_lease_that_is_deleted_is_made_again_by_its_holder()
    {
        var leader = await LeaderOfThree();

        _server.Remove(Lease);
        await Advance(10, until: () => false);

        Assert.True(leader.Loop.IsHeld);
        Assert.Equal(leader.Name, Holder());
    }

    [Fact]
    public async Task Who_waits_for_leadership_gets_the_term_and_after_it_the_next()
    {
        var replica = Start("a");
        var cancel = TestContext.Current.CancellationToken;
        var first = replica.Loop.HeldAsync(cancel);
        Assert.True(replica.Loop.Term.IsCancellationRequested || replica.Loop.IsHeld);
        await Advance(10, until: () => first.IsCompleted);
        Assert.True(first.IsCompleted);

        var down = _server.Inject(new FakeFault { ResetBefore = true });
        await Advance(20, until: () => !replica.Loop.IsHeld);
        var second = replica.Loop.HeldAsync(cancel);
        Assert.True((await first).IsCancellationRequested);
        Assert.False(second.IsCompleted);
        down.Times = 0;
        await Advance(10, until: () => second.IsCompleted);
        Assert.True(second.IsCompleted);

        Assert.False((await second).IsCancellationRequested);
    }

    [Fact]
    public async Task Handing_over_again_and_again_there_is_never_more_than_one_holder()
    {
        var leader = await LeaderOfThree();
        for (var round = 0; round < 6; round++)
        {
            var held = new TaskCompletionSource();
            var cut = _server.Inject(new FakeFault
            {
                Client = leader.Name,
                ResetBefore = round % 3 == 0,
                Hold = round % 3 == 1 ? held.Task : null,
                Status = round % 3 == 2 ? 503 : null,
            });
            var old = leader;
            await Advance(25, until: () => _replicas.Any(r => r != old && r.Loop.IsHeld), hanging: round % 3 == 1 ? 1 : 0);
            leader = _replicas.Single(r => r.Loop.IsHeld);
            cut.Times = 0;
            held.SetResult(); // What the old leader had sent arrives now.
            await Advance(3, until: () => false);
        }

        Assert.Equal(6, Transitions());
    }

    private async Task<Replica> LeaderOfThree()
    {
        foreach (var name in (string[])["a", "b", "c"])
            Start(name);
        await Advance(10, until: () => _replicas.Any(r => r.Loop.IsHeld));
        await Advance(2.5, until: () => false); // All have seen it.
        return _replicas.Single(r => r.Loop.IsHeld);
    }

    private Replica Start(string name, LeaseOptions? options = null)
    {
        var replica = new Replica(name, _server.Client(name), options ?? new LeaseOptions("modm", "modm-operator", name), _time);
        lock (_replicas) _replicas.Add(replica);
        return replica;
    }

    /// <summary>
    /// Moves the clock in steps of half a second, and between them lets requests finish, all but those that a fault
    /// holds. Returns the seconds until the condition held, or all of them.
    /// </summary>
    private async Task<double> Advance(double seconds, Func<bool> until, int hanging = 0)
    {
        for (var passed = 0.0; passed < seconds; passed += 0.5)
        {
            await Quiet(hanging);
            if (until()) return passed;
            _time.Advance(TimeSpan.FromSeconds(0.5));
        }
        await Quiet(hanging);
        return seconds;
    }

    private async Task Quiet(int hanging)
    {
        for (var calm = 0; calm < 3;)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
            calm = _server.InFlight <= hanging ? calm + 1 : 0;
        }
    }

    /// <summary>Looks all the time; a message when two held the lease at the same time.</summary>
    private async Task<string?> MonitorAsync()
    {
        while (!_stopMonitor.IsCancellationRequested)
        {
            Replica[] replicas;
            lock (_replicas) replicas = [.. _replicas];
            var holders = replicas.Where(r => r.Loop.IsHeld).ToList();
            // The first was asked before the second, and must still hold to count.
            if (holders.Count > 1 && holders[0].Loop.IsHeld)
                return $"{holders[0].Name} and {holders[1].Name} both hold the lease";
            await Task.Delay(1);
        }
        return null;
    }

    private JsonObject Spec() => (JsonObject)_server.Get(Lease)!["spec"]!;

    private string Holder() => (string)Spec()["holderIdentity"]!;

    private int Transitions() => (int)Spec()["leaseTransitions"]!;

    private string Version() => (string)_server.Get(Lease)!["metadata"]!["resourceVersion"]!;

    private sealed class Replica : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly ApiServer _api;
        private readonly Task _run;
        private readonly List<bool> _changes = [];

        public Replica(string name, ApiServer api, LeaseOptions options, TimeProvider time)
        {
            (Name, _api) = (name, api);
            Loop = new LeaseLoop(api, options, time, NullLogger.Instance);
            Loop.Changed += held =>
            {
                lock (_changes) _changes.Add(held);
                if (held) Terms.Add(Loop.Term);
            };
            _run = Loop.RunAsync(_stop.Token);
        }

        public string Name { get; }
        public LeaseLoop Loop { get; }
        public List<CancellationToken> Terms { get; } = [];

        public IReadOnlyList<bool> Changes
        {
            get { lock (_changes) return [.. _changes]; }
        }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await _run;
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _api.Dispose();
            _stop.Dispose();
        }
    }
}
