using System.Text.Json.Nodes;

namespace MoDM.Operator.Resources;

/// <summary>
/// The rules of <see cref="Mixture.MixtureValidator"/> that fit into CEL, so that kubectl refuses what breaks them; the
/// operator checks them all again.
/// </summary>
internal static class CelRules
{
    private const string Story = "(has(self.modality) && self.modality == 'Story')";
    private const string OneGateway = "!has(self.gateway) || !has(self.gateway.replicas) || self.gateway.replicas < 2";
    private const string NoTokensPerDay =
        "!has(self.large) || !has(self.large.openAI) || !has(self.large.openAI.tokensPerDay) || self.large.openAI.tokensPerDay == 0";
    private const string Replicas = "!has(self.max) || self.max >= (has(self.min) ? self.min : 0)";

    public static readonly (string At, string Rule, string Message)[] All =
    [
        ("", "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name names a Service: a lower-case letter first, then letters, digits and inner dashes, at most 40"),
        ("spec", $"{Story} || (has(self.large) && has(self.large.model) && has(self.cache))",
            "an Image mixture needs large.model and cache"),
        ("spec", $"!({Story}) || (has(self.small) && self.small.size() == 1 && !has(self.cache) && !(has(self.large) && has(self.large.model)))",
            "a Story mixture has one model of its own in small, an external one in large.openAI, and no cache"),
        ("spec", $"{Story} || !has(self.small) || self.small.size() == 0 || (has(self.cache) && has(self.cache.hits) && self.cache.hits.size() > 0)",
            "cache.hits is empty, so no request would ever reach a small model; list at least one {similarity, skip}"),
        ("spec", "!has(self.small) || self.small.all(a, self.small.filter(b, b.name == a.name).size() == 1)",
            "every small model needs a name of its own"),
        ("spec", "!has(self.large) || !has(self.large.replicas) || !has(self.large.replicas.max) || self.large.replicas.max > 0",
            "large.replicas.max is 0; misses need at least one large worker"),
        ("spec", $"{OneGateway} || {Story} || (has(self.cache) && has(self.cache.store) && has(self.cache.store.shared))",
            "gateway.replicas is above 1, but an embedded cache belongs to one gateway; give cache.store.shared, or leave it at 1"),
        ("spec", $"{OneGateway} || !({Story}) || {NoTokensPerDay}",
            "gateway.replicas is above 1, but each gateway counts large.openAI.tokensPerDay for itself; leave it at 1, or set no tokensPerDay"),
        ("spec.large.replicas", Replicas, "max is below min; raise max or lower min"),
        ("spec.small[].replicas", Replicas, "max is below min; raise max or lower min"),
        ("spec.cache", "!has(self.hits) || self.hits.all(a, self.hits.all(b, a.similarity >= b.similarity || a.skip < b.skip))",
            "hits must rise in both: a higher similarity skips more"),
        ("spec.cache.store", "!(has(self.embedded) && has(self.shared))",
            "shared is given beside embedded; images are in one of them: leave the other out"),
    ];

    public static void AddTo(JsonObject root)
    {
        foreach (var (at, rule, message) in All)
        {
            var schema = (JsonNode)root;
            foreach (var step in at.Split('.', StringSplitOptions.RemoveEmptyEntries))
                schema = step.EndsWith("[]", StringComparison.Ordinal) ? schema["properties"]![step[..^2]]!["items"]! : schema["properties"]![step]!;
            var rules = (JsonArray)(schema["x-kubernetes-validations"] ??= new JsonArray());
            rules.Add(new JsonObject { ["rule"] = rule, ["message"] = message });
        }
    }
}
