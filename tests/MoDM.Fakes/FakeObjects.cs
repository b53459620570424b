using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace MoDM.Fakes;

/// <summary>
/// The objects of the fake API server with their versions, history and watches. Objects are never changed, only
/// replaced; every member must be called under the server's lock.
/// </summary>
public sealed partial class FakeObjects(TimeProvider time)
{
    private const int LongestHistory = 50_000;
    private readonly Dictionary<string, SortedDictionary<string, Stored>> _collections = [];
    private readonly Dictionary<string, HashSet<(string Collection, string Key)>> _owned = [];
    private readonly List<Event> _history = [];
    private long _version = 1;
    private long _forgotten;

    public List<FakeWatch> Watches { get; } = [];

    public string Version => _version.ToString(CultureInfo.InvariantCulture);

    public Stored? Find(FakePath path) => Of(path.Collection).GetValueOrDefault(path.Key());

    public Stored Get(FakePath path) => Find(path) ?? throw FakeStatusException.NotFound($"{path.Resource} \"{path.Name}\"");

    public List<Stored> List(FakePath path, FakeSelector selector) =>
        [.. Of(path.Collection).Values.Where(s => selector.Matches(path, s.Node))];

    /// <summary>Watches from a version on are refused from now, and lists cannot be continued.</summary>
    public void Forget()
    {
        _forgotten = ++_version;
        _history.Clear();
    }

    public FakeWatch Watch(FakePath path, string url, FakeSelector selector, string? from, bool metadataOnly, bool bookmarks)
    {
        var watch = new FakeWatch(path, url, selector, metadataOnly, bookmarks);
        if (from is null or "" or "0")
        {
            foreach (var item in List(path, selector))
                watch.Send(Line("ADDED", item, metadataOnly));
        }
        else
        {
            if (!long.TryParse(from, out var version)) throw FakeStatusException.Invalid($"invalid resource version {from}");
            if (version < _forgotten) throw FakeStatusException.Expired();
            var start = _history.FindIndex(e => e.Version > version);
            for (var i = start; i >= 0 && i < _history.Count; i++)
                Tell(watch, _history[i]);
        }
        Watches.Add(watch);
        return watch;
    }

    public void Bookmark()
    {
        var line = JsonSerializer.SerializeToUtf8Bytes(new { type = "BOOKMARK", @object = new { metadata = new { resourceVersion = Version } } });
        foreach (var watch in Watches.Where(w => w.Bookmarks))
            watch.Send([.. line, (byte)'\n']);
    }

    public Stored Create(FakePath path, JsonObject body, bool raw = false)
    {
        var item = (JsonObject)body.DeepClone();
        var meta = item["metadata"] as JsonObject;
        if (meta is null) item["metadata"] = meta = [];
        var name = (string?)meta["name"] ?? path.Name;
        if (name is null && (string?)meta["generateName"] is { } prefix) name = $"{prefix}{_version:x5}";
        if (name is null) throw FakeStatusException.Invalid("name or generateName is required");
        if (Of(path.Collection).ContainsKey(path.Key(name)))
            throw new FakeStatusException(409, "AlreadyExists", $"{path.Resource} \"{name}\" already exists");
        meta["name"] = name;
        if (path.Namespace is not null) meta["namespace"] = path.Namespace;
        if (!raw || meta["uid"] is null) meta["uid"] = Guid.NewGuid().ToString();
        if (!raw || meta["creationTimestamp"] is null) meta["creationTimestamp"] = Now();
        if (Ungenerated.Contains(path.Resource)) meta.Remove("generation");
        else meta["generation"] = 1;
        if (!raw) item.Remove("status");
        return Commit(path, name, null, item);
    }

