using System.Globalization;

namespace MoDM.Mixture;

/// <summary>The rules that tie one field of a document to another.</summary>
public static class MixtureValidator
{
    public static IEnumerable<MixtureProblem> Validate(MixtureSpec spec)
    {
        var pools = spec.PlacedPools.Where(p => spec.Modality == Modality.Image || p.Pool.Name.Length > 0).ToList();
        foreach (var (pool, path) in pools)
        {
            if (pool.MaxReplicas < pool.MinReplicas)
                yield return new($"{path}.replicas.max", $"is {pool.MaxReplicas}, below min ({pool.MinReplicas}); raise max or lower min.");
        }
        foreach (var twice in pools.Where(p => p.Pool.Name.Length > 0).GroupBy(p => p.Pool.Name).Where(g => g.Count() > 1))
        {
            yield return new($"{twice.Last().Path}.name",
                $"\"{twice.Key}\" is taken by {twice.First().Path}; every model needs a name of its own.");
        }

        // A text that names its model is written by it: the workers of a Story are all of one kind.
        if (spec is { Modality: Modality.Story, Small.Count: > 0 })
            yield return new("spec.small", $"has {pools.Count} models; a Story mixture has exactly one, so give each model a mixture of its own.");
        if (spec.External is { } external && pools.Exists(p => p.Pool.Name == external.Name))
            yield return new("spec.large.name", $"\"{external.Name}\" is taken by a small model; every model needs a name of its own.");

        var least = pools.Sum(p => p.Pool.MinReplicas * p.Pool.GpusPerReplica);
        if (least > spec.GpuBudget)
            yield return new("spec.gpuBudget", $"is {spec.GpuBudget}, but the pools' min replicas need {least}; raise it or lower them.");
        if (spec.Large.MaxReplicas == 0)
            yield return new($"{spec.PlacedPools.First().Path}.replicas.max", spec.Modality == Modality.Image
                ? "is 0; misses need at least one large worker." : "is 0; what falls back needs at least one worker.");

        if (spec is { GatewayReplicas: > 1, Modality: Modality.Image, Cache.Shared: null })
        {
            yield return new("spec.gateway.replicas",
                $"is {spec.GatewayReplicas}, but an embedded cache belongs to one gateway; give cache.store.shared, or leave it at 1.");
        }
        if (spec is { GatewayReplicas: > 1, Modality: Modality.Story, External.TokensPerDay: > 0 })
        {
            yield return new("spec.gateway.replicas",
                $"is {spec.GatewayReplicas}, but each gateway counts large.openAI.tokensPerDay for itself; leave it at 1, or set no tokensPerDay.");
        }

        if (spec.Modality == Modality.Image && spec.Cache.Hits.Count == 0 && spec.Small.Count > 0)
        {
            yield return new("spec.cache.hits",
                "is empty, so no request would ever reach a small model; list at least one {similarity, skip}.");
        }
        for (var i = 1; i < spec.Cache.Hits.Count; i++)
        {
            var (before, here) = (spec.Cache.Hits[i - 1], spec.Cache.Hits[i]);
            if (here.Similarity <= before.Similarity || here.Skip <= before.Skip)
            {
                yield return new($"spec.cache.hits[{i}]", string.Create(CultureInfo.InvariantCulture,
                    $"(similarity {here.Similarity}, skip {here.Skip}) must lie above the one before ")
                    + string.Create(CultureInfo.InvariantCulture, $"({before.Similarity}, {before.Skip}) in both."));
            }
        }
    }
}
