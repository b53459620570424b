using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using k8s;
using k8s.Models;

namespace MoDM.Cluster;

/// <summary>
/// The one exception of <see cref="ApiServer"/> besides cancellation by the caller. <see cref="Status"/> is 0 when there
/// was no answer: <see cref="Reason"/> is then "Timeout" or "Unreachable", and a write may or may not have taken effect.
/// </summary>
public sealed class ApiServerException(HttpStatusCode status, string reason, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public HttpStatusCode Status => status;

    /// <summary>As the API server names it: "NotFound", "Conflict", "AlreadyExists", "Expired" and so on.</summary>
    public string Reason => reason;
}

/// <summary>
/// The Kubernetes API over HTTP. Configuration, TLS and credentials (a pod's token is read again as it rotates) are
/// KubernetesClient's; the requests are ours, so that what is sent can be read here. Thread-safe.
/// </summary>
public sealed class ApiServer : IDisposable
{
    private const string Json = "application/json";
    private readonly Kubernetes _client;
    private readonly string _host;

    public ApiServer(KubernetesClientConfiguration config)
    {
        Namespace = string.IsNullOrEmpty(config.Namespace) ? "default" : config.Namespace;
        var setup = config.FirstMessageHandlerSetup;
        config.FirstMessageHandlerSetup = handler =>
        {
            // The API server is never behind the proxy of HTTPS_PROXY.
            handler.UseProxy = false;
            handler.ConnectCallback = ConnectAsync;
            setup?.Invoke(handler);
        };
        _client = new Kubernetes(config);
        _client.HttpClient.Timeout = System.Threading.Timeout.InfiniteTimeSpan;
        var agent = _client.HttpClient.DefaultRequestHeaders.UserAgent;
        agent.Clear();
        agent.ParseAdd(string.IsNullOrEmpty(config.UserAgent) ? "modm" : config.UserAgent);
        _host = _client.BaseUri.ToString().TrimEnd('/');
    }

    /// <summary>Of the pod or of the kubeconfig's context.</summary>
    public string Namespace { get; }

    /// <summary>Called after every successful write, with its HTTP method and path.</summary>
    public Action<string, string>? Wrote { get; set; }