    /// <summary>Replaces what exists: without a subresource all but the status, with "status" only that, raw all of it.</summary>
    public Stored Replace(FakePath path, JsonObject body, bool raw = false)
    {
        var old = Get(path);
        var (was, next) = (old.Node, (JsonObject)body.DeepClone());
        if (next["metadata"] is not JsonObject meta) next["metadata"] = meta = [];
        if (!raw && (string?)meta["resourceVersion"] is { Length: > 0 } version && version != old.Version)
            throw new FakeStatusException(409, "Conflict", "the object has been modified; please apply your changes to the latest version and try again");
        if (!raw && (string?)meta["uid"] is { } uid && uid != old.Uid)
            throw new FakeStatusException(409, "Conflict", $"Precondition failed: UID in precondition: {uid}");
        if (path.Sub == "status")
        {
            var status = next["status"]?.DeepClone();
            next = (JsonObject)was.DeepClone();
            next.Remove("status");
            if (status is not null) next["status"] = status;
            meta = (JsonObject)next["metadata"]!;
        }
        else if (!raw || next["status"] is null)
        {
            next.Remove("status");
            if (was["status"] is { } status) next["status"] = status.DeepClone();
        }
        foreach (var field in (string[])(raw ? Kept[..^1] : Kept))
        {
            meta.Remove(field);
            if (was["metadata"]![field] is { } value) meta[field] = value.DeepClone();
        }
        if (JsonNode.DeepEquals(was, next)) return old;
        if (meta["generation"] is not null && !JsonNode.DeepEquals(Spec(was), Spec(next))) meta["generation"] = (long)meta["generation"]! + 1;
        if (!raw && meta["deletionTimestamp"] is not null && HasFinalizers(was) && !HasFinalizers(next))
        {
            Remove(path, old);
            return old;
        }
        return Commit(path, path.Name!, old, next);
    }

    public Stored Merge(FakePath path, JsonObject patch)
    {
        var next = (JsonObject)Get(path).Node.DeepClone();
        // A patch has no precondition unless it names one.
        ((JsonObject)next["metadata"]!).Remove("resourceVersion");
        Merge(next, patch, nullRemoves: true);
        return Replace(path, next);
    }

    /// <summary>JSON patch (RFC 6902) of members of objects: "test" and "add".</summary>
    public Stored Patch(FakePath path, JsonArray operations)
    {
        var next = (JsonObject)Get(path).Node.DeepClone();
        ((JsonObject)next["metadata"]!).Remove("resourceVersion");
        foreach (var operation in operations)
        {
            var names = ((string)operation!["path"]!).Split('/')[1..];
            var parent = names[..^1].Aggregate(next, (o, name) => o[name] as JsonObject ?? throw FakeStatusException.Invalid($"no {name}"));
            switch ((string?)operation["op"])
            {
                case "test" when JsonNode.DeepEquals(parent[names[^1]], operation["value"]): break;
                case "test": throw new FakeStatusException(422, "Invalid", $"testing value {operation["path"]} failed");
                case "add": parent[names[^1]] = operation["value"]?.DeepClone(); break;
                default: throw FakeStatusException.Invalid($"unknown operation {operation["op"]}");
            }
        }
        return Replace(path, next);
    }

    /// <summary>Server-side apply with force: what the manager named last time and does not name now is removed.</summary>
    public Stored Apply(FakePath path, JsonObject body, string manager)
    {
        if (body["kind"] is null || body["apiVersion"] is null) throw FakeStatusException.Invalid("apply needs apiVersion and kind");
        if ((string?)body["metadata"]?["name"] is { } name && name != path.Name) throw FakeStatusException.Invalid("the name does not match the URL");
        var known = path.Sub is null ? Find(path) : Get(path);
        var owner = $"{manager}/{path.Sub}";
        if (known is null)
        {
            var made = Create(path, body);
            made.Applied[owner] = (JsonObject)body.DeepClone();
            return made;
        }
        var next = (JsonObject)known.Node.DeepClone();
        ((JsonObject)next["metadata"]!).Remove("resourceVersion");
        if (known.Applied.TryGetValue(owner, out var before) && RemoveMissing(next, before, body) && path.Group.StartsWith("modm.dev/", StringComparison.Ordinal))
            throw new FakeStatusException(422, "Invalid", "Kubernetes 1.20 sets a custom resource's field that is no longer applied to null, and then refuses the null");
        Merge(next, body, nullRemoves: false);
        var result = Replace(path, next);
        result.Applied[owner] = (JsonObject)body.DeepClone();
        return result;
    }

