using MoDM.Cluster;
using MoDM.Gateway.Callers;
using MoDM.Mixture;

namespace MoDM.Gateway;

/// <summary>What this process is told at start; everything about models and cache is in the document.</summary>
internal sealed record GatewayOptions
{
    /// <summary>As it was at the start; <see cref="CurrentMixture"/> has it as it is.</summary>
    public required ModelMixture Mixture { get; init; }

    /// <summary>Where the mixture comes from in a cluster, and its workers with it; null on a single machine.</summary>
    public ClusterResource? Cluster { get; init; }
    public required string Urls { get; init; }

    /// <summary>The file of callers' keys; null: everybody may ask.</summary>
    public string? Keys { get; init; }
    public IReadOnlyList<KeyLine> KeysAtStart { get; init; } = [];

    public required string CacheFolder { get; init; }

    /// <summary>Threads of each worker process; the machine's cores shared out over its slots by default.</summary>
    public required int WorkerThreads { get; init; }

    /// <summary>Images waiting at most, over both queues.</summary>
    public required int QueueLimit { get; init; }

    /// <summary>Workers that somebody else runs, as model name and address; none: this process starts its own.</summary>
    public required IReadOnlyList<(string Model, Uri Address)> Workers { get; init; }
    public required bool ExitWithStdin { get; init; }

    /// <summary>Holds the external model's key, instead of the document's file.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Holds the key of the shared cache's index, instead of the document's file.</summary>
    public string? QdrantKeyFile { get; init; }

    /// <summary>Of the image mixture that illustrates stories, instead of the document's.</summary>
    public Uri? Illustrator { get; init; }

    /// <summary>The story gateway that this image gateway hands stories on to; null: none, or the one of <see cref="StoriesDocument"/>.</summary>
    public Uri? Stories { get; init; }

    /// <summary>A Story mixture to be served by another process of this program; the demo's.</summary>
    public string? StoriesDocument { get; init; }

    private static readonly HashSet<string> Names =
    [
        "--mixture", "--resource", "--kubeconfig", "--urls", "--keys", "--cache", "--worker", "--worker-threads", "--queue-limit", "--openai-key-file",
        "--illustrator", "--stories", "--qdrant-key-file",
    ];
    private static readonly HashSet<string> Flags = ["--exit-with-stdin"];

    /// <summary>A pod is started again when it gives up; until then its log says why it waits.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <returns>The options, or all mistakes and the exit code.</returns>
    public static async Task<(GatewayOptions? Options, IReadOnlyList<string> Problems, int Code)> ReadAsync(
        string[] args, string demoMixture, int cores)
    {
        var line = new CommandLine(args, Names, Flags);
        var cluster = ReadCluster(line);
        ModelMixture? mixture = null;
        if (line.Text("--resource") is null)
        {
            var file = line.Text("--mixture") ?? demoMixture;
            (mixture, var problems) = MixtureFile.Read(file);
            foreach (var problem in problems)
                line.Report($"{file}: {problem}");
        }
        else if (cluster is not null && line.Problems.Count == 0)
        {
            (mixture, var problems, var code) = await ClusterMixture.ReadAsync(cluster, Patience, TimeProvider.System);
            if (mixture is null) return (null, problems, code);
        }

        var workers = line.Texts("--worker").Select(text => ReadWorker(text, mixture, line)).OfType<(string, Uri)>().ToList();
        var threads = line.Whole("--worker-threads", 1, 256, Math.Max(1, cores / Math.Max(1, mixture?.Spec.GpuBudget ?? 1)));
        var (illustrator, stories) = (Address(line, "--illustrator"), Address(line, "--stories"));
        var keys = ReadKeys(line);
        if (mixture is not null) CheckFit(line, mixture.Spec);
        var isDemo = line.Text("--mixture") is null && line.Text("--resource") is null && stories is null;
        var queueLimit = line.Whole("--queue-limit", 1, 100_000, 256);
        if (line.Problems.Count > 0 || mixture is null) return (null, line.Problems, 2);
        return (new GatewayOptions
        {
            Mixture = mixture,
            Cluster = cluster,
            Urls = line.Text("--urls") ?? Environment.GetEnvironmentVariable("ASPNETCORE_URLS") ?? "http://localhost:8080",
            Keys = line.Text("--keys"),
            KeysAtStart = keys,
            CacheFolder = CacheFolderOf(mixture, line.Text("--cache")),
            WorkerThreads = threads,
            QueueLimit = queueLimit,
            Workers = workers,
            ExitWithStdin = line.Flag("--exit-with-stdin"),
            KeyFile = line.Text("--openai-key-file"),
            QdrantKeyFile = line.Text("--qdrant-key-file"),
            Illustrator = illustrator,
            Stories = stories,
            StoriesDocument = isDemo ? Path.Combine(Path.GetDirectoryName(demoMixture)!, "stories.yaml") : null,
        }, [], 0);
    }

