using System.Globalization;
using MoDM.Mixture;
using MoDM.Operator.Load;
using MoDM.Operator.Resources;
using MoDM.Operator.Specs;
using MoDM.Planning;

namespace MoDM.Operator.Reconciling;

/// <summary>What the status is made from.</summary>
/// <param name="Refused">What the API server would not have; null: nothing.</param>
internal sealed record StatusFacts(
    long Generation, Verdict Verdict, Allocation? Allocation, bool GatewayReady, IReadOnlyList<int> Ready, MeasuredLoad? Load, Demand? Demand,
    (string Reason, string Why)? Unknown, IReadOnlyList<ColdStartStatus> ColdStarts, string? Refused = null);

/// <summary>From facts to a status, without a clock but for the conditions' times; the same facts give the same status.</summary>
internal static class StatusView
{
    /// <summary>What a number of the load has to move by before it is written again.</summary>
    private const double NoticeableShare = 0.25;
    private const double NoticeablePerMinute = 3;

    /// <param name="mayShowLoad">Enough time has passed since the load was last written.</param>
    public static MixtureStatus Of(StatusFacts facts, MixtureStatus? before, bool mayShowLoad, DateTimeOffset now)
    {
        var pools = facts.Allocation?.Pools.Select((p, i) => new PoolStatus
        {
            Name = p.Pool.Name,
            Desired = p.Replicas,
            Ready = facts.Ready[i],
        }).ToList() ?? [];
        var load = LoadOf(facts);
        var plan = PlanOf(facts.Allocation);
        var same = before is not null && plan?.Degrade == before.Plan?.Degrade && (load is null) == (before.Load is null)
            && pools.Select(p => (p.Name, p.Desired)).SequenceEqual(PoolsOf(before).Select(p => (p.Name, p.Desired)));
        // The numbers, and the reasons that quote them, are noise until they have moved.
        if (same && !(mayShowLoad && Moved(load, before!.Load))) (load, plan) = (before!.Load, before.Plan);
        var slo = SloOf(facts, before);
        // A Story mixture's large model has no workers here.
        var story = facts.Verdict.InForce is { Spec.Modality: Modality.Story } told ? told.Spec : null;
        var (largePool, smallPools) = story is null && pools.Count > 0 ? (pools[0], pools[1..]) : (null, pools);
        return new MixtureStatus
        {
            ObservedGeneration = facts.Generation,
            Conditions = Conditions(facts, pools, before, now),
            Large = largePool,
            Small = smallPools,
            Gpus = facts.Allocation?.Gpus ?? 0,
            Selector = facts.Verdict.InForce is { } mixture ? string.Join(',', mixture.WorkerSelector().Select(l => $"{l.Key}={l.Value}")) : null,
            Load = load,
            Plan = plan,
            ColdStart = facts.ColdStarts,
            Accepted = facts.Verdict.Accepted,
            Columns = new ShownColumns
            {
                Large = largePool is null ? story?.External?.Name : $"{largePool.Ready}/{largePool.Desired}",
                Small = smallPools.Count > 0 ? $"{smallPools.Sum(p => p.Ready)}/{smallPools.Sum(p => p.Desired)}" : null,
                RequestsPerMinute = Text(load?.RequestsPerMinute, "0.#"),
                HitRate = Text(load?.HitRate, "0%"),
                Slo = slo,
            },
        };
    }

    private static LoadStatus? LoadOf(StatusFacts facts) => facts is { Load: { } load, Demand: { } demand } ? new LoadStatus
    {
        RequestsPerMinute = Math.Round(demand.Rate * 60, 1),
        HitRate = demand.Rate > 0 ? Math.Round(demand.HitShare, 2) : null,
        MeanRemainingWork = demand.HitRate > 0 ? Math.Round(demand.HitWork, 2) : null,
        Queued = load.Queued,
        InFlight = load.InFlight,
    } : null;

    private static PlanStatus? PlanOf(Allocation? allocation) => allocation is null ? null : new PlanStatus
    {
        Reason = allocation.Reason,
        Degrade = allocation.Degrade.ToString(),
        PredictedLatencySeconds = allocation.PredictedLatency is { } latency ? Math.Round(latency.TotalSeconds, 1) : null,
    };

