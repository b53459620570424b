using System.Text.Json;
using Microsoft.Extensions.Options;
using MoDM.Cluster;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway;

/// <summary>
/// Takes over what changes in the mixture's resource while the gateway runs. What needs another process is left to the
/// operator, which replaces this one.
/// </summary>
internal sealed partial class MixtureWatch(
    ClusterResource resource, CurrentMixture current, LoadMeter meter, IOptions<HostOptions> host, TimeProvider time, ILogger<MixtureWatch> log)
    : BackgroundService
{
    /// <summary>The last one that was looked at: most changes are of the status only.</summary>
    private JsonElement _document;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var watch = new ListWatch<MixtureObject>(
            resource.Api, ClusterNames.Mixtures(resource.Api.Namespace), ClusterNames.ByName(resource.Name), time, log);
        watch.Changed += Look;
        await watch.RunAsync(stoppingToken);
    }

    private void Look(WatchChange<MixtureObject> change)
    {
        if (change.Kind == ChangeKind.Deleted) return; // What is left of it is served until this pod is deleted too.
        var document = change.Item.AcceptedDocument();
        if (_document.ValueKind != JsonValueKind.Undefined && JsonElement.DeepEquals(document, _document)) return;
        var first = _document.ValueKind == JsonValueKind.Undefined;
        _document = document;

        var (next, problems) = MixtureReader.Read(document);
        if (next is null)
            Log.Invalid(log, resource.Name, string.Join(' ', problems));
        else if (CurrentMixture.WhyNot(current.Now, next) is { } reason)
            Log.LeftToOperator(log, resource.Name, reason);
        else
            Take(next, quietly: first);
    }

    private void Take(ModelMixture next, bool quietly)
    {
        meter.StepsChanged(current.Now.Spec.Steps, next.Spec.Steps);
        current.Take(next);
        host.Value.ShutdownTimeout = CurrentMixture.StopsWithin(next); // Read when the host stops.
        if (!quietly) Log.Taken(log, resource.Name);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "ModelMixture {Name} has changed, and is served as it is now")]
        public static partial void Taken(ILogger log, string name);

        [LoggerMessage(2, LogLevel.Warning, "ModelMixture {Name} has changed and is served as it was: {Reason}. A new gateway is needed")]
        public static partial void LeftToOperator(ILogger log, string name, string reason);

        [LoggerMessage(3, LogLevel.Warning, "ModelMixture {Name} has changed and is served as it was, since it has mistakes: {Problems}")]
        public static partial void Invalid(ILogger log, string name, string problems);
    }
}
