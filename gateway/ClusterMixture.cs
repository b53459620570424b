using System.Net;
using MoDM.Cluster;
using MoDM.Mixture;

namespace MoDM.Gateway;

/// <summary>The ModelMixture that this gateway serves, in the API server's own namespace for it.</summary>
internal sealed record ClusterResource(ApiServer Api, string Name)
{
    public string Path => ClusterNames.Mixture(Api.Namespace, Name);
}

/// <summary>Reads the mixture from the API server at the start.</summary>
internal static class ClusterMixture
{
    private const int Refused = 2;
    private const int Unreachable = 1;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <param name="patience">
    /// How long to try while the API server does not answer, or does not allow it: rights may come a moment after the pod.
    /// </param>
    /// <returns>The mixture, or why there is none and the exit code that says whether it is worth trying again.</returns>
    public static async Task<(ModelMixture? Mixture, IReadOnlyList<string> Problems, int Code)> ReadAsync(
        ClusterResource resource, TimeSpan patience, TimeProvider time)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                var item = await resource.Api.GetAsync<MixtureObject>(resource.Path, CancellationToken.None);
                return item is null
                    ? Not($"There is no ModelMixture {resource.Name} in the namespace {resource.Api.Namespace}; name one with --resource NAME.")
                    : Read(item);
            }
            catch (ApiServerException e) when (time.GetElapsedTime(started) + Pause < patience)
            {
                await Console.Error.WriteLineAsync($"{e.Message}; trying again.");
                await Task.Delay(Pause, time);
            }
            catch (ApiServerException e)
            {
                return (null, [$"The ModelMixture {resource.Name} could not be read for {patience.TotalSeconds:0} s: {e.Message}. {Remedy(e)}"],
                    Unreachable);
            }
        }
    }

    private static (ModelMixture?, IReadOnlyList<string>, int) Read(MixtureObject item)
    {
        var (mixture, problems) = MixtureReader.Read(item.AcceptedDocument());
        if (mixture is null) return (null, [.. problems.Select(p => $"ModelMixture {item.Metadata.Name}: {p}")], Refused);
        // The workers' models are in other pods.
        var folder = mixture.Spec.Cache.EmbedderPath;
        return mixture.Spec.Modality == Modality.Story || Directory.Exists(folder) ? (mixture, [], 0)
            : Not($"ModelMixture {item.Metadata.Name}: spec.cache.embedder.path: is {folder}, which is not a folder of this gateway.");
    }

    private static string Remedy(ApiServerException e) => e.Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
        ? "Its account needs get, list and watch on it."
        : "Is the API server there, and may this pod reach it?";

    private static (ModelMixture?, IReadOnlyList<string>, int) Not(string problem) => (null, [problem], Refused);
}
