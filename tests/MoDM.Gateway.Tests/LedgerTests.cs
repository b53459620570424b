using Microsoft.Extensions.Time.Testing;
using MoDM.Api;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Images;
using MoDM.Gateway.Quality;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests;

/// <summary>What hits are said to have saved.</summary>
public sealed class LedgerTests
{
    private readonly MixtureSpec _spec;
    private readonly LoadMeter _meter;
    private readonly Ledger _ledger;

    public LedgerTests()
    {
        var spec = TestMixture.Spec();
        _spec = spec with { Large = spec.Large with { GpusPerReplica = 2 } };
        _meter = new LoadMeter(_spec, new FakeTimeProvider());
        _ledger = new Ledger(_meter);
    }

    [Fact]
    public void Seconds_are_counted_only_once_the_large_model_has_been_timed()
    {
        Hit("ledger-a", skipped: 30);
        Assert.Equal(new Savings(1, 30, null), Of("ledger-a"));

        _meter.Drew(0, seconds: 10, work: 1);
        Hit("ledger-a", skipped: 20);

        // 10 s on 2 GPUs less 2 s on 1.
        Assert.Equal(new Savings(2, 50, 18), Of("ledger-a"));
    }

    [Fact]
    public void A_request_of_fewer_steps_would_have_taken_the_large_model_less()
    {
        _meter.Drew(0, seconds: 10, work: 1);

        Hit("ledger-b", skipped: 10, steps: 25);

        Assert.Equal(8, Of("ledger-b").GpuSeconds);
    }

    [Fact]
    public void A_hit_that_took_longer_is_a_loss_and_told_as_one()
    {
        _meter.Drew(0, seconds: 0.5, work: 1);

        Hit("ledger-c", skipped: 10);

        Assert.Equal(-1, Of("ledger-c").GpuSeconds);
        Assert.Equal((0, 1), (GatewayMetrics.SavedGpuSeconds.WithLabels("ledger-c").Value, GatewayMetrics.LostGpuSeconds.WithLabels("ledger-c").Value));
    }

    [Fact]
    public void A_tenant_sees_its_own_savings_and_an_admin_all()
    {
        _meter.Drew(0, seconds: 10, work: 1);
        Hit("ledger-d", skipped: 30);
        Hit("ledger-e", skipped: 20);
        Hit("ledger-e", skipped: 10);

        Assert.Equal((1L, 30L), (Of("ledger-d").Hits, Of("ledger-d").Steps));
        Assert.Equal((2L, 30L), (Of("ledger-e").Hits, Of("ledger-e").Steps));
        Assert.Equal(new Savings(0, 0, null), Of("ledger-f"));
        Assert.Equal((3L, 60L), (_ledger.Of(Caller.Anyone).Hits, _ledger.Of(Caller.Anyone).Steps));
        Assert.Equal(30, GatewayMetrics.SavedSteps.WithLabels("ledger-e").Value);
    }

    private Savings Of(string tenant) => _ledger.Of(new Caller(tenant, "key", IsAdmin: false, 1));

    private void Hit(string tenant, int skipped, int steps = 50) => _ledger.Count(
        new ImagePlan
        {
            Mixture = new ModelMixture("mixture", _spec),
            Caller = new Caller(tenant, "key", IsAdmin: false, 1),
            Request = new ImageRequest(),
            Decision = new HitDecision(CacheRoute.Hit, skipped, ""),
            PromptCut = false,
            Bucket = "",
            Size = "128x128",
            Steps = steps,
            Seed = 1,
            Tickets = [],
            Embedding = TimeSpan.Zero,
            LookUp = TimeSpan.Zero,
        },
        new ImagePart { Seed = 1, Model = "small", Steps = steps, SkippedSteps = skipped, GenerationMs = 2000 });
}
