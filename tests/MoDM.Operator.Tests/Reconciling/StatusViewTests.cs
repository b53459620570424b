using System.Text.Json.Nodes;
using MoDM.Operator.Load;
using MoDM.Operator.Reconciling;
using MoDM.Operator.Resources;
using MoDM.Planning;

namespace MoDM.Operator.Tests.Reconciling;

public class StatusViewTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_same_facts_give_the_same_status_later()
    {
        // Complaint 27.
        var first = StatusView.Of(Facts(), null, mayShowLoad: true, Noon);

        Assert.Equal(Json(first), Json(StatusView.Of(Facts(), first, mayShowLoad: true, Noon.AddHours(1))));
    }

    [Fact]
    public void Noise_in_the_load_is_not_written()
    {
        var first = StatusView.Of(Facts(perMinute: 60), null, true, Noon);

        Assert.Equal(Json(first), Json(StatusView.Of(Facts(perMinute: 66), first, true, Noon.AddMinutes(1))));
        Assert.Equal(100, StatusView.Of(Facts(perMinute: 100), first, true, Noon.AddMinutes(1)).Load!.RequestsPerMinute);
        Assert.Equal(Json(first), Json(StatusView.Of(Facts(perMinute: 100), first, mayShowLoad: false, Noon.AddMinutes(1))));
    }

    [Fact]
    public void New_sizes_are_told_at_once_with_their_reason()
    {
        var first = StatusView.Of(Facts(), null, true, Noon);
        var next = StatusView.Of(Facts(sizes: [2, 2]), first, mayShowLoad: false, Noon.AddSeconds(1));

        Assert.Equal((2, 4), (next.Large!.Desired, next.Gpus));
        Assert.Equal("2 + 2, because", next.Plan!.Reason);
        Assert.Contains(EventWriter.Between(first, next), e => e is { Reason: "Planned", Message: "2 + 2, because" });
    }

    [Fact]
    public void No_metrics_is_a_condition_and_no_reason_to_be_not_ready()
    {
        // Complaint 3.
        var first = StatusView.Of(Facts(), null, true, Noon);
        var status = StatusView.Of(Facts() with { Load = null, Unknown = ("NotRead", "http://prometheus:9090 answered 500") }, first, true, Noon.AddMinutes(1));

        var metrics = Condition(status, "MetricsAvailable");
        Assert.Equal(("False", "http://prometheus:9090 answered 500; the sizes stay as they are"), (metrics.Status, metrics.Message));
        Assert.Equal(Noon.AddMinutes(1), metrics.LastTransitionTime);
        Assert.Equal(("True", Noon), (Condition(status, "Ready").Status, Condition(status, "Ready").LastTransitionTime));
        Assert.Equal((null, "Unknown"), (status.Load, status.Columns!.Slo));
    }

    [Fact]
    public void A_document_with_mistakes_names_them_all_and_the_last_good_one_stays_in_force()
    {
        var good = Documents.Resource();
        var resource = Documents.Resource(s => (s["steps"], s["gpuBudget"]) = (0, 0), generation: 2);
        resource.Status = System.Text.Json.JsonSerializer.SerializeToElement(new { accepted = new { generation = 1, spec = good.Spec } });

        var verdict = Verdict.Of(resource, "", Verdict.StatusOf(resource)?.Accepted);
        var status = StatusView.Of(Facts() with { Verdict = verdict, Generation = 2 }, null, true, Noon);

        var accepted = Condition(status, "Accepted");
        Assert.Equal("False", accepted.Status);
        Assert.Contains("spec.steps: is 0", accepted.Message, StringComparison.Ordinal);
        Assert.Contains("spec.gpuBudget: is 0", accepted.Message, StringComparison.Ordinal);
        Assert.EndsWith("Generation 1 stays in force.", accepted.Message, StringComparison.Ordinal);
        Assert.Equal((50, "True", 1), (verdict.InForce!.Spec.Steps, Condition(status, "Ready").Status, status.Accepted!.Generation));
    }

    [Fact]
    public void A_document_with_mistakes_keeps_the_last_good_one_in_force_also_before_any_status_was_seen()
    {
        var memory = new MixtureMemory { Uid = "uid-postcards" };
        Assert.Empty(memory.Read(Documents.Resource()).Problems);

        var verdict = memory.Read(Documents.Resource(s => s["steps"] = 0, generation: 2));

        Assert.NotEmpty(verdict.Problems);
        Assert.Equal((50, 1), (verdict.InForce?.Spec.Steps, verdict.Accepted?.Generation));
    }

    [Fact]
    public void A_first_document_with_mistakes_makes_nothing()
    {
        var verdict = Verdict.Of(Documents.Resource(s => s["steps"] = 0), "");
        var status = StatusView.Of(Facts() with { Verdict = verdict, Allocation = null, Ready = [], GatewayReady = false }, null, true, Noon);

        Assert.Null(verdict.InForce);
        Assert.Equal(("False", "NotAccepted"), (Condition(status, "Ready").Status, Condition(status, "Ready").Reason));
        Assert.Null(status.Accepted);
    }

    [Theory]
    [InlineData(false, 1, "NoGateway")]
    [InlineData(true, 0, "NoLargeWorker")]
    [InlineData(true, 1, "Serves")]
    public void Ready_means_that_hits_and_misses_are_served(bool gateway, int large, string reason)
    {
        var status = StatusView.Of(Facts() with { GatewayReady = gateway, Ready = [large, 0] }, null, true, Noon);

        Assert.Equal(reason, Condition(status, "Ready").Reason);
        Assert.Equal("False", Condition(status, "WorkersReady").Status);
        Assert.Equal($"{large}/1", status.Columns!.Large);
    }

    [Fact]
    public void More_late_answers_than_the_percentile_allows_is_a_missed_SLO()
    {
        Assert.Equal("Met", StatusView.Of(Facts(late: 1), null, true, Noon).Columns!.Slo);
        Assert.Equal("Missed", StatusView.Of(Facts(late: 2), null, true, Noon).Columns!.Slo);
    }

    [Fact]
    public void A_shared_cache_that_does_not_answer_is_a_condition_and_no_reason_to_be_not_ready()
    {
        var all = StatusView.Of(SharedFacts(new CacheReach(3, 0)), null, true, Noon);
        Assert.Equal(("True", "Reachable"), (Condition(all, "CacheAvailable").Status, Condition(all, "CacheAvailable").Reason));

        var some = StatusView.Of(SharedFacts(new CacheReach(3, 2)), all, true, Noon.AddMinutes(1));
        Assert.Equal(
            ("False", "StoreNotReachable", "the shared cache does not answer 2 of 3 gateways; their requests are misses, and are served"),
            (Condition(some, "CacheAvailable").Status, Condition(some, "CacheAvailable").Reason, Condition(some, "CacheAvailable").Message));
        Assert.Equal(Noon.AddMinutes(1), Condition(some, "CacheAvailable").LastTransitionTime);
        Assert.Equal("True", Condition(some, "Ready").Status);
        Assert.Contains(EventWriter.Between(all, some), e => e is { Warning: true, Reason: "StoreNotReachable" });
    }

    [Fact]
    public void What_is_not_known_of_the_cache_is_neither_good_nor_bad()
    {
        // Complaint 3.
        Assert.DoesNotContain(StatusView.Of(SharedFacts(null), null, true, Noon).Conditions, c => c.Type == "CacheAvailable");

        var before = StatusView.Of(SharedFacts(new CacheReach(3, 1)), null, true, Noon);
        var unknown = SharedFacts(null) with { Load = null, Unknown = ("NotRead", "no answer") };
        Assert.Equal(Condition(before, "CacheAvailable"), Condition(StatusView.Of(unknown, before, true, Noon.AddMinutes(1)), "CacheAvailable"));

        // An embedded cache is never away, whatever was so before.
        Assert.DoesNotContain(StatusView.Of(Facts() with { Load = SharedFacts(new CacheReach(1, 1)).Load }, before, true, Noon).Conditions, c => c.Type == "CacheAvailable");
    }

    private static StatusFacts SharedFacts(CacheReach? cache)
    {
        var facts = Facts();
        return facts with { Verdict = Verdict.Of(Documents.Resource(Documents.Shared()), ""), Load = facts.Load! with { Cache = cache } };
    }

    private static StatusFacts Facts(double perMinute = 60, int[]? sizes = null, double late = 0)
    {
        var spec = Documents.Mixture().Spec;
        sizes ??= [1, 1];
        var allocation = new Allocation([.. spec.Pools.Select((p, i) => new PoolSize(p, i == 0, sizes[i]))], $"{sizes[0]} + {sizes[1]}, because");
        var sample = new LoadSample { Seconds = 5, Misses = 1, Hits = 1, HitWork = 1, RaisedHitWork = 1, WaitingMisses = 0, WaitingHits = 0, Pools = [] };
        return new StatusFacts(
            1, Verdict.Of(Documents.Resource(), ""), allocation, GatewayReady: true, Ready: sizes,
            new MeasuredLoad(sample, 0, 0, 100, late), new Demand(perMinute / 120, perMinute / 120, 0.5, 0.4, 0, 0), null, []);
    }

    private static MixtureCondition Condition(MixtureStatus status, string type) => status.Conditions.Single(c => c.Type == type);

    private static string Json(MixtureStatus status) =>
        JsonNode.Parse(System.Text.Json.JsonSerializer.Serialize(status, StatusJson.Default.MixtureStatus))!.ToJsonString();
}