    /// <summary>For an answer; for a watch, for the answer's headers.</summary>
    internal TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The pod's own account in a cluster, else KUBECONFIG or ~/.kube/config.</summary>
    public static ApiServer Connect(string? kubeconfig = null)
    {
        if (kubeconfig is not null)
            return new ApiServer(KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig));
        return new ApiServer(KubernetesClientConfiguration.IsInCluster()
            ? KubernetesClientConfiguration.InClusterConfig()
            : KubernetesClientConfiguration.BuildDefaultConfig());
    }

    /// <summary>Null when there is none.</summary>
    public async Task<T?> GetAsync<T>(string path, CancellationToken cancel)
    {
        try
        {
            return await ReadAsync<T>(path, Json, cancel);
        }
        catch (ApiServerException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return default;
        }
    }

    /// <summary>Server-side apply: the fields of <paramref name="resource"/> are ours, those we no longer name are removed.</summary>
    public Task<T> ApplyAsync<T>(string path, T resource, CancellationToken cancel) =>
        WriteAsync<T>(HttpMethod.Patch, path, "force=true", "application/apply-patch+yaml", resource!, cancel);

    public Task<T> CreateAsync<T>(string collectionPath, T resource, CancellationToken cancel) =>
        WriteAsync<T>(HttpMethod.Post, collectionPath, null, Json, resource!, cancel);

    /// <summary>Refused with 409 when <paramref name="resource"/> has another resourceVersion than the server's.</summary>
    public Task<T> ReplaceAsync<T>(string path, T resource, CancellationToken cancel) =>
        WriteAsync<T>(HttpMethod.Put, path, null, Json, resource!, cancel);

    /// <summary>
    /// A null in a dictionary or JSON node removes the field; a property of a class or anonymous object that is null is
    /// not sent at all.
    /// </summary>
    public Task<T> MergePatchAsync<T>(string path, object patch, CancellationToken cancel) =>
        WriteAsync<T>(HttpMethod.Patch, path, null, "application/merge-patch+json", patch, cancel);

    /// <summary>
    /// A whole status in place of the last, by JSON patch (RFC 6902): a server-side apply that no longer names a field of a
    /// custom resource sets it to null in Kubernetes 1.20, which its schema then refuses.
    /// </summary>
    /// <param name="path">Without /status.</param>
    /// <param name="uid">Refused when the object has another one: it was deleted and made again.</param>
    public Task<JsonElement> WriteStatusAsync(string path, string uid, JsonElement status, CancellationToken cancel) =>
        WriteAsync<JsonElement>(HttpMethod.Patch, $"{path}/status", null, "application/json-patch+json", new object[]
        {
            new { op = "test", path = "/metadata/uid", value = uid },
            new { op = "add", path = "/status", value = status },
        }, cancel);

    /// <summary>False when there is none. What it owns is deleted after it.</summary>
    public async Task<bool> DeleteAsync(string path, CancellationToken cancel)
    {
        try
        {
            await CallAsync(HttpMethod.Delete, WithQuery(path, "propagationPolicy=Background"), null, Json, cancel);
        }
        catch (ApiServerException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return false;
        }
        Wrote?.Invoke("DELETE", path);
        return true;
    }

    /// <summary>Whether the server knows a resource: "policy/v1", "poddisruptionbudgets".</summary>
    public async Task<bool> HasAsync(string groupVersion, string resource, CancellationToken cancel)
    {
        var path = groupVersion.Contains('/', StringComparison.Ordinal) ? $"/apis/{groupVersion}" : $"/api/{groupVersion}";
        var list = await GetAsync<V1APIResourceList>(path, cancel);
        return list?.Resources?.Any(r => r.Name == resource) == true;
    }

    public void Dispose() => _client.Dispose();

    internal async Task<T> ReadAsync<T>(string path, string accept, CancellationToken cancel) =>
        Parse<T>(HttpMethod.Get, path, await CallAsync(HttpMethod.Get, path, null, accept, cancel));

    /// <summary>Returns when the headers are there; the caller reads the body, line by line, and disposes of the response.</summary>
    internal async Task<HttpResponseMessage> WatchAsync(string path, string accept, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Timeout);
        HttpResponseMessage? response = null;
        try
        {
            response = await SendAsync(HttpMethod.Get, path, null, accept, limit.Token);
            if (response.IsSuccessStatusCode)
                return response;
            throw Refused(HttpMethod.Get, path, response.StatusCode, await response.Content.ReadAsByteArrayAsync(limit.Token));
        }
        catch (Exception e)
        {
            response?.Dispose();
            if (IsFailure(e)) throw Unanswered(HttpMethod.Get, path, e, cancel);
            throw;
        }
    }

    private async Task<T> WriteAsync<T>(
        HttpMethod method, string path, string? query, string type, object body, CancellationToken cancel)
    {
        // Lists leave kind and version out of their items, but a server-side apply must name them.
        if (body is IKubernetesObject { Kind: null or "" } typed)
            (typed.ApiVersion, typed.Kind) = (body.GetType().GetKubernetesTypeMetadata() is var meta && meta.Group.Length > 0
                ? $"{meta.Group}/{meta.ApiVersion}" : meta.ApiVersion, meta.Kind);
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(KubernetesJson.Serialize(body)))
        {
            Headers = { ContentType = new MediaTypeHeaderValue(type) },
        };
        var target = WithQuery(path, $"fieldManager={ClusterNames.FieldManager}");
        var answer = await CallAsync(method, query is null ? target : WithQuery(target, query), content, Json, cancel);
        Wrote?.Invoke(method.Method, path);
        return Parse<T>(method, path, answer);
    }

    private async Task<byte[]> CallAsync(
        HttpMethod method, string path, HttpContent? content, string accept, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Timeout);
        try
        {
            using var response = await SendAsync(method, path, content, accept, limit.Token);
            var body = await response.Content.ReadAsByteArrayAsync(limit.Token);
            return response.IsSuccessStatusCode ? body : throw Refused(method, path, response.StatusCode, body);
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Unanswered(method, path, e, cancel);
        }
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? content, string accept, CancellationToken cancel)
    {
        // HTTP/1.1: a dead connection costs the one request on it, not all that share it.
        using var request = new HttpRequestMessage(method, _host + path) { Content = content };
        request.Headers.Accept.ParseAdd(accept);
        if (_client.Credentials is { } credentials)
            await credentials.ProcessHttpRequestAsync(request, cancel);
        return await _client.HttpClient.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
    }

    /// <summary>TCP keep-alive, so that a watch on a peer that is gone without a word ends within a minute.</summary>
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            await socket.ConnectAsync(context.DnsEndPoint, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static string WithQuery(string path, string query) =>
        path + (path.Contains('?', StringComparison.Ordinal) ? '&' : '?') + query;

    /// <summary>For messages: the path without the query.</summary>
    private static string What(HttpMethod method, string path) => $"{method} {path.Split('?')[0]}";

    private static bool IsFailure(Exception e) => e is HttpRequestException or IOException or OperationCanceledException;

    private static Exception Unanswered(HttpMethod method, string path, Exception e, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested)
            return new OperationCanceledException(e.Message, e, cancel);
        var late = e is OperationCanceledException;
        return new ApiServerException(
            0, late ? "Timeout" : "Unreachable", $"{What(method, path)}: {(late ? "no answer in time" : e.Message)}", e);
    }

    private static T Parse<T>(HttpMethod method, string path, byte[] body)
    {
        try
        {
            return KubernetesJson.Deserialize<T>(new MemoryStream(body));
        }
        catch (JsonException e)
        {
            throw new ApiServerException(HttpStatusCode.OK, "Unreadable", $"{What(method, path)}: not what was asked for: {e.Message}", e);
        }
    }

    private static ApiServerException Refused(HttpMethod method, string path, HttpStatusCode status, byte[] body)
    {
        var (reason, message) = (status.ToString(), Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, 300))));
        try
        {
            var answer = KubernetesJson.Deserialize<V1Status>(new MemoryStream(body));
            (reason, message) = (answer.Reason ?? reason, answer.Message ?? message);
        }
        catch (JsonException)
        {
            // A proxy's page rather than a Status: the beginning of its text says enough.
        }
        return new ApiServerException(status, reason, $"{What(method, path)}: {(int)status} {reason}: {message}");
    }
}
