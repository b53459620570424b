using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace MoDM.Fakes;

/// <summary>
/// A Kubernetes API server on the wire with its objects in memory: get, list (with pages), watch, create, replace, merge
/// patch, JSON patch, server-side apply, delete with garbage collection, /status, /scale and discovery. No controllers and no
/// kubelet: a test plays them with <see cref="Put"/>, <see cref="Patch"/> and <see cref="Remove"/>. Lists are replaced
/// where the real one merges by key, and nothing is defaulted or validated.
/// </summary>
public sealed class FakeApiServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly FakeObjects _objects;
    private readonly List<FakeFault> _faults = [];
    private readonly List<FakeRequest> _requests = [];
    private readonly Dictionary<string, (string Version, List<FakeObjects.Stored> Items)> _pages = [];
    private ITimer? _bookmarks;
    private int _inFlight;

    private FakeApiServer(TimeProvider time)
    {
        _time = time;
        _objects = new FakeObjects(time);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    public Uri Address { get; private set; } = null!;

    /// <summary>What discovery lists; requests for anything else are 404. A cluster of today: remove what an old one lacks.</summary>
    public Dictionary<string, HashSet<string>> Resources { get; } = new()
    {
        ["v1"] = ["namespaces", "nodes", "pods", "services", "endpoints", "serviceaccounts", "configmaps", "secrets", "events", "persistentvolumeclaims"],
        ["apps/v1"] = ["deployments", "replicasets", "statefulsets", "daemonsets"],
        ["batch/v1"] = ["jobs", "cronjobs"],
        ["rbac.authorization.k8s.io/v1"] = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
        ["networking.k8s.io/v1"] = ["networkpolicies", "ingresses"],
        ["policy/v1"] = ["poddisruptionbudgets"],
        ["policy/v1beta1"] = ["poddisruptionbudgets"],
        ["coordination.k8s.io/v1"] = ["leases"],
        ["events.k8s.io/v1"] = ["events"],
        ["discovery.k8s.io/v1"] = ["endpointslices"],
        ["autoscaling/v2"] = ["horizontalpodautoscalers"],
        ["apiextensions.k8s.io/v1"] = ["customresourcedefinitions"],
        ["modm.dev/v1alpha1"] = ["modelmixtures"],
    };

    public string GitVersion { get; set; } = "v1.34.0";

    /// <summary>Called for every request before it is answered, on the request's thread.</summary>
    public event Action<FakeRequest>? Requested;

    /// <summary>Called after every write that took effect, under the server's lock and so in the order of the versions.</summary>
    public event Action<FakeRequest>? Written;

    /// <summary>Requests that are not answered yet, watches left out.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public IReadOnlyList<FakeRequest> Requests
    {
        get { lock (_lock) return [.. _requests]; }
    }

    /// <summary>The requests for writes, refused ones and those that changed nothing too.</summary>
    public IReadOnlyList<FakeRequest> Writes => [.. Requests.Where(r => r.IsWrite)];

    /// <summary>How many watches are open on paths that begin so.</summary>
    public int WatchCount(string path = "") => MatchingWatches(path).Count;

    public static async Task<FakeApiServer> StartAsync(TimeProvider? time = null, TimeSpan? bookmarkEvery = null)
    {
        var server = new FakeApiServer(time ?? TimeProvider.System);
        await server._app.StartAsync();
        server.Address = new Uri(server._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        var every = bookmarkEvery ?? TimeSpan.FromSeconds(30);
        server._bookmarks = TimeProvider.System.CreateTimer(_ => server.SendBookmarks(), null, every, every);
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        _bookmarks?.Dispose();
        CutWatches();
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    /// <summary>A kubeconfig file for this server.</summary>
    /// <param name="user">As the record of requests has it.</param>
    public string Kubeconfig(string ns = "default", string user = "fake")
    {
        var file = Path.Combine(TempFolder.New(), "kubeconfig");
        File.WriteAllText(file, $"""
            apiVersion: v1
            kind: Config
            clusters:
            - name: fake
              cluster:
                server: {Address}
            users:
            - name: fake
              user:
                token: {user}
            contexts:
            - name: fake
              context:
                cluster: fake
                user: fake
                namespace: {ns}
            current-context: fake
            """);
        return file;
    }

    // What happens in the cluster without a request.

    /// <summary>Null when there is none.</summary>
    public JsonObject? Get(string path)
    {
        lock (_lock) return (JsonObject?)_objects.Find(At(path))?.Node.DeepClone();
    }

    /// <summary>Of one namespace or, without one in the path, of all.</summary>
    public IReadOnlyList<JsonObject> List(string collectionPath, string? labelSelector = null)
    {
        lock (_lock)
            return [.. _objects.List(At(collectionPath), new FakeSelector(labelSelector, null)).Select(s => (JsonObject)s.Node.DeepClone())];
    }

    /// <summary>Creates or replaces, the status and deletionTimestamp too when there is one. Returns what is stored.</summary>
    public JsonObject Put(string path, string json)
    {
        var (at, body) = (At(path), (JsonObject)JsonNode.Parse(json)!);
        lock (_lock)
            return (JsonObject)(_objects.Find(at) is null ? _objects.Create(at, body, raw: true) : _objects.Replace(at, body, raw: true)).Node.DeepClone();
    }

    /// <summary>Merges; the status only on a path that ends in /status.</summary>
    public JsonObject Patch(string path, string json)
    {
        lock (_lock) return (JsonObject)_objects.Merge(At(path), (JsonObject)JsonNode.Parse(json)!).Node.DeepClone();
    }

    public bool Remove(string path)
    {
        lock (_lock)
        {
            if (_objects.Find(At(path)) is null) return false;
            _objects.Delete(At(path));
            return true;
        }
    }

    // What goes wrong.

    public FakeFault Inject(FakeFault fault)
    {
        lock (_lock) _faults.Add(fault);
        return fault;
    }

    public void Heal()
    {
        lock (_lock) _faults.Clear();
    }

    /// <summary>Forgets the history, as compaction does: watches of earlier versions are refused with 410.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _objects.Forget();
            _pages.Clear();
        }
    }

    /// <summary>Ends watches, properly.</summary>
    public void CloseWatches(string path = "") => EachWatch(path, w => w.Lines.Writer.TryComplete());

    /// <summary>Ends watches by cutting their connections.</summary>
    public void CutWatches(string path = "") => EachWatch(path, w => (w.Cut, _) = (true, w.Lines.Writer.TryComplete()));

    /// <summary>Watches stay open and nothing comes any more.</summary>
    public void SilenceWatches(string path = "", bool silent = true) => EachWatch(path, w => w.Silent = silent);

    /// <summary>Any line into the stream of watches.</summary>
    public void SendLine(string line, string path = "") => EachWatch(path, w => w.Send(Encoding.UTF8.GetBytes(line + '\n')));

    /// <summary>An ERROR event into the stream of watches.</summary>
    public void SendError(int code = 410, string path = "") =>
        SendLine(new JsonObject { ["type"] = "ERROR", ["object"] = Status(code, code == 410 ? "Expired" : "InternalError", "injected") }.ToJsonString(), path);

    public void SendBookmarks()
    {
        lock (_lock) _objects.Bookmark();
    }

    public void ClearRequests()
    {
        lock (_lock) _requests.RemoveAll(r => r.Status != 0);
    }

    private void EachWatch(string path, Action<FakeWatch> act)
    {
        foreach (var watch in MatchingWatches(path))
            act(watch);
    }

    private List<FakeWatch> MatchingWatches(string path)
    {
        lock (_lock) return _objects.Watches.FindAll(w => w.Url.StartsWith(path, StringComparison.Ordinal));
    }

    private static FakePath At(string path) => FakePath.Parse(path) ?? throw new ArgumentException($"not a path of the API: {path}");

    private async Task HandleAsync(HttpContext context)
    {
        var (path, query) = (context.Request.Path.Value!, context.Request.Query);
        var at = FakePath.Parse(path);
        var verb = context.Request.Method != "GET" ? context.Request.Method
            : query["watch"] == "true" || query["watch"] == "1" ? "WATCH"
            : at is { Name: null } ? "LIST" : "GET";
        var request = new FakeRequest(verb, path, context.Request.QueryString.Value ?? "", context.Request.Headers.UserAgent.ToString(), _time.GetUtcNow())
        {
            User = context.Request.Headers.Authorization.ToString().Replace("Bearer ", "", StringComparison.Ordinal),
        };
        FakeFault? fault;
        lock (_lock)
        {
            _requests.Add(request);
            fault = _faults.Find(f => f.Matches(request));
            if (fault is not null) fault.Times--;
        }
        if (verb != "WATCH") Interlocked.Increment(ref _inFlight);
        try
        {
            Requested?.Invoke(request);
            await HandleAsync(context, request, at, fault);
        }
        catch (OperationCanceledException)
        {
            // The client has gone.
        }
        finally
        {
            if (verb != "WATCH") Interlocked.Decrement(ref _inFlight);
            else if (request.Status == 0) request.Status = 200;
        }
    }

    private async Task HandleAsync(HttpContext context, FakeRequest request, FakePath? at, FakeFault? fault)
    {
        var gone = context.RequestAborted;
        var body = request.IsWrite ? await new StreamReader(context.Request.Body).ReadToEndAsync(gone) : "";
        await Task.Delay(fault?.Delay ?? default, gone);
        await (fault?.Hold ?? Task.CompletedTask).WaitAsync(gone);
        if (fault?.ResetBefore == true)
        {
            context.Abort();
            return;
        }
        int code;
        byte[] answer;
        try
        {
            if (fault?.Status is { } status)
                throw new FakeStatusException(status, status switch { 409 => "Conflict", 410 => "Expired", _ => "Injected" }, "injected");
            if (request.Verb == "WATCH")
            {
                await WatchAsync(context, at!);
                return;
            }
            lock (_lock)
            {
                (code, answer) = Answer(context.Request, request, at, body);
                if (request.IsWrite) Written?.Invoke(request);
            }
        }
        catch (FakeStatusException e)
        {
            (code, answer) = (e.Code, JsonSerializer.SerializeToUtf8Bytes(Status(e.Code, e.Reason, e.Message)));
        }
        await (fault?.HoldAnswer ?? Task.CompletedTask).WaitAsync(gone);
        if (fault?.ResetAfter == true)
        {
            context.Abort();
            return;
        }
        request.Status = code;
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = answer.Length;
        await context.Response.Body.WriteAsync(answer, gone);
    }

    /// <summary>Under the lock.</summary>
    private (int Code, byte[] Body) Answer(HttpRequest http, FakeRequest request, FakePath? at, string body)
    {
        if (request.Path == "/version")
            return Ok(new JsonObject { ["major"] = GitVersion[1..].Split('.')[0], ["minor"] = GitVersion.Split('.')[1], ["gitVersion"] = GitVersion });
        if (Discovery(request.Path) is { } resources) return Ok(resources);
        if (at is null || !Resources.TryGetValue(at.Group, out var known) || !known.Contains(at.Resource))
            throw new FakeStatusException(404, "NotFound", "the server could not find the requested resource");
        var metadataOnly = http.Headers.Accept.ToString().Contains("as=PartialObjectMetadata", StringComparison.Ordinal);
        switch (request.Verb)
        {
            case "LIST":
                return (200, Page(at, http, metadataOnly));
            case "GET":
                return at.Sub == "scale" ? Ok(FakeObjects.Scale(_objects.Get(at))) : (200, _objects.Get(at).Json(metadataOnly));
            case "DELETE":
                _objects.Delete(at);
                return Ok(new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["status"] = "Success" });
        }
        if (http.ContentType?.StartsWith("application/json-patch", StringComparison.Ordinal) == true)
            return (200, _objects.Patch(at, (JsonArray)JsonNode.Parse(body)!).Json(false));
        if (ReadBody(body) is not { } item) throw FakeStatusException.Invalid("the body is not a JSON object");
        if (at.Sub == "scale")
        {
            var spec = new JsonObject { ["spec"] = new JsonObject { ["replicas"] = item["spec"]?["replicas"]?.DeepClone() ?? 0 } };
            return Ok(FakeObjects.Scale(_objects.Merge(at with { Sub = null }, spec)));
        }
        return request.Verb switch
        {
            "POST" => (201, _objects.Create(at, item).Json(false)),
            "PUT" => (200, _objects.Replace(at, item).Json(false)),
            "PATCH" when http.ContentType?.StartsWith("application/apply-patch", StringComparison.Ordinal) == true => (200, _objects.Apply(
                at, item, (string?)http.Query["fieldManager"] ?? throw FakeStatusException.Invalid("fieldManager is required for apply patch")).Json(false)),
            "PATCH" => (200, _objects.Merge(at, item).Json(false)),
            _ => throw new FakeStatusException(405, "MethodNotAllowed", request.Verb),
        };
    }

    private JsonObject? Discovery(string path)
    {
        var group = path.StartsWith("/apis/", StringComparison.Ordinal) ? path["/apis/".Length..] : path == "/api/v1" ? "v1" : "";
        if (!Resources.TryGetValue(group.TrimEnd('/'), out var resources)) return null;
        return new JsonObject
        {
            ["kind"] = "APIResourceList",
            ["apiVersion"] = "v1",
            ["groupVersion"] = group,
            ["resources"] = new JsonArray([.. resources.Select(r => new JsonObject
            {
                ["name"] = r,
                ["singularName"] = "",
                ["namespaced"] = true,
                ["kind"] = r,
                ["verbs"] = new JsonArray("create", "delete", "get", "list", "patch", "update", "watch"),
            })]),
        };
    }

    /// <summary>Later pages come from the state of the first.</summary>
    private byte[] Page(FakePath at, HttpRequest http, bool metadataOnly)
    {
        var (version, items) = (_objects.Version, (List<FakeObjects.Stored>?)null);
        if ((string?)http.Query["continue"] is { } token)
            (version, items) = _pages.Remove(token, out var page) ? page : throw FakeStatusException.Expired();
        items ??= _objects.List(at, Selector(http));
        var next = "";
        if (int.TryParse(http.Query["limit"], out var limit) && limit > 0 && items.Count > limit)
        {
            _pages[next = Guid.NewGuid().ToString("N")] = (version, items[limit..]);
            items = items[..limit];
        }
        using var json = new MemoryStream();
        json.Write(Encoding.UTF8.GetBytes($$"""
            {"kind":"{{(metadataOnly ? "PartialObjectMetadataList" : "List")}}","apiVersion":"{{(metadataOnly ? "meta.k8s.io/v1" : at.Group)}}","metadata":{"resourceVersion":"{{version}}","continue":"{{next}}"},"items":
            """));
        // As old servers write an empty list of metadata.
        if (items.Count == 0 && metadataOnly)
        {
            json.Write("null}"u8);
            return json.ToArray();
        }
        json.WriteByte((byte)'[');
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0) json.WriteByte((byte)',');
            json.Write(items[i].Json(metadataOnly));
        }
        json.Write("]}"u8);
        return json.ToArray();
    }

    private async Task WatchAsync(HttpContext context, FakePath at)
    {
        var (http, gone) = (context.Request, context.RequestAborted);
        FakeWatch watch;
        lock (_lock)
        {
            watch = _objects.Watch(at, http.Path.Value!, Selector(http), http.Query["resourceVersion"],
                http.Headers.Accept.ToString().Contains("as=PartialObjectMetadata", StringComparison.Ordinal),
                http.Query["allowWatchBookmarks"] == "true");
        }
        try
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(gone);
            if (double.TryParse(http.Query["timeoutSeconds"], CultureInfo.InvariantCulture, out var seconds))
                end.CancelAfter(TimeSpan.FromSeconds(seconds));
            context.Response.ContentType = "application/json";
            await context.Response.Body.FlushAsync(gone);
            try
            {
                await foreach (var line in watch.Lines.Reader.ReadAllAsync(end.Token))
                {
                    await context.Response.Body.WriteAsync(line, gone);
                    if (watch.Lines.Reader.Count == 0) await context.Response.Body.FlushAsync(gone);
                }
            }
            catch (OperationCanceledException) when (!gone.IsCancellationRequested)
            {
                // timeoutSeconds are over; a silent watch does not even end.
                if (watch.Silent) await Task.Delay(Timeout.Infinite, gone);
            }
            if (watch.Cut) context.Abort();
        }
        finally
        {
            lock (_lock) _objects.Watches.Remove(watch);
        }
    }

    private static FakeSelector Selector(HttpRequest http) => new(http.Query["labelSelector"], http.Query["fieldSelector"]);

    private static JsonObject? ReadBody(string body)
    {
        try
        {
            return JsonNode.Parse(body) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static (int, byte[]) Ok(JsonObject body) => (200, JsonSerializer.SerializeToUtf8Bytes(body));

    private static JsonObject Status(int code, string reason, string message) => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["status"] = "Failure",
        ["code"] = code,
        ["reason"] = reason,
        ["message"] = message,
    };
}
