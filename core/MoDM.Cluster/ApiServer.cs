using System.Net;
using k8s;

namespace MoDM.Cluster;

public sealed class ApiServerException(HttpStatusCode status, string reason, string message) : Exception(message)
{
    public HttpStatusCode Status => status;
    public string Reason => reason;
}

public sealed class ApiServer(KubernetesClientConfiguration config) : IDisposable
{
    public string Namespace => config.Namespace ?? "default";

    /// <summary>Called after every successful write, with its verb and path.</summary>
    public Action<string, string>? Wrote { get; set; }

    public static ApiServer Connect(string? kubeconfig = null) => throw new NotImplementedException();

    public Task<T?> GetAsync<T>(string path, CancellationToken cancel) => throw new NotImplementedException();

    public Task<T> ApplyAsync<T>(string path, T resource, CancellationToken cancel) => throw new NotImplementedException();

    public Task<T> CreateAsync<T>(string collectionPath, T resource, CancellationToken cancel) => throw new NotImplementedException();

    public Task<T> ReplaceAsync<T>(string path, T resource, CancellationToken cancel) => throw new NotImplementedException();

    public Task<T> MergePatchAsync<T>(string path, object patch, CancellationToken cancel) => throw new NotImplementedException();

    public Task<bool> DeleteAsync(string path, CancellationToken cancel) => throw new NotImplementedException();

    public Task<bool> HasAsync(string groupVersion, string resource, CancellationToken cancel) => throw new NotImplementedException();

    public void Dispose()
    {
    }
}
