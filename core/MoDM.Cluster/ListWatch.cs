using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace MoDM.Cluster;

public enum ChangeKind { Added, Modified, Deleted }

public readonly record struct WatchChange<T>(ChangeKind Kind, T Item);

/// <summary>Only an object's metadata, for <see cref="ListWatch{T}"/> with metadataOnly.</summary>
public sealed class MetadataObject : IKubernetesObject<V1ObjectMeta>
{
    [JsonPropertyName("apiVersion")] public string ApiVersion { get; set; } = "";
    [JsonPropertyName("kind")] public string Kind { get; set; } = "";
    [JsonPropertyName("metadata")] public V1ObjectMeta Metadata { get; set; } = new();
}

/// <summary>
/// One collection of the API server, kept in memory: list, then watch from there. Whatever goes wrong, the memory catches
/// up: a closed, broken or silent connection is resumed from the last version, and when that is not possible (410, an
/// ERROR event, a line that cannot be read) a new list is compared with the memory, so that deletions are not missed.
/// Labels and annotations that are not MoDM's are not kept.
/// </summary>
public sealed partial class ListWatch<T>(
    ApiServer api, string collectionPath, string? selector, TimeProvider time, ILogger log, bool metadataOnly = false)
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    private const int PageSize = 500;
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Snapshot _snapshot = Snapshot.Empty;
    private string? _version;
    private bool _healthy;

    /// <summary>On the loop's thread and in order; for the first list before <see cref="Synced"/> completes.</summary>
    public event Action<WatchChange<T>>? Changed;

    /// <summary>As it is now; does not change.</summary>
    public IReadOnlyCollection<T> Items => _snapshot.Items;

    /// <summary>Completes after the first list; cancelled when the loop was stopped before.</summary>
    public Task Synced => _synced.Task;

    /// <summary>Given with the request for a watch; the default differs from watch to watch and process to process.</summary>
    internal TimeSpan? WatchTimeout { get; set; }

    /// <summary>Nothing for the watch's timeout and this long: the connection is dead.</summary>
    internal TimeSpan SilenceMargin { get; set; } = TimeSpan.FromSeconds(30);

    internal TimeSpan FirstDelay { get; set; } = TimeSpan.FromSeconds(1);
    internal TimeSpan LongestDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The namespace is "" for what has none.</summary>
    public T? Find(string ns, string name) => _snapshot.ByName.GetValueOrDefault((ns, name));

    /// <summary>Until cancelled; does not throw.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        var failures = 0;
        while (!stop.IsCancellationRequested)
        {
            _healthy = false;
            try
            {
                _version ??= await ListAsync(stop);
                await WatchAsync(_version, stop);
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                // A broken connection resumes. Not for ever: after a restore the server's versions may lie before ours.
                var expired = e is ApiServerException { Status: HttpStatusCode.Gone };
                if (expired || failures >= 4 || e is not (IOException or HttpRequestException or ApiServerException))
                    (_version, _healthy) = (null, false);
                Log.Interrupted(log, expired ? LogLevel.Information : LogLevel.Warning, collectionPath, e is ApiServerException or IOException or HttpRequestException or RelistException ? e.Message : e.ToString());
            }
            catch (OperationCanceledException)
            {
                break;
            }
            failures = _healthy ? 0 : failures + 1;
            await Task.Delay(Delay(failures), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        _synced.TrySetCanceled(stop);
    }

    /// <summary>Reads all pages, raises what differs from the memory, and returns the version to watch from.</summary>
    private async Task<string> ListAsync(CancellationToken stop)
    {
        var found = new Dictionary<(string, string), T>();
        string? version = null, next = null;
        do
        {
            // Without a resourceVersion: a replica of the API server that lags behind must not turn time back.
            var page = await api.ReadAsync<Page>(
                Query($"limit={PageSize}" + (next is null ? "" : $"&continue={Uri.EscapeDataString(next)}")), Accept("List"), stop);
            foreach (var item in page.Items ?? []) // An old server's empty list of metadata is null.
                found[Key(item)] = item;
            version ??= page.Metadata.ResourceVersion;
            next = page.Metadata.ContinueProperty;
        }
        while (!string.IsNullOrEmpty(next));

        foreach (var (key, item) in _snapshot.ByName)
            if (!found.ContainsKey(key))
                Remove(item);
        foreach (var item in found.Values)
            Store(item);
        _synced.TrySetResult();
        return version ?? throw new RelistException("the list has no resourceVersion");
    }

    private async Task WatchAsync(string from, CancellationToken stop)
    {
        var timeout = WatchTimeout ?? TimeSpan.FromSeconds(300 + (uint)HashCode.Combine(collectionPath, from) % 300);
        using var response = await api.WatchAsync(
            Query($"watch=true&allowWatchBookmarks=true&resourceVersion={from}&timeoutSeconds={Math.Ceiling(timeout.TotalSeconds)}"),
            Accept(""), stop);
        var opened = time.GetTimestamp();
        using var watchdog = new CancellationTokenSource(timeout + SilenceMargin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, watchdog.Token);
        try
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(either.Token));
            while (await reader.ReadLineAsync(either.Token) is { } line)
            {
                watchdog.CancelAfter(timeout + SilenceMargin);
                if (line.Length > 0)
                    Handle(KubernetesJson.Deserialize<WatchEvent>(line));
                _healthy = true;
            }
            // Closed by the server: at its time that is how a quiet watch ends, at once it is a fault.
            _healthy |= time.GetElapsedTime(opened) > timeout / 2;
        }
        catch (OperationCanceledException) when (watchdog.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            Log.Silent(log, collectionPath);
        }
    }

    private void Handle(WatchEvent e)
    {
        switch (e.Type)
        {
            case "ADDED" or "MODIFIED":
                Store(Read(e));
                break;
            case "DELETED":
                Remove(Read(e));
                break;
            case "BOOKMARK":
                _version = e.Object.GetProperty("metadata").GetProperty("resourceVersion").GetString();
                break;
            default:
                throw new RelistException($"{e.Type} {e.Object.GetRawText()}");
        }
    }

    private T Read(WatchEvent e)
    {
        var item = KubernetesJson.Deserialize<T>(e.Object);
        _version = item.Metadata?.ResourceVersion ?? throw new RelistException($"{e.Type} without a resourceVersion");
        return item;
    }

    /// <summary>What the memory had decides what happened: after a resumed watch an event may come twice.</summary>
    private void Store(T item)
    {
        var key = Key(item);
        var kind = ChangeKind.Added;
        if (_snapshot.ByName.TryGetValue(key, out var known))
        {
            if (known.Metadata.Uid != item.Metadata.Uid)
                Remove(known); // Deleted and made anew while nobody looked.
            else if (known.Metadata.ResourceVersion == item.Metadata.ResourceVersion)
                return;
            else
                kind = ChangeKind.Modified;
        }
        Slim(item.Metadata);
        _snapshot = new Snapshot(_snapshot.ByName.SetItem(key, item));
        Raise(kind, item);
    }

    /// <summary>What nobody here looks at is often larger than the rest.</summary>
    private static void Slim(V1ObjectMeta meta)
    {
        meta.ManagedFields = null;
        (meta.Labels, meta.Annotations) = (Ours(meta.Labels), Ours(meta.Annotations));
        foreach (var owner in meta.OwnerReferences ?? [])
            (owner.ApiVersion, owner.Kind, owner.Name) = (null, null, null);

        // Of the same few keys, one copy.
        static Dictionary<string, string>? Ours(IDictionary<string, string>? from) => from?
            .Where(e => e.Key.StartsWith(ClusterNames.Prefix, StringComparison.Ordinal)).ToDictionary(e => string.IsInterned(e.Key) ?? e.Key, e => e.Value);
    }

    private void Remove(T item)
    {
        var key = Key(item);
        if (!_snapshot.ByName.ContainsKey(key)) return;
        _snapshot = new Snapshot(_snapshot.ByName.Remove(key));
        Raise(ChangeKind.Deleted, item);
    }

    private void Raise(ChangeKind kind, T item)
    {
        foreach (var listener in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                listener(new WatchChange<T>(kind, item));
            }
            catch (Exception e)
            {
                Log.ListenerFailed(log, e, collectionPath); // Its fault must not stop the memory, nor the other listeners.
            }
        }
    }

    /// <summary>None after a watch that worked, then doubling; between half and all of it, so that not all come back at once.</summary>
    private TimeSpan Delay(int failures)
    {
        if (failures == 0) return TimeSpan.Zero;
        var delay = FirstDelay * Math.Pow(2, Math.Min(failures - 1, 20));
        return (delay < LongestDelay ? delay : LongestDelay) * (0.5 + (uint)HashCode.Combine(collectionPath, failures) % 1000 / 2000.0);
    }

    private string Query(string query) => collectionPath + '?' + (selector is null ? "" : selector + '&') + query;

    private string Accept(string suffix) => metadataOnly
        ? $"application/json;as=PartialObjectMetadata{suffix};g=meta.k8s.io;v=v1,application/json"
        : "application/json";

    private static (string, string) Key(T item) => (item.Metadata.NamespaceProperty ?? "", item.Metadata.Name);

    private sealed class Page
    {
        [JsonPropertyName("metadata")] public V1ListMeta Metadata { get; set; } = new();
        [JsonPropertyName("items")] public List<T>? Items { get; set; }
    }

    private sealed class WatchEvent
    {
        [JsonPropertyName("type")] public string Type { get; set; } = "";
        [JsonPropertyName("object")] public JsonElement Object { get; set; }
    }

    private sealed class Snapshot(ImmutableDictionary<(string, string), T> byName)
    {
        public static readonly Snapshot Empty = new(ImmutableDictionary<(string, string), T>.Empty);
        private T[]? _items;

        public ImmutableDictionary<(string, string), T> ByName => byName;

        public IReadOnlyCollection<T> Items => _items ??= [.. byName.Values];
    }

    private sealed class RelistException(string message) : Exception(message);

    private static partial class Log
    {
        [LoggerMessage(Message = "Watch of {Path} interrupted: {Reason}")]
        public static partial void Interrupted(ILogger log, LogLevel level, string path, string reason);

        [LoggerMessage(Level = LogLevel.Warning, Message = "Watch of {Path} has gone silent; connecting anew")]
        public static partial void Silent(ILogger log, string path);

        [LoggerMessage(Level = LogLevel.Error, Message = "A listener for changes of {Path} failed")]
        public static partial void ListenerFailed(ILogger log, Exception e, string path);
    }
}
