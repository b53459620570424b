using MoDM.Cluster;
using MoDM.Mixture;

namespace MoDM.Gateway.Fleet;

/// <summary>Where this gateway's own ModelMixture is, in a cluster.</summary>
internal sealed record ClusterPlace(ApiServer Api, string Name);

/// <summary>
/// The gateway's own ModelMixture, read from the API server and watched: what is changed in it is in force with the next
/// request, without a restart. What has mistakes is not taken over; the operator says what they are.
/// </summary>
internal sealed partial class MixtureResource(
    GatewayOptions options, CurrentMixture current, Scheduling.RequestQueue queue, TimeProvider time, ILogger<MixtureResource> log) : BackgroundService
{
    private static readonly TimeSpan ServerPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    /// <summary>At the start: waits for an API server that does not answer yet.</summary>
    public static async Task<(ModelMixture? Mixture, IReadOnlyList<MixtureProblem> Problems)> ReadAsync(ClusterPlace place)
    {
        for (var waited = TimeSpan.Zero; ; waited += Pause)
        {
            try
            {
                var resource = await place.Api.GetAsync<MixtureObject>(ClusterNames.Mixture(place.Api.Namespace, place.Name), CancellationToken.None);
                if (resource is null)
                    return (null, [new MixtureProblem("document", $"is not in namespace {place.Api.Namespace}; apply it, or name another with --resource.")]);
                var (mixture, problems) = MixtureReader.Read(resource.AcceptedDocument());
                return mixture is null || Directory.Exists(mixture.Spec.Cache.EmbedderPath) ? (mixture, problems)
                    : (null, [new MixtureProblem("spec.cache.embedder.path", $"is {mixture.Spec.Cache.EmbedderPath}, which is not a folder of this pod; give it a volume.")]);
            }
            catch (ApiServerException e) when (e.Status == 0 && waited < ServerPatience)
            {
                await Console.Error.WriteLineAsync($"Waiting for the API server: {e.Message}");
                await Task.Delay(Pause);
            }
            catch (ApiServerException e)
            {
                return (null, [new MixtureProblem("document", $"cannot be read: {e.Message}")]);
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (api, name) = options.Cluster!;
        var watch = new ListWatch<MixtureObject>(api, ClusterNames.Mixtures(api.Namespace), ClusterNames.ByName(name), time, log);
        watch.Changed += change =>
        {
            if (change.Kind != ChangeKind.Deleted) Take(change.Item);
        };
        await watch.RunAsync(stoppingToken);
    }

    private void Take(MixtureObject resource)
    {
        var (mixture, problems) = MixtureReader.Read(resource.AcceptedDocument());
        if (mixture is null)
            Log.Ignored(log, string.Join(" ", problems));
        else if (current.Replace(mixture) is { } why)
            Log.NotLive(log, why);
        else
            queue.Follow(mixture.Spec.Slo);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The document has mistakes and is not taken over: {Problems}")]
        public static partial void Ignored(ILogger log, string problems);

        [LoggerMessage(2, LogLevel.Information, "The document is not taken over while this process runs, since {Why}; a new pod will")]
        public static partial void NotLive(ILogger log, string why);
    }
}
