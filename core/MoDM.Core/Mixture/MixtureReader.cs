using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Planning;

namespace MoDM.Mixture;

/// <summary>Reads a ModelMixture document, whichever way it came (YAML file, API server), and names all its mistakes.</summary>
public static class MixtureReader
{
    private static readonly DegradeStep[] DegradeChoices =
        [DegradeStep.None, DegradeStep.SmallerModel, DegradeStep.HigherSkip, DegradeStep.SmallForMisses];

    /// <summary>RFC 1123 label, as Kubernetes wants names.</summary>
    private static readonly TextRule NameRule = new("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "lower-case letters, digits and inner dashes, at most 63, belong here.", MaxLength: 63);
    internal static readonly TextRule HttpRule = new("^https?://[^ ]+$", "an http or https URL belongs here.");
    internal static readonly TextRule SecretRule = new("^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "the name of a Secret belongs here: lower-case letters, digits, inner dashes and dots.", MaxLength: 253);
    private static readonly TextRule SecretKeyRule = new("^[-._a-zA-Z0-9]+$",
        "an entry of a Secret belongs here: letters, digits, dots, dashes and underscores.", MaxLength: 253);

    /// <summary>What of a pod can be set, by Kubernetes' own names and in its own shape.</summary>
    private static readonly (string Name, JsonValueKind Kind, string About)[] PodFields =
    [
        ("labels", JsonValueKind.Object, "Labels of the pods, beside the operator's own."),
        ("annotations", JsonValueKind.Object, "Annotations of the pods."),
        ("env", JsonValueKind.Array, "Environment variables of the container (EnvVar)."),
        ("envFrom", JsonValueKind.Array, "Sources of environment variables (EnvFromSource)."),
        ("resources", JsonValueKind.Object, "Requests and limits of the container (ResourceRequirements); GPUs are added from gpusPerReplica."),
        ("nodeSelector", JsonValueKind.Object, "Labels that a node must have."),
        ("tolerations", JsonValueKind.Array, "Taints that the pods bear (Toleration)."),
        ("affinity", JsonValueKind.Object, "Scheduling preferences (Affinity)."),
        ("topologySpreadConstraints", JsonValueKind.Array, "How the pods spread (TopologySpreadConstraint)."),
        ("imagePullSecrets", JsonValueKind.Array, "Secrets for the image's registry (LocalObjectReference)."),
    ];

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
        root.Text("apiVersion", "", rule: Exactly(ModelMixture.ApiVersion));
        root.Text("kind", "", rule: Exactly(ModelMixture.Kind));
        var metadata = root.Object("metadata");
        var name = metadata.Text("name", "", rule: NameRule);
        metadata.Object("labels", required: false);
        metadata.Object("annotations", required: false);
        var ns = metadata.Text("namespace", "", "");
        metadata.Close();
        var spec = ReadSpec(root.Object("spec"));
        root.Close();

        problems.AddRange(MixtureValidator.Validate(spec));
        return problems.Count == 0 ? (new ModelMixture(name, spec) { Namespace = ns }, []) : (null, problems);
    }

    /// <summary>The structural schema of <c>spec</c>: each field that <see cref="Read"/> reads, as it reads it.</summary>
    public static JsonObject Schema()
    {
        var json = new JsonObject { ["type"] = "object" };
        ReadSpec(new DocumentCursor(null, "spec", [], new DocumentSchema(json)));
        return json;
    }

    private static MixtureSpec ReadSpec(DocumentCursor spec)
    {
        var modality = spec.OneOf("modality", Modality.Image, "What is made: pictures, or endings of stories.");
        var (image, story) = (modality == Modality.Image, modality == Modality.Story);
        var steps = spec.Whole("steps", 1, 1000,
            "T, the denoising steps of requests that do not say their own; of a Story, the tokens.", 50);
        var (large, external) = ReadLarge(spec.Object("large", required: image && !spec.IsSchema,
            about: "The slow, good model: it draws misses. Of a Story an external one, which is asked first."), modality);
        List<WorkerPool> small = [.. spec.List("small", 16, "The fast models, best quality first, which refine hits; of a Story the one that writes what falls back.")
            .Select(s => ReadPool(s, fallbackName: false, leastReplicas: 0))];
        if (story)
        {
            if (small.Count == 0) spec.Report("small", "is empty; a Story mixture needs a model of its own to fall back to.");
            // What falls back is to be written at once.
            large = small.Count == 0 ? large : small[0] with { MinReplicas = Math.Max(1, small[0].MinReplicas) };
            small = [.. small.Skip(1)];
        }
        var cache = spec.Object("cache", required: image && !spec.IsSchema, about: "The cache of final images, and when one is reused.");
        if (story && cache.Value is not null) spec.Report("cache", "is for images; a Story mixture has none.");
        var gateway = spec.Object("gateway", required: false, about: "The gateway, in a cluster.");
        var result = new MixtureSpec
        {
            Modality = modality,
            Steps = steps,
            Large = large,
            External = external,
            Small = small,
            GpuBudget = spec.Whole("gpuBudget", 1, 100_000,
                "GPUs that large and small replicas together never exceed; worker slots on a single machine."),
            Cache = story ? CacheSpec.None : CacheReader.Read(cache),
            Slo = ReadSlo(spec.Object("slo", required: false, about: "The service level that the planner sizes the pools for.")),
            Gateway = ReadPod(gateway.Object("pod", required: false, about: "As for workers.")),
            GatewayReplicas = gateway.Whole("replicas", 1, 100, "Gateways; more than one need cache.store.shared.", 1),
            CallerKeys = ReadSecret(gateway, "keysSecret", "The Secret that holds the callers' hashed keys; without one the gateway is open.", "keys"),
            Prometheus = ReadMetrics(spec.Object("metrics", required: false, about: "Where the operator reads the load, in a cluster.")),
            Illustrator = ReadIllustrator(spec.Object("illustrator", required: false, about: "The image mixture that illustrates a Story's endings.")),
        };
        gateway.Close();
        if (image && result.Illustrator is not null) spec.Report("illustrator", "is for a Story mixture.");
        spec.Close();
        return result;
    }

    /// <summary>Workers of an image mixture's; a story's large model is somebody else's.</summary>
    private static (WorkerPool Pool, ExternalModel? External) ReadLarge(DocumentCursor large, Modality modality)
    {
        var openAI = large.Object("openAI", required: false, about: "A model behind an OpenAI-compatible API: a Story's large model.");
        if (modality == Modality.Image)
        {
            if (openAI.Value is not null) large.Report("openAI", "is for a Story mixture; an Image mixture's large model has workers.");
            if (large.IsSchema) ReadExternal(openAI, name: null);
            return (ReadPool(large, fallbackName: true, leastReplicas: 1, modelRequired: !large.IsSchema), null);
        }
        if (large.Has("model")) large.Report("model", "is for an Image mixture; of a Story the model with workers is in small.");
        var name = large.Has("name") ? large.Text("name", "", "", NameRule) : "";
        // A worker pool's, which a cluster fills with defaults.
        foreach (var field in (string[])["guidanceScale", "gpusPerReplica"]) large.Has(field);
        large.Close();
        if (openAI.Value is null && large.Value is not null) large.Report("openAI", "is missing; a Story's large model is behind an OpenAI-compatible API.");
        return (NoPool, openAI.Value is null ? null : ReadExternal(openAI, name.Length > 0 ? name : null));
    }

    private static ExternalModel ReadExternal(DocumentCursor openAI, string? name)
    {
        var model = openAI.Text("model", "As the API calls it, such as gpt-3.5-turbo.");
        var (file, key) = ReadKey(openAI);
        var result = new ExternalModel
        {
            Name = name ?? model,
            BaseUrl = openAI.Text("baseUrl", "With the version.", "https://api.openai.com/v1", HttpRule),
            Model = model,
            Api = openAI.OneOf("api", ExternalApi.Chat, "Which of OpenAI's APIs the model has."),
            KeyFile = file,
            KeySecret = key,
            TokensPerDay = openAI.Whole("tokensPerDay", 0, int.MaxValue, "Of prompts and texts, each UTC day; 0 is no limit.", 0),
        };
        openAI.Close();
        return result;
    }

    /// <summary>A key, in a file or in a Secret.</summary>
    internal static (string? File, (string Name, string Key)? Secret) ReadKey(DocumentCursor server)
    {
        var secret = ReadSecret(server, "apiKeySecret", "The Secret that holds the API key, in a cluster.", "api-key");
        var file = server.Text("apiKeyFile", "File that holds the API key and nothing else; relative to the document when that is a file.", "");
        return (file.Length == 0 ? null : file, secret);
    }

    private static (string Name, string Key)? ReadSecret(DocumentCursor parent, string field, string about, string fallbackKey)
    {
        var secret = parent.Object(field, required: false, about);
        (string, string)? result = secret.Value is null && !secret.IsSchema ? null
            : (secret.Text("name", "Of the Secret, in the mixture's namespace.", rule: SecretRule),
                secret.Text("key", "Of the entry in it.", fallbackKey, SecretKeyRule));
        secret.Close();
        return result;
    }

    private static string? ReadIllustrator(DocumentCursor illustrator)
    {
        var url = illustrator.Text("url", "Address of its gateway, such as http://postcards.", "", HttpRule);
        illustrator.Close();
        return url.Length == 0 ? null : url;
    }

    /// <summary>Where the document has no pool; <see cref="MixtureReader"/> has said so.</summary>
    private static readonly WorkerPool NoPool = new()
    {
        Name = "",
        ModelPath = "",
        GuidanceScale = 1,
        MinReplicas = 1,
        MaxReplicas = 1,
        GpusPerReplica = 1,
    };

    private static WorkerPool ReadPool(DocumentCursor pool, bool fallbackName, int leastReplicas, bool modelRequired = true)
    {
        var (path, volume) = ReadFolder(pool.Object("model", modelRequired, "Where the model is."),
            "Folder in the diffusers/optimum ONNX layout, or of a Mamba; relative to the document when that is a file.");
        var replicas = pool.Object("replicas", required: false, about: "How many workers there may be.");
        var min = replicas.Whole("min", 0, 10_000, "Workers that there always are.", leastReplicas);
        var result = new WorkerPool
        {
            Name = pool.Text("name", "As responses, metrics and Deployments call it; for large by default the folder's name.",
                fallbackName ? Path.GetFileName(path.TrimEnd('/')) : null, NameRule),
            ModelPath = path,
            Volume = volume,
            GuidanceScale = pool.Number("guidanceScale", 0, 100, "Classifier-free guidance of requests that do not say their own.", 7.5),
            MinReplicas = min,
            MaxReplicas = replicas.Whole("max", 0, 10_000,
                "Workers that there are at most; by default 1, or min if that is more.", Math.Max(1, min), computed: true),
            GpusPerReplica = pool.Whole("gpusPerReplica", 1, 64, "GPUs of each worker.", 1),
            Pod = ReadPod(pool.Object("pod", required: false, about: "The workers' pods, in a cluster.")),
        };
        replicas.Close();
        pool.Close();
        return result;
    }

    internal static (string Path, JsonElement? Volume) ReadFolder(DocumentCursor model, string about)
    {
        var result = (model.Text("path", about),
            model.Raw("volume", JsonValueKind.Object,
                "Any Kubernetes volume source (persistentVolumeClaim, image, nfs, hostPath, ...), mounted read-only at /models; "
                + "without one the folder has to be in the image."));
        model.Close();
        return result;
    }

    private static PodSettings ReadPod(DocumentCursor pod)
    {
        var fields = PodFields.ToDictionary(f => f.Name, f => pod.Raw(f.Name, f.Kind, f.About));
        var result = new PodSettings
        {
            Image = pod.Text("image", "Container image, instead of the operator's default.", ""),
            Args = pod.Texts("args", "Further arguments of the program."),
            RuntimeClassName = pod.Text("runtimeClassName", "RuntimeClass of the pods, such as nvidia.", ""),
            PriorityClassName = pod.Text("priorityClassName", "PriorityClass of the pods.", ""),
            SchedulerName = pod.Text("schedulerName", "Scheduler of the pods.", ""),
            Fields = fields.Where(f => f.Value is not null).ToDictionary(f => f.Key, f => f.Value!.Value),
        };
        pod.Close();
        return result;
    }

    private static string? ReadMetrics(DocumentCursor metrics)
    {
        var url = metrics.Text("prometheus", "Prometheus, or whatever speaks its HTTP API; by default the operator's --prometheus.", "", HttpRule);
        metrics.Close();
        return url.Length == 0 ? null : url;
    }

    private static SloSpec ReadSlo(DocumentCursor slo)
    {
        var latency = slo.Duration("latency", TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1), "30s",
            "From a request's arrival to its image, such as 500ms, 30s, 2m or 1h.");
        var result = new SloSpec
        {
            Latency = latency,
            Percentile = slo.Number("percentile", 50, 99.9, "Of the requests, the share in percent that is to be in time.", 99),
            Objective = slo.OneOf("objective", SloObjective.Quality, "What is made of the GPUs beyond what the SLO needs."),
            Degrade = slo.OneOf("degrade", DegradeStep.SmallForMisses, DegradeChoices,
                "How far quality may be given up before requests are refused.",
                ": the step to stop at before requests are refused, which is always the last one"),
        };
        slo.Close();
        return result;
    }

    private static TextRule Exactly(string text) => new($"^{System.Text.RegularExpressions.Regex.Escape(text)}$", $"{text} belongs here.");
}
