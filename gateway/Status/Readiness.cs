using MoDM.Gateway.Fleet;

namespace MoDM.Gateway;

/// <summary>
/// Whether requests should be sent here. On one machine that is so once a large worker can draw. A gateway in a cluster is
/// ready without: while a pool rolls, requests wait in its queue rather than find a Service without endpoints.
/// </summary>
internal sealed class Readiness(GatewayOptions options, WorkerRegistry workers, IServiceProvider services)
{
    private volatile bool _stopping;

    /// <summary>It is about to end.</summary>
    public void Stop() => _stopping = true;

    /// <summary>Why it is not ready; null: it is.</summary>
    public string? Why()
    {
        if (_stopping) return "this gateway is about to end";
        if (options.Cluster is null) return workers.AnyReady(large: true) ? null : "no large worker is ready";
        return services.GetRequiredService<PodFleet>().Synced ? null : "the worker pods have not been listed yet";
    }
}
