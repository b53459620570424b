using MoDM.Mixture;

namespace MoDM.Gateway.Importing;

/// <summary>What to import, and into the cache of which mixture.</summary>
/// <param name="Source">A folder, or a file of lines.</param>
/// <param name="Tenant">Whose the pictures are; empty: of the callers of a gateway without keys.</param>
/// <param name="Model">That drew them, where a line does not say.</param>
internal sealed record ImportOptions(string Source, ModelMixture Mixture, string CacheFolder, string Tenant, string Model)
{
    /// <summary>Holds the shared store's key, instead of the document's file.</summary>
    public string? QdrantKeyFile { get; init; }

    /// <summary>The gateway that would have the cache.</summary>
    public GatewayOptions Gateway => new()
    {
        Mixture = Mixture,
        CacheFolder = CacheFolder,
        QdrantKeyFile = QdrantKeyFile,
        Urls = "",
        WorkerThreads = 1,
        QueueLimit = 1,
        Workers = [],
        ExitWithStdin = false,
    };

    public const string Usage = "import DIR|FILE.jsonl [--mixture FILE] [--cache FOLDER] [--tenant NAME] [--model NAME] [--qdrant-key-file FILE]";

    private static readonly HashSet<string> Names = ["--mixture", "--cache", "--tenant", "--model", "--qdrant-key-file"];

    /// <returns>The options, or all mistakes.</returns>
    public static (ImportOptions? Options, IReadOnlyList<string> Problems) Read(string[] args, string demoMixture)
    {
        var source = args is [var first, ..] && !first.StartsWith("--", StringComparison.Ordinal) ? first : null;
        var line = new CommandLine(source is null ? args : args[1..], Names, new HashSet<string>());
        if (source is null)
            line.Report($"It is not said what to import; usage: {Usage}");
        else if (!Directory.Exists(source) && !File.Exists(source))
            line.Report($"{source} is neither a folder nor a file.");
        var document = line.Text("--mixture") ?? demoMixture;
        var (mixture, problems) = MixtureFile.Read(document, modelsAreHere: false);
        foreach (var problem in problems)
            line.Report($"{document}: {problem}");
        if (mixture is { Spec.Modality: not Modality.Image })
            line.Report($"{document}: is not an Image mixture; only those have a cache of pictures.");
        if (mixture is { Spec: { Modality: Modality.Image, Cache.Shared: null } } && line.Text("--qdrant-key-file") is not null)
            line.Report("--qdrant-key-file is for a mixture with cache.store.shared; leave it out.");
        var (cache, tenant, model) = (line.Text("--cache"), line.Text("--tenant") ?? "", line.Text("--model") ?? "imported");
        if (line.Problems.Count > 0 || mixture is null || source is null) return (null, line.Problems);
        return (new ImportOptions(
            Path.GetFullPath(source), mixture, GatewayOptions.CacheFolderOf(mixture, cache), tenant, model)
        {
            QdrantKeyFile = line.Text("--qdrant-key-file"),
        }, []);
    }
}
