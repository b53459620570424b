using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace MoDM.Cluster;

public enum ChangeKind { Added, Modified, Deleted }

public readonly record struct WatchChange<T>(ChangeKind Kind, T Item);

public sealed class ListWatch<T>(
    ApiServer api, string collectionPath, string? selector, TimeProvider time, ILogger log, bool metadataOnly = false)
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    public event Action<WatchChange<T>>? Changed;

    public IReadOnlyCollection<T> Items => throw new NotImplementedException();

    public Task Synced => throw new NotImplementedException();

    public T? Find(string ns, string name) => throw new NotImplementedException();

    public Task RunAsync(CancellationToken stop)
    {
        _ = (api, collectionPath, selector, time, log, metadataOnly, Changed);
        throw new NotImplementedException();
    }
}
