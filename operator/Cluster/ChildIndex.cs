using System.Collections.Concurrent;
using System.Collections.Immutable;
using k8s;
using k8s.Models;
using MoDM.Cluster;

namespace MoDM.Operator.Cluster;

/// <summary>Objects of one kind by the mixture that they belong to, kept by a list-watch.</summary>
internal sealed class ChildIndex<T> where T : class, IKubernetesObject<V1ObjectMeta>
{
    private readonly ConcurrentDictionary<ObjectKey, ImmutableDictionary<string, T>> _byMixture = new();

    public ChildIndex(ListWatch<T> source, Action<ObjectKey> changed) => source.Changed += change =>
    {
        if (MixtureOf(change.Item) is not { } key) return;
        var children = _byMixture.GetValueOrDefault(key, ImmutableDictionary<string, T>.Empty);
        children = change.Kind == ChangeKind.Deleted
            ? children.Remove(change.Item.Metadata.Name) : children.SetItem(change.Item.Metadata.Name, change.Item);
        if (children.IsEmpty) _byMixture.TryRemove(key, out _);
        else _byMixture[key] = children;
        changed(key);
    };

    public IReadOnlyDictionary<string, T> Of(ObjectKey mixture) =>
        _byMixture.GetValueOrDefault(mixture, ImmutableDictionary<string, T>.Empty);

    private static ObjectKey? MixtureOf(T item) =>
        item.Metadata.Labels is { } labels && labels.TryGetValue(ClusterNames.MixtureLabel, out var name)
            ? new ObjectKey(item.Metadata.NamespaceProperty, name) : null;
}