    private static bool Moved(LoadStatus? now, LoadStatus? before)
    {
        if (now is null || before is null) return now != before;
        var (rate, shown) = (now.RequestsPerMinute ?? 0, before.RequestsPerMinute ?? 0);
        return Math.Abs(rate - shown) > Math.Max(NoticeablePerMinute, NoticeableShare * shown)
            || rate == 0 != (shown == 0)
            || Math.Abs((now.HitRate ?? 0) - (before.HitRate ?? 0)) > NoticeableShare
            || now.Queued == 0 != (before.Queued == 0) || now.Queued > 2 * before.Queued || 2 * now.Queued < before.Queued;
    }

    private static string SloOf(StatusFacts facts, MixtureStatus? before)
    {
        if (facts.Verdict.InForce is not { } mixture || facts.Load is not { } load) return facts.Unknown is null ? before?.Columns?.Slo ?? "Unknown" : "Unknown";
        return load.Late > (1 - mixture.Spec.Slo.Percentile / 100) * load.Answered ? "Missed" : "Met";
    }

    private static List<MixtureCondition> Conditions(StatusFacts facts, List<PoolStatus> pools, MixtureStatus? before, DateTimeOffset now)
    {
        MixtureCondition Condition(string type, bool holds, string reason, string message)
        {
            var status = holds ? "True" : "False";
            var last = before?.Conditions.FirstOrDefault(c => c.Type == type);
            return new MixtureCondition
            {
                Type = type,
                Status = status,
                Reason = reason,
                Message = message,
                ObservedGeneration = facts.Generation,
                LastTransitionTime = last?.Status == status ? last.LastTransitionTime : now,
            };
        }

        // Of a shared cache. What is not known stays as it was last known: it is neither good nor bad.
        IEnumerable<MixtureCondition> CacheAvailable()
        {
            if (facts.Verdict.InForce?.Spec.Cache.Shared is null) return [];
            if (facts.Load?.Cache is not { } cache) return before?.Conditions.Where(c => c.Type == "CacheAvailable") ?? [];
            return
            [
                cache.Unanswered == 0 ? Condition("CacheAvailable", true, "Reachable", "the shared cache answers")
                    : Condition("CacheAvailable", false, "StoreNotReachable", $"the shared cache does not answer {cache.Unanswered} of "
                        + $"{cache.Gateways} gateways; their requests are misses, and are served"),
            ];
        }

        var (problems, inForce) = (facts.Verdict.Problems, facts.Verdict.InForce);
        var counts = string.Join(", ", pools.Select(p => $"{p.Ready}/{p.Desired} {p.Name}"));
        var complete = pools.Count > 0 && pools.All(p => p.Ready >= p.Desired);
        var large = pools.Count > 0 && (pools[0].Ready > 0 || pools[0].Desired == 0);
        return
        [
            (problems.Count, facts.Refused) is (0, null) ? Condition("Accepted", true, "Valid", "the document is in force")
                : problems.Count == 0 ? Condition("Accepted", false, "Refused", $"The API server refuses what the document asks for: {facts.Refused}")
                : Condition("Accepted", false, "Invalid", string.Join(" ", problems) + (inForce is null ? "" : $" Generation {facts.Verdict.Accepted!.Generation} stays in force.")),
            facts.Unknown is var (reason, why)
                ? Condition("MetricsAvailable", false, reason, $"{why}; the sizes stay as they are")
                : Condition("MetricsAvailable", true, "Read", "the load is read from Prometheus"),
            Condition("GatewayReady", facts.GatewayReady, facts.GatewayReady ? "Available" : "NotAvailable",
                facts.GatewayReady ? "the gateway answers" : "no gateway pod is ready; see its pod's events and log"),
            .. CacheAvailable(),
            Condition("WorkersReady", complete, complete ? "AsPlanned" : "NotYet", counts.Length > 0 ? counts : "nothing is planned yet"),
            (inForce, facts.GatewayReady, large) switch
            {
                (null, _, _) => Condition("Ready", false, "NotAccepted", "the document has mistakes, and none was in force before"),
                (_, false, _) => Condition("Ready", false, "NoGateway", "no gateway pod is ready"),
                (_, _, false) => Condition("Ready", false, "NoLargeWorker", inForce.Spec.Modality == Modality.Story
                    ? "no worker is ready to write what falls back" : "no worker of the large model is ready, so misses wait"),
                _ => Condition("Ready", true, "Serves", inForce.Spec.Modality == Modality.Story ? "texts are written" : "hits and misses are served"),
            },
        ];
    }

    private static IEnumerable<PoolStatus> PoolsOf(MixtureStatus status) => status.Large is { } large ? status.Small.Prepend(large) : status.Small;

    private static string? Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture);
}
