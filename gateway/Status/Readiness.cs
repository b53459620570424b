using MoDM.Gateway.Fleet;

namespace MoDM.Gateway;

/// <summary>
/// Whether new requests should come here. In a cluster also without a worker, since they wait for one: were it otherwise, a
/// change of the model would leave the Service without endpoints.
/// </summary>
internal sealed class Readiness(
    WorkerRegistry workers, IHostApplicationLifetime lifetime, TimeProvider time, PodFleet? pods = null) : IHostedLifecycleService
{
    /// <summary>Until everybody who sends requests has heard that they should go elsewhere.</summary>
    private static readonly TimeSpan Notice = TimeSpan.FromSeconds(3);

    /// <summary>Null: they should.</summary>
    public string? WhyNot()
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested) return "it is stopping";
        if (pods is not null) return pods.Synced ? null : "the worker pods are not known yet";
        return workers.AnyReady(large: true) ? null : "no large worker is ready";
    }

    /// <summary>Before the server stops: it takes what still comes. On a single machine nobody has to hear of it.</summary>
    public Task StoppingAsync(CancellationToken cancellationToken) =>
        pods is null ? Task.CompletedTask : Task.Delay(Notice, time, cancellationToken);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
