using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using MoDM.Cluster;

namespace MoDM.Operator.Cluster;

/// <summary>Objects of one kind by the mixture that they belong to, kept by a list-watch.</summary>
internal sealed class ChildIndex<T> where T : class, IKubernetesObject<V1ObjectMeta>
{
    private static readonly IReadOnlyDictionary<string, T> None = new Dictionary<string, T>();

    // Read at each pass and seldom changed: a change makes a new one.
    private readonly ConcurrentDictionary<ObjectKey, Dictionary<string, T>> _byMixture = new();

    public ChildIndex(ListWatch<T> source, Action<ObjectKey> changed) => source.Changed += change =>
    {
        if (MixtureOf(change.Item) is not { } key) return;
        var children = new Dictionary<string, T>(Of(key));
        if (change.Kind == ChangeKind.Deleted) children.Remove(change.Item.Metadata.Name);
        else children[change.Item.Metadata.Name] = change.Item;
        if (children.Count == 0) _byMixture.TryRemove(key, out _);
        else _byMixture[key] = children;
        changed(key);
    };

    public IReadOnlyDictionary<string, T> Of(ObjectKey mixture) => _byMixture.TryGetValue(mixture, out var children) ? children : None;

    private static ObjectKey? MixtureOf(T item) =>
        item.Metadata.Labels is { } labels && labels.TryGetValue(ClusterNames.MixtureLabel, out var name)
            ? new ObjectKey(item.Metadata.NamespaceProperty, name) : null;
}
