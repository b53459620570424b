using System.Diagnostics;
using MoDM.Bench.Scoring;
using MoDM.Bench.Traces;
using MoDM.Gateway.Cache;
using MoDM.Mixture;

namespace MoDM.Bench.Cache;

/// <summary>What a trace came to with one setting of a cache.</summary>
/// <param name="Guarded">Requests that would have been hits without the guards.</param>
/// <param name="WrongSubject">Hits whose source shows another subject or colour than the prompt names; null where scenes are not known.</param>
/// <param name="WrongAny">Hits whose source differs in anything that the prompt names.</param>
internal sealed record CacheFigures(
    string Store, int Capacity, CacheEviction Eviction, bool Guards, int Requests, int Hits, int Guarded, int? WrongSubject, int? WrongAny,
    double LookUpP50Ms, double LookUpP99Ms, double InsertP50Ms, double InsertP99Ms)
{
    public Interval HitRate => Wilson.Interval(Hits, Requests);
    public Interval? WrongSubjectRate => WrongSubject is { } wrong ? Wilson.Interval(wrong, Hits) : null;
    public Interval? WrongAnyRate => WrongAny is { } wrong ? Wilson.Interval(wrong, Hits) : null;
}

/// <summary>Requests one after the other through the production cache, policy and guards, without drawing.</summary>
internal static class CacheReplay
{
    /// <summary>As the gateway compares word by word.</summary>
    private const int Candidates = 8;

    private static readonly SceneAttribute[] Decisive = [SceneAttribute.Subject, SceneAttribute.Color];

    public static async Task<CacheFigures> RunAsync(CacheWorld world, IImageCache cache, CacheSpec spec, int steps, CancellationToken stop)
    {
        var (lookUps, inserts) = (new List<double>(), new List<double>());
        var (hits, guarded, wrongSubject, wrongAny) = (0, 0, 0, 0);
        for (var i = 0; i < world.Trace.Count; i++)
        {
            var asked = world.Trace[i];
            var started = Stopwatch.GetTimestamp();
            var found = await cache.FindAsync("bench", world.Texts[i], Candidates, stop);
            lookUps.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);

            var (chosen, guard) = HitPolicy.Choose(asked.Prompt, [.. found.Select(f => (f.Similarity, f.Entry.Prompt))], spec.Hits[0].Similarity, spec.Guards);
            CacheMatch? match = chosen < 0 ? null : found[chosen];
            var hit = HitPolicy.Decide(new HitQuestion(CacheMode.Auto, steps, false, match?.Similarity, guard), spec.Hits).Route == CacheRoute.Hit;
            if (guard is not null) guarded++;
            if (hit)
            {
                hits++;
                cache.Used(match!.Value.Entry.Id);
                // The source is known by its seed, which is its place in the trace.
                var source = world.Trace[(int)match.Value.Entry.Seed];
                if (Differs(asked, source, Decisive)) wrongSubject++;
                if (Differs(asked, source, Scene.Attributes)) wrongAny++;
            }
            started = Stopwatch.GetTimestamp();
            await cache.InsertAsync([Entry(i, world, hit ? match : null)], stop);
            inserts.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        var known = world.Trace.All(t => t.Scene is not null);
        return new CacheFigures(
            cache.State.Store, spec.Capacity, spec.Eviction, spec.Guards.Count > 0, world.Trace.Count, hits, guarded,
            known ? wrongSubject : null, known ? wrongAny : null,
            Percentiles.Of(lookUps, 50), Percentiles.Of(lookUps, 99), Percentiles.Of(inserts, 50), Percentiles.Of(inserts, 99));
    }

    private static bool Differs(TraceEntry asked, TraceEntry source, IReadOnlyList<SceneAttribute> attributes) =>
        asked is { Scene: { } wanted, Named: { } named } && source.Scene is { } shown && attributes.Any(a => named.Contains(a) && wanted[a] != shown[a]);

    /// <summary>The picture's bytes do not matter here, but for being its own.</summary>
    private static (CacheEntry, byte[]) Entry(int i, CacheWorld world, CacheMatch? source)
    {
        var bytes = BitConverter.GetBytes(world.Trace[i].Seed);
        return (new CacheEntry
        {
            Id = ImageId.Of("", bytes),
            Bucket = "bench",
            Prompt = world.Trace[i].Prompt,
            Model = "bench",
            Seed = i,
            Steps = 50,
            SkippedSteps = 0,
            Lineage = source is { } from ? [from.Entry.Id, .. from.Entry.Lineage] : [],
            // Of a chain of refinements the first ones are sources, as CacheAdmission has it by default.
            IsSource = source is not { Entry.Lineage.Count: > 0 },
            Created = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(),
            Bytes = bytes.Length,
            Vector = world.Pictures[i],
        }, bytes);
    }
}
