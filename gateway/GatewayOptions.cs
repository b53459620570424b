using k8s.Exceptions;
using MoDM.Cluster;
using MoDM.Gateway.Fleet;
using MoDM.Mixture;

namespace MoDM.Gateway;

/// <summary>What this process is told at start; everything about models and cache is in the document.</summary>
internal sealed record GatewayOptions
{
    public required ModelMixture Mixture { get; init; }
    public required string Urls { get; init; }
    public required string CacheFolder { get; init; }

    /// <summary>Threads of each worker process; the machine's cores shared out over its slots by default.</summary>
    public required int WorkerThreads { get; init; }

    /// <summary>Images waiting at most, over both queues.</summary>
    public required int QueueLimit { get; init; }

    /// <summary>Workers that somebody else runs, as model name and address; none: this process starts its own.</summary>
    public required IReadOnlyList<(string Model, Uri Address)> Workers { get; init; }
    public required bool ExitWithStdin { get; init; }

    /// <summary>Null on a single machine.</summary>
    public ClusterPlace? Cluster { get; init; }

    private static readonly HashSet<string> Names =
        ["--mixture", "--resource", "--kubeconfig", "--urls", "--cache", "--worker", "--worker-threads", "--queue-limit"];
    private static readonly string[] NotWithResource = ["--mixture", "--worker"];
    private static readonly HashSet<string> Flags = ["--exit-with-stdin"];

    public static async Task<(GatewayOptions? Options, IReadOnlyList<string> Problems)> ReadAsync(string[] args, string demoMixture, int cores)
    {
        var line = new CommandLine(args, Names, Flags);
        var file = line.Text("--mixture") ?? demoMixture;
        var place = PlaceOf(line);
        var (mixture, problems) = place is not null ? await MixtureResource.ReadAsync(place)
            : line.Problems.Count > 0 && line.Text("--resource") is not null ? (null, []) : MixtureFile.Read(file);
        foreach (var problem in problems)
            line.Report($"{(place is null ? file : $"ModelMixture {place.Name}")}: {problem}");

        var workers = line.Texts("--worker").Select(text => ReadWorker(text, mixture, line)).OfType<(string, Uri)>().ToList();
        var threads = line.Whole("--worker-threads", 1, 256, Math.Max(1, cores / Math.Max(1, mixture?.Spec.GpuBudget ?? 1)));
        var queueLimit = line.Whole("--queue-limit", 1, 100_000, 256);
        if (line.Problems.Count > 0 || mixture is null) return (null, line.Problems);
        return (new GatewayOptions
        {
            Mixture = mixture,
            Urls = line.Text("--urls") ?? Environment.GetEnvironmentVariable("ASPNETCORE_URLS") ?? "http://localhost:8080",
            CacheFolder = Path.GetFullPath(line.Text("--cache") ?? Path.Combine(".modm", mixture.Name)),
            WorkerThreads = threads,
            QueueLimit = queueLimit,
            Workers = workers,
            ExitWithStdin = line.Flag("--exit-with-stdin"),
            Cluster = place,
        }, []);
    }

    /// <summary>Null without --resource, or when that cannot be.</summary>
    private static ClusterPlace? PlaceOf(CommandLine line)
    {
        if (line.Text("--resource") is not { } name)
        {
            if (line.Text("--kubeconfig") is not null) line.Report("--kubeconfig is for --resource NAME, which is missing.");
            return null;
        }
        foreach (var other in NotWithResource.Where(o => line.Texts(o).Count > 0))
            line.Report($"{other} does not go with --resource: document and workers are the cluster's.");
        if (line.Problems.Count > 0) return null;
        try
        {
            return new ClusterPlace(ApiServer.Connect(line.Text("--kubeconfig")), name);
        }
        catch (Exception e) when (e is KubeConfigException or IOException)
        {
            line.Report($"--resource is {name}, but there is no API server to read it from: {e.Message} Name a kubeconfig with --kubeconfig.");
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
