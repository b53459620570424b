using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

/// <summary>The mixtures, workloads and systems of arXiv 2503.11972 (section 7), as far as they are published.</summary>
internal static class PaperWorld
{
    public const int Steps = 50;

    /// <summary>CLIP ViT-L/14, T = 50: k = 5, 10, 15, 25, 30 (section 4).</summary>
    public static readonly IReadOnlyList<HitThreshold> Hits =
        [new(0.25, 0.1), new(0.27, 0.2), new(0.28, 0.3), new(0.29, 0.5), new(0.30, 0.6)];

    /// <summary>A mixture on N GPUs of one kind.</summary>
    /// <param name="slo">Multiple of the large model's own time; 0: none, and no request is ever late.</param>
    public static MixtureSpec Mixture(
        GpuProfile gpu, int gpus, double slo, SloObjective objective, DegradeStep degrade, params string[] models) => new()
        {
            Steps = Steps,
            Large = Pool(models[0], 1, gpus),
            Small = [.. models.Skip(1).Select(m => Pool(m, 0, gpus))],
            GpuBudget = gpus,
            Cache = new CacheSpec { Capacity = 100_000, Admit = CacheAdmit.All, EmbedderPath = "", Hits = Hits },
            Slo = new SloSpec
            {
                Latency = TimeSpan.FromSeconds(slo > 0 ? slo * gpu[models[0]].Seconds : 3600),
                Objective = objective,
                Degrade = degrade,
            },
        };

    /// <summary>Hit or miss by the production policy, on the paper's table.</summary>
    public static readonly Func<SimRequest, SimJob> ByPolicy = Policy(Steps, Hits);

    public static Func<SimRequest, SimJob> Policy(int steps, IReadOnlyList<HitThreshold> hits) => request =>
    {
        var question = new HitQuestion(CacheMode.Auto, steps, false, request.Similarity);
        var plain = HitPolicy.Decide(question, hits);
        if (plain.Route == CacheRoute.Miss) return new SimJob(CacheRoute.Miss, 1, 1);
        double Left(HitDecision decision) => 1 - (double)decision.SkipSteps / steps;
        return new SimJob(CacheRoute.Hit, Left(plain), Left(HitPolicy.Decide(question, hits, raised: true)));
    };

    public static SimJob Miss(SimRequest request) => new(CacheRoute.Miss, 1, 1);

    /// <summary>The cached image itself, when it is close enough.</summary>
    public static Func<SimRequest, SimJob> Retrieval(double threshold) =>
        r => r.Similarity >= threshold ? new SimJob(CacheRoute.Hit, 0, 0) : new SimJob(CacheRoute.Miss, 1, 1);

    /// <summary>NIRVANA: a hit goes on from a cached latent of the large model, on the large model.</summary>
    public static SimJob Nirvana(SimRequest request) => new(CacheRoute.Miss, Math.Max(0.5, ByPolicy(request).Work), 1);

    /// <summary>The large model with a cache inside it that makes every image cheaper by a factor.</summary>
    public static Func<SimRequest, SimJob> StepSkipping(double factor) => _ => new SimJob(CacheRoute.Miss, 1 / factor, 1);

    public static IEnumerable<SimRequest> Requests(Arrivals arrivals, IHitModel hits, int seed)
    {
        var luck = new Random(seed + 1);
        using var similarities = hits.Draw(new Random(seed + 2)).GetEnumerator();
        foreach (var at in arrivals.Draw(new Random(seed)))
        {
            similarities.MoveNext();
            yield return new SimRequest(at, similarities.Current, luck.NextDouble());
        }
    }

    private static WorkerPool Pool(string model, int min, int max) => new()
    {
        Name = model,
        ModelPath = model,
        GuidanceScale = 7.5,
        MinReplicas = min,
        MaxReplicas = max,
        GpusPerReplica = 1,
    };
}