    public Stored Delete(FakePath path)
    {
        var old = Get(path);
        if (!HasFinalizers(old.Node))
        {
            Remove(path, old);
            return old;
        }
        if (old.Node["metadata"]!["deletionTimestamp"] is not null) return old;
        var next = (JsonObject)old.Node.DeepClone();
        next["metadata"]!["deletionTimestamp"] = Now();
        return Commit(path, path.Name!, old, next);
    }

    /// <summary>The answer to GET of /scale; a write to it sets spec.replicas.</summary>
    public static JsonObject Scale(Stored item) => new()
    {
        ["kind"] = "Scale",
        ["apiVersion"] = "autoscaling/v1",
        ["metadata"] = new JsonObject
        {
            ["name"] = item.Node["metadata"]!["name"]!.DeepClone(),
            ["namespace"] = item.Node["metadata"]!["namespace"]?.DeepClone(),
            ["uid"] = item.Uid,
            ["resourceVersion"] = item.Version,
        },
        ["spec"] = new JsonObject { ["replicas"] = item.Node["spec"]?["replicas"]?.DeepClone() ?? 0 },
        ["status"] = new JsonObject { ["replicas"] = item.Node["status"]?["replicas"]?.DeepClone() ?? 0 },
    };

    /// <summary>Of these Kubernetes counts no generations.</summary>
    private static readonly HashSet<string> Ungenerated = ["services", "serviceaccounts", "roles", "rolebindings", "pods", "events", "leases", "secrets", "configmaps"];

    // The last one may be set by a test.
    private static readonly string[] Kept = ["name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp"];

    private Stored Commit(FakePath path, string name, Stored? old, JsonObject next)
    {
        if (path.Resource == "leases") CheckMicroTimes(next);
        next["metadata"]!["resourceVersion"] = (++_version).ToString(CultureInfo.InvariantCulture);
        // Read back, so that a number is a number whoever wrote it.
        var stored = new Stored((JsonObject)JsonNode.Parse(next.ToJsonString())!, old?.Applied ?? []);
        Of(path.Collection)[path.Key(name)] = stored;
        Own(path.Collection, path.Key(name), old, add: false);
        Own(path.Collection, path.Key(name), stored, add: true);
        Record(new Event(_version, path.Collection, old, stored, Deleted: false));
        return stored;
    }

