using MoDM.Mixture;

namespace MoDM.Gateway;

/// <summary>
/// The mixture as it is served now. A request takes <see cref="Now"/> once and keeps it, so that it never sees half a change.
/// </summary>
internal sealed class CurrentMixture(ModelMixture first)
{
    private volatile ModelMixture _now = first;

    public ModelMixture Now => _now;

    /// <summary>The document is another one now; <see cref="WhyNot"/> has been asked.</summary>
    public void Take(ModelMixture next) => _now = next;

    /// <summary>How long a gateway that is told to stop may take: whoever waits gets an answer by then.</summary>
    public static TimeSpan StopsWithin(ModelMixture mixture) => mixture.Spec.Slo.Latency + TimeSpan.FromSeconds(20);

    /// <summary>Why a document cannot be taken over while the gateway runs; null when it can.</summary>
    public static string? WhyNot(ModelMixture now, ModelMixture next)
    {
        if (now.Spec.Modality != next.Spec.Modality) return $"its modality is {next.Spec.Modality} rather than {now.Spec.Modality}";
        var (pools, nextPools) = (NamesOf(now), NamesOf(next));
        if (pools != nextPools) return $"its pools are {nextPools} rather than {pools}";
        var (folder, nextFolder) = (now.Spec.Cache.EmbedderPath, next.Spec.Cache.EmbedderPath);
        if (folder != nextFolder) return $"its embedder is {nextFolder} rather than {folder}";
        return WhyNot(now.Spec.Cache.Shared, next.Spec.Cache.Shared);
    }

    private static string? WhyNot(SharedStore? now, SharedStore? next) => (now, next) switch
    {
        (null, null) => null,
        (null, _) => "its cache is shared rather than embedded",
        (_, null) => "its cache is embedded rather than shared",
        _ => now.Settings.Zip(next.Settings).Where(s => s.First != s.Second)
            .Select(s => $"its shared cache's {s.Second.Field} is {Quoted(s.Second.Text)} rather than {Quoted(s.First.Text)}").FirstOrDefault(),
    };

    private static string Quoted(string text) => text.Length == 0 ? "not given" : $"\"{text}\"";

    private static string NamesOf(ModelMixture mixture) => string.Join(", ", mixture.Spec.Pools.Select(p => p.Name));
}
