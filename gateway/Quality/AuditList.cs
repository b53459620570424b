using MoDM.Gateway.Images;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Quality;

/// <param name="Plan">Of the request, without the picture that it started from.</param>
/// <param name="Index">Which of its images.</param>
/// <param name="Served">PNG bytes.</param>
internal sealed record AuditCandidate(ImagePlan Plan, int Index, byte[] Served);

/// <summary>A sample of the newest hits, kept until a large worker has the time to draw them too.</summary>
/// <param name="chance">Which hits.</param>
internal sealed class AuditList(Random chance)
{
    public const int Most = 8;

    private readonly LinkedList<AuditCandidate> _waiting = new();
    private TaskCompletionSource _any = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Offer(ImagePlan plan, int index, byte[] png)
    {
        var cache = plan.Mixture.Spec.Cache;
        // What is skipped beyond the document under load is given up knowingly, and higher thresholds would add to the load.
        if (plan.Decision.Route != CacheRoute.Hit || !QualityFloor.IsOn(cache) || plan.Degrade >= DegradeStep.HigherSkip) return;
        lock (_waiting)
        {
            if (chance.NextDouble() >= cache.Quality.Sample) return;
            _waiting.AddLast(new AuditCandidate(plan with { Source = null }, index, png));
            if (_waiting.Count > Most) _waiting.RemoveFirst();
            _any.TrySetResult();
        }
    }

    /// <summary>Until there is something to take, which may then be gone.</summary>
    public Task AnyAsync(CancellationToken cancel)
    {
        lock (_waiting) return _any.Task.WaitAsync(cancel);
    }

    /// <summary>The oldest.</summary>
    public AuditCandidate? Take()
    {
        lock (_waiting)
        {
            var oldest = _waiting.First?.Value;
            if (oldest is not null) _waiting.RemoveFirst();
            if (_waiting.Count == 0) Rest();
            return oldest;
        }
    }

    /// <summary>It was not drawn to its end.</summary>
    public void PutBack(AuditCandidate candidate)
    {
        lock (_waiting)
        {
            if (_waiting.Count == Most) return;
            _waiting.AddFirst(candidate);
            _any.TrySetResult();
        }
    }

    /// <summary>Those were hits by thresholds that are no more.</summary>
    public void Clear()
    {
        lock (_waiting)
        {
            _waiting.Clear();
            Rest();
        }
    }

    private void Rest()
    {
        if (_any.Task.IsCompleted) _any = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