    private void Remove(FakePath path, Stored old)
    {
        Of(path.Collection).Remove(path.Key());
        Own(path.Collection, path.Key(), old, add: false);
        var last = (JsonObject)old.Node.DeepClone();
        last["metadata"]!["resourceVersion"] = (++_version).ToString(CultureInfo.InvariantCulture);
        Record(new Event(_version, path.Collection, old, new Stored(last, []), Deleted: true));
        // Garbage collection: what it owned goes with it.
        if (!_owned.Remove(old.Uid, out var children)) return;
        foreach (var (collection, key) in children)
        {
            var (group, resource) = (collection[..collection.LastIndexOf('/')], collection[(collection.LastIndexOf('/') + 1)..]);
            var (ns, name) = (key[..key.IndexOf('/', StringComparison.Ordinal)], key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..]);
            var child = new FakePath(group, resource, ns.Length == 0 ? null : ns, name, null);
            if (Find(child) is { } stored && !Owners(stored).Any(_owned.ContainsKey)) Delete(child);
        }
    }

    private void Record(Event e)
    {
        _history.Add(e);
        if (_history.Count > LongestHistory)
        {
            _forgotten = _history[LongestHistory / 2].Version;
            _history.RemoveRange(0, LongestHistory / 2 + 1);
        }
        foreach (var watch in Watches)
            Tell(watch, e);
    }

    private static void Tell(FakeWatch watch, Event e)
    {
        if (e.Collection != watch.Path.Collection) return;
        var was = e.Before is not null && watch.Selector.Matches(watch.Path, e.Before.Node);
        var now = !e.Deleted && watch.Selector.Matches(watch.Path, e.After.Node);
        if (was || now)
            watch.Send(Line(now ? was ? "MODIFIED" : "ADDED" : "DELETED", e.After, watch.MetadataOnly));
    }

    private static byte[] Line(string type, Stored item, bool metadataOnly) =>
        [.. "{\"type\":\""u8, .. System.Text.Encoding.ASCII.GetBytes(type), .. "\",\"object\":"u8, .. item.Json(metadataOnly), .. "}\n"u8];

    private void Own(string collection, string key, Stored? item, bool add)
    {
        foreach (var owner in item is null ? [] : Owners(item))
        {
            if (!_owned.TryGetValue(owner, out var children) && add) _owned[owner] = children = [];
            if (add) children!.Add((collection, key));
            else children?.Remove((collection, key));
        }
    }

    private static IEnumerable<string> Owners(Stored item) =>
        (item.Node["metadata"]!["ownerReferences"] as JsonArray ?? []).Select(o => (string?)o!["uid"] ?? "");

    private SortedDictionary<string, Stored> Of(string collection)
    {
        if (!_collections.TryGetValue(collection, out var found))
            _collections[collection] = found = new(StringComparer.Ordinal);
        return found;
    }

    private static void Merge(JsonObject into, JsonObject from, bool nullRemoves)
    {
        foreach (var (name, value) in from)
        {
            if (value is null)
            {
                if (nullRemoves) into.Remove(name);
            }
            else if (value is JsonObject inner)
            {
                if (into[name] is not JsonObject target) into[name] = target = [];
                Merge(target, inner, nullRemoves);
            }
            else
            {
                into[name] = value.DeepClone();
            }
        }
    }

    /// <returns>Whether anything was removed.</returns>
    private static bool RemoveMissing(JsonObject from, JsonObject before, JsonObject now)
    {
        var removed = false;
        foreach (var (name, value) in before)
        {
            if (now[name] is not { } kept) removed |= from.Remove(name);
            else if (value is JsonObject inner && kept is JsonObject next && from[name] is JsonObject target) removed |= RemoveMissing(target, inner, next);
        }
        return removed;
    }

    private static bool HasFinalizers(JsonObject item) => item["metadata"]!["finalizers"] is JsonArray { Count: > 0 };

    private static JsonObject Spec(JsonObject item) =>
        new(item.Where(f => f.Key is not ("metadata" or "status")).Select(f => KeyValuePair.Create(f.Key, f.Value?.DeepClone())));

    private string Now() => time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A MicroTime must have six decimals: the API server refuses one without.</summary>
    private static void CheckMicroTimes(JsonObject lease)
    {
        foreach (var field in (string[])["acquireTime", "renewTime"])
            if ((string?)lease["spec"]?[field] is { } text && !MicroTime().IsMatch(text))
                throw FakeStatusException.Invalid($"parsing time \"{text}\" as \"2006-01-02T15:04:05.000000Z07:00\"");
    }

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")]
    private static partial Regex MicroTime();

    private sealed record Event(long Version, string Collection, Stored? Before, Stored After, bool Deleted);

    public sealed class Stored(JsonObject node, Dictionary<string, JsonObject> applied)
    {
        private readonly byte[] _json = JsonSerializer.SerializeToUtf8Bytes(node);

        public JsonObject Node => node;
        public string Version => (string)node["metadata"]!["resourceVersion"]!;
        public string Uid => (string)node["metadata"]!["uid"]!;

        /// <summary>What each field manager applied last.</summary>
        public Dictionary<string, JsonObject> Applied => applied;

        public byte[] Json(bool metadataOnly) => metadataOnly
            ? JsonSerializer.SerializeToUtf8Bytes(new JsonObject
            {
                ["kind"] = "PartialObjectMetadata",
                ["apiVersion"] = "meta.k8s.io/v1",
                ["metadata"] = node["metadata"]!.DeepClone(),
            })
            : _json;
    }
}