    /// <param name="given">Null: the mixture's own, where the process was started.</param>
    public static string CacheFolderOf(ModelMixture mixture, string? given) => Path.GetFullPath(given ?? Path.Combine(".modm", mixture.Name));

    private static void CheckFit(CommandLine line, MixtureSpec spec)
    {
        var image = spec.Modality == Modality.Image;
        string[] others = image ? ["--openai-key-file", "--illustrator"] : ["--stories", "--qdrant-key-file"];
        foreach (var name in others.Where(n => line.Text(n) is not null))
            line.Report($"{name} is for {(image ? "a Story" : "an Image")} mixture; leave it out.");
        if (spec.CallerKeys is not null && line.Text("--resource") is null && line.Text("--keys") is null)
            line.Report("spec.gateway.keysSecret is for a cluster, and without it the gateway would be open; name the file of keys with --keys FILE.");
        if (image && spec.Cache.Shared is null && line.Text("--qdrant-key-file") is not null)
            line.Report("--qdrant-key-file is for a mixture with cache.store.shared; leave it out.");
    }

    private static IReadOnlyList<KeyLine> ReadKeys(CommandLine line)
    {
        if (line.Text("--keys") is not { } file) return [];
        var (keys, problems) = KeysFile.Read(file);
        foreach (var problem in problems)
            line.Report($"--keys {file}: {problem}");
        return keys ?? [];
    }

    private static Uri? Address(CommandLine line, string name)
    {
        if (line.Text(name) is not { } text) return null;
        if (Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https") return uri;
        line.Report($"{name} is {text}; http://HOST:PORT belongs there.");
        return null;
    }

    private static ClusterResource? ReadCluster(CommandLine line)
    {
        var (name, kubeconfig) = (line.Text("--resource"), line.Text("--kubeconfig"));
        if (name is null)
        {
            if (kubeconfig is not null) line.Report("--kubeconfig goes with --resource NAME; give both, or --mixture FILE.");
            return null;
        }
        if (line.Text("--mixture") is not null)
            line.Report("--resource and --mixture both say what to serve; give one of them.");
        if (line.Texts("--worker").Count > 0)
            line.Report("--worker goes with --mixture; with --resource the workers are the mixture's pods.");
        try
        {
            return new ClusterResource(ApiServer.Connect(kubeconfig), name);
        }
        // Whatever such a file holds, and wherever it points.
        catch (Exception e)
        {
            line.Report($"--kubeconfig is {kubeconfig ?? "not given"}, and no API server can be found: {e.Message}");
            return null;
        }
    }

    private static (string, Uri)? ReadWorker(string text, ModelMixture? mixture, CommandLine line)
    {
        var parts = text.Split('=', 2);
        if (parts.Length != 2 || !Uri.TryCreate(parts[1], UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
        {
            line.Report($"--worker is {text}; MODEL=http://HOST:PORT belongs there.");
            return null;
        }
        if (mixture is not null && !mixture.Spec.Pools.Any(p => p.Name == parts[0]))
        {
            line.Report($"--worker names {parts[0]}, but the mixture has {string.Join(", ", mixture.Spec.Pools.Select(p => p.Name))}.");
            return null;
        }
        return (parts[0], uri);
    }
}
