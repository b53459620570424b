using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Tests;

/// <summary>The planner with the gateway's own measurements, on a clock of the test's.</summary>
public sealed class LivePlanTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly MixtureSpec _spec = TestMixture.Spec(sloSeconds: 10);
    private readonly LoadMeter _meter;
    private readonly RequestQueue _queue;
    private readonly LivePlan _plan;

    public LivePlanTests()
    {
        _meter = new LoadMeter(_spec, _time);
        _queue = new RequestQueue(100, () => _spec.Slo, _meter, _time);
        _plan = new LivePlan(_queue, _meter, _time, NullLogger<LivePlan>.Instance);
        _plan.Next(_spec, [1, 1]);
        _meter.Drew(0, 2, 1);
        _meter.Drew(1, 0.4, 1);
    }

    public void Dispose() => _queue.Dispose();

    [Fact]
    public void Too_many_misses_put_small_workers_to_them_and_quiet_takes_it_back()
    {
        Tick(misses: 10);
        Assert.Equal(DegradeStep.SmallForMisses, _queue.Degrade);
        Assert.Contains("small models draw misses", _plan.Now!.Allocation.Reason, StringComparison.Ordinal);
        var since = _plan.Now.Since;

        Tick(misses: 1);
        Assert.Equal((DegradeStep.SmallForMisses, since), (_queue.Degrade, _plan.Now.Since)); // Not at the first sign of calm.

        for (var i = 0; i < 20; i++)
            Tick(misses: 1);
        Assert.Equal(DegradeStep.None, _queue.Degrade);
    }

    [Fact]
    public void Too_many_hits_skip_more_steps()
    {
        for (var i = 0; i < 3; i++)
            Tick(hits: 18);

        Assert.Equal(DegradeStep.HigherSkip, _queue.Degrade);
    }

    [Fact]
    public void A_load_that_nobody_could_serve_is_served_as_far_as_it_goes_and_the_plan_says_so()
    {
        for (var i = 0; i < 3; i++)
            Tick(misses: 200);

        Assert.Equal((DegradeStep.Refuse, DegradeStep.SmallForMisses), (_plan.Now!.Allocation.Degrade, _plan.Now.Degrade));
    }

    [Theory]
    [InlineData(DegradeStep.Refuse, DegradeStep.HigherSkip, DegradeStep.HigherSkip)]
    [InlineData(DegradeStep.SmallerModel, DegradeStep.HigherSkip, DegradeStep.SmallerModel)]
    [InlineData(DegradeStep.Refuse, DegradeStep.None, DegradeStep.None)]
    public void No_step_goes_beyond_the_documents_limit(DegradeStep planned, DegradeStep limit, DegradeStep inForce) =>
        Assert.Equal(inForce, LivePlan.InForce(planned, TestMixture.Spec(degrade: limit)));

    [Fact]
    public void Without_a_small_model_nothing_is_given_up() =>
        Assert.Equal(DegradeStep.None, LivePlan.InForce(DegradeStep.Refuse, TestMixture.Spec() with { Small = [] }));

    [Fact]
    public void Workers_that_are_all_gone_are_planned_with_too()
    {
        var none = _spec with
        {
            GpuBudget = 0,
            Large = _spec.Large with { MinReplicas = 0, MaxReplicas = 0 },
            Small = [_spec.Small[0] with { MinReplicas = 0, MaxReplicas = 0 }],
        };
        _meter.Arrived(TestMixture.Miss(default));
        _meter.Arrived(TestMixture.Hit(default));
        _time.Advance(TimeSpan.FromSeconds(5));

        var allocation = _plan.Next(none, [0, 0]);

        Assert.Equal([0, 0], allocation.Pools.Select(p => p.Replicas));
        Assert.Equal(DegradeStep.Refuse, allocation.Degrade);
    }

    private void Tick(int misses = 0, int hits = 0)
    {
        if (misses > 0) _meter.Arrived(TestMixture.Miss(default, misses));
        if (hits > 0) _meter.Arrived(TestMixture.Hit(default, hits));
        _time.Advance(CapacityPlanner.Tick(_spec));
        _plan.Next(_spec, [1, 1]);
    }
}
