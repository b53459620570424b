using MoDM.Mixture;

namespace MoDM.Gateway;

/// <summary>The document in force. It is swapped whole: who takes <see cref="Now"/> once never sees half a change.</summary>
internal sealed class CurrentMixture(ModelMixture first)
{
    private volatile ModelMixture _now = first;

    public ModelMixture Now => _now;

    /// <summary>Takes over a changed document, unless it changes what only a new process can.</summary>
    /// <returns>Null, or why not.</returns>
    public string? Replace(ModelMixture next)
    {
        var (now, then) = (_now.Spec, next.Spec);
        if (!now.Pools.Select(p => p.Name).SequenceEqual(then.Pools.Select(p => p.Name))) return "its models have other names";
        if (now.Cache.EmbedderPath != then.Cache.EmbedderPath) return "its embedder is another one";
        _now = next;
        return null;
    }
}
