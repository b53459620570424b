using System.Collections.Concurrent;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Images;
using MoDM.Gateway.Scheduling;

namespace MoDM.Gateway.Quality;

/// <summary>
/// What the hits have saved each tenant, beside the large model drawing all their steps. In seconds it counts what was measured:
/// those of the large model's last drawings, times the image's share of steps, less those that the worker had for it, each
/// times the GPUs of the worker. A hit before a first drawing was timed counts no seconds. It may have cost more than it saved.
/// </summary>
internal sealed class Ledger(LoadMeter meter)
{
    private readonly ConcurrentDictionary<string, Savings> _tenants = new();

    public void Count(ImagePlan plan, Api.ImagePart part)
    {
        var spec = plan.Mixture.Spec;
        var gpus = spec.Pools.FirstOrDefault(p => p.Name == part.Model)?.GpusPerReplica ?? 1;
        var saved = meter.DrawSeconds(0) * plan.Steps / spec.Steps * spec.Large.GpusPerReplica - part.GenerationMs / 1000 * gpus;
        Add(plan.Caller.Tenant, new Savings(1, plan.Decision.SkipSteps, saved));
    }

    public void Add(string tenant, Savings saved)
    {
        _tenants.AddOrUpdate(tenant, saved, (_, before) => before + saved);
        GatewayMetrics.SavedSteps.WithLabels(tenant).Inc(saved.Steps);
        if (saved.GpuSeconds is { } seconds)
            (seconds < 0 ? GatewayMetrics.LostGpuSeconds : GatewayMetrics.SavedGpuSeconds).WithLabels(tenant).Inc(Math.Abs(seconds));
    }

    /// <summary>Of the caller's tenant; an admin sees all.</summary>
    public Savings Of(Caller caller) => caller.IsAdmin ? _tenants.Values.Aggregate(new Savings(), (a, b) => a + b)
        : _tenants.GetValueOrDefault(caller.Tenant);
}

/// <param name="GpuSeconds">Null while none could be counted.</param>
internal readonly record struct Savings(long Hits, long Steps, double? GpuSeconds)
{
    public static Savings operator +(Savings a, Savings b) => new(a.Hits + b.Hits, a.Steps + b.Steps,
        a.GpuSeconds is null && b.GpuSeconds is null ? null : (a.GpuSeconds ?? 0) + (b.GpuSeconds ?? 0));
}
