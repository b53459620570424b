using System.Globalization;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Operator.Cluster;
using MoDM.Operator.Resources;

namespace MoDM.Operator.Reconciling;

/// <summary>What happened to a mixture, for <c>kubectl describe</c>: conditions that changed, and new sizes with their reason.</summary>
internal sealed partial class EventWriter(ApiServer api, OperatorOptions options, TimeProvider time, ILogger<EventWriter> log)
{
    /// <summary>What there is to tell of the way from one status to the next.</summary>
    public static IEnumerable<(bool Warning, string Reason, string Message)> Between(MixtureStatus? before, MixtureStatus after)
    {
        foreach (var condition in after.Conditions.Where(c => c.Type is "Accepted" or "MetricsAvailable" or "CacheAvailable" or "Ready"))
        {
            var last = before?.Conditions.FirstOrDefault(c => c.Type == condition.Type);
            if (last?.Status == condition.Status && (condition.Type != "Accepted" || last.Message == condition.Message)) continue;
            // Nothing is ready at first: that is no news.
            if (last is null && condition.Status == "False" && condition.Type != "Accepted") continue;
            yield return (condition.Status == "False", condition.Reason, $"{condition.Type} is {condition.Status}: {condition.Message}");
        }
        if (after.Plan is { } plan && Sizes(before) is var sizes && sizes != Sizes(after) && (sizes.Length > 0 || before is null))
            yield return (false, "Planned", plan.Reason);
    }

    /// <summary>An event that cannot be written is not worth a second try.</summary>
    public async Task WriteAsync(ObjectKey key, string uid, IEnumerable<(bool Warning, string Reason, string Message)> events, CancellationToken cancel)
    {
        foreach (var (warning, reason, message) in events)
        {
            Log.Happened(log, warning ? LogLevel.Warning : LogLevel.Information, key.Namespace, key.Name, reason, message);
            var now = time.GetUtcNow().UtcDateTime;
            try
            {
                await api.CreateAsync($"/api/v1/namespaces/{key.Namespace}/events", new Corev1Event
                {
                    ApiVersion = "v1",
                    Kind = "Event",
                    Metadata = new V1ObjectMeta
                    {
                        Name = $"{key.Name}.{time.GetUtcNow().UtcTicks.ToString("x", CultureInfo.InvariantCulture)}",
                        NamespaceProperty = key.Namespace,
                    },
                    InvolvedObject = new V1ObjectReference
                    {
                        ApiVersion = Mixture.ModelMixture.ApiVersion,
                        Kind = Mixture.ModelMixture.Kind,
                        Name = key.Name,
                        NamespaceProperty = key.Namespace,
                        Uid = uid,
                    },
                    Type = warning ? "Warning" : "Normal",
                    Reason = reason,
                    Message = message.Length <= 1000 ? message : message[..1000],
                    Source = new V1EventSource { Component = ClusterNames.FieldManager },
                    ReportingComponent = ClusterNames.FieldManager,
                    ReportingInstance = options.Identity,
                    FirstTimestamp = now,
                    LastTimestamp = now,
                    Count = 1,
                }, cancel);
            }
            catch (ApiServerException e)
            {
                Log.NotWritten(log, e.Message);
            }
        }
    }

    private static string Sizes(MixtureStatus? status) => status is null ? ""
        : string.Join(' ', (status.Large is { } large ? status.Small.Prepend(large) : status.Small).Select(p => $"{p.Desired} {p.Name}"));

    private static partial class Log
    {
        [LoggerMessage(Message = "{Namespace}/{Name}: {Reason}: {Message}")]
        public static partial void Happened(ILogger log, LogLevel level, string @namespace, string name, string reason, string message);

        [LoggerMessage(Level = LogLevel.Warning, Message = "An event could not be written: {Reason}")]
        public static partial void NotWritten(ILogger log, string reason);
    }
}
