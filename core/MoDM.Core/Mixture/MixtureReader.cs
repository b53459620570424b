using System.Text.Json;
using MoDM.Planning;

namespace MoDM.Mixture;

/// <summary>Reads a ModelMixture document, whichever way it came (YAML file, API server), and names all its mistakes.</summary>
public static class MixtureReader
{
    private static readonly DegradeStep[] DegradeChoices =
        [DegradeStep.None, DegradeStep.SmallerModel, DegradeStep.HigherSkip, DegradeStep.SmallForMisses];

    /// <returns>The mixture, or null with every mistake found.</returns>
    public static (ModelMixture? Mixture, IReadOnlyList<MixtureProblem> Problems) Read(JsonElement document)
    {
        var problems = new List<MixtureProblem>();
        if (document.ValueKind != JsonValueKind.Object)
        {
            return (null, [new MixtureProblem(
                "document", "is not a mapping; a ModelMixture with apiVersion, kind, metadata and spec belongs here.")]);
        }

        var root = new DocumentCursor(document, "", problems);
        root.Text("apiVersion", wrong: v => v == ModelMixture.ApiVersion ? null : $"{ModelMixture.ApiVersion} belongs here.");
        root.Text("kind", wrong: k => k == ModelMixture.Kind ? null : $"{ModelMixture.Kind} belongs here.");
        var metadata = root.Object("metadata");
        var name = metadata.Text("name", wrong: NotAName);
        metadata.Object("labels", required: false);
        metadata.Object("annotations", required: false);
        metadata.Text("namespace", "");
        metadata.Close();
        var spec = ReadSpec(root.Object("spec"));
        root.Close();

        problems.AddRange(MixtureValidator.Validate(spec));
        return problems.Count == 0 ? (new ModelMixture(name, spec), []) : (null, problems);
    }

    private static MixtureSpec ReadSpec(DocumentCursor spec)
    {
        spec.Text("modality", "Image", m => m == "Image" ? null : "this version serves Image.");
        var result = new MixtureSpec
        {
            Steps = spec.Whole("steps", 1, 1000, 50),
            Large = ReadPool(spec.Object("large"), fallbackName: true, leastReplicas: 1),
            Small = [.. spec.List("small").Select(s => ReadPool(s, fallbackName: false, leastReplicas: 0))],
            GpuBudget = spec.Whole("gpuBudget", 1, 100_000),
            Cache = ReadCache(spec.Object("cache")),
            Slo = ReadSlo(spec.Object("slo", required: false)),
        };
        spec.Close();
        return result;
    }

    private static WorkerPool ReadPool(DocumentCursor pool, bool fallbackName, int leastReplicas)
    {
        var model = pool.Object("model");
        var path = model.Text("path");
        model.Close();
        var replicas = pool.Object("replicas", required: false);
        var min = replicas.Whole("min", 0, 10_000, leastReplicas);
        var result = new WorkerPool
        {
            Name = pool.Text("name", fallbackName ? Path.GetFileName(path.TrimEnd('/')) : null, NotAName),
            ModelPath = path,
            GuidanceScale = pool.Number("guidanceScale", 0, 100, 7.5),
            MinReplicas = min,
            MaxReplicas = replicas.Whole("max", 0, 10_000, Math.Max(1, min)),
            GpusPerReplica = pool.Whole("gpusPerReplica", 1, 64, 1),
        };
        replicas.Close();
        pool.Close();
        return result;
    }

    private static CacheSpec ReadCache(DocumentCursor cache)
    {
        var embedder = cache.Object("embedder");
        var store = cache.Object("store", required: false);
        store.Object("embedded", required: false).Close();
        store.Close();
        var result = new CacheSpec
        {
            Capacity = cache.Whole("capacity", 1, 10_000_000, 100_000),
            Admit = cache.OneOf("admit", CacheAdmit.All),
            EmbedderPath = embedder.Text("path"),
            Hits = [.. cache.List("hits").Select(ReadThreshold)],
        };
        embedder.Close();
        cache.Close();
        return result;
    }

    private static HitThreshold ReadThreshold(DocumentCursor hit)
    {
        var result = new HitThreshold(hit.Number("similarity", -1, 1), hit.Number("skip", 0.001, 0.999));
        hit.Close();
        return result;
    }

    private static SloSpec ReadSlo(DocumentCursor slo)
    {
        var latency = slo.Duration("latency", TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1), TimeSpan.FromSeconds(30));
        var result = new SloSpec
        {
            Latency = latency,
            Percentile = slo.Number("percentile", 50, 99.9, 99),
            Objective = slo.OneOf("objective", SloObjective.Quality),
            Degrade = slo.OneOf("degrade", DegradeStep.SmallForMisses, DegradeChoices,
                ": the step to stop at before requests are refused, which is always the last one"),
        };
        slo.Close();
        return result;
    }

    /// <summary>RFC 1123 label, as Kubernetes wants names.</summary>
    private static string? NotAName(string name)
    {
        var good = name.Length is > 0 and <= 63 && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
            && name[0] != '-' && name[^1] != '-';
        return good ? null : "lower-case letters, digits and inner dashes, at most 63, belong here.";
    }
}
