using Google.Protobuf.Collections;
using Qdrant.Client.Grpc;

namespace MoDM.Fakes;

/// <summary>Values in a payload, by Qdrant's paths: names with dots between them, "[]" behind one whose elements are meant.</summary>
internal static class FakeQdrantPayload
{
    /// <summary>What stands at a path; a list that the path does not open counts as one value.</summary>
    public static List<Value> Raw(IDictionary<string, Value> payload, string path)
    {
        var dot = path.IndexOf('.', StringComparison.Ordinal);
        var (head, rest) = dot < 0 ? (path, null) : (path[..dot], path[(dot + 1)..]);
        var each = head.EndsWith("[]", StringComparison.Ordinal);
        if (head.Length == 0 || (each ? head[..^2] : head).IndexOfAny(['[', ']', '"']) >= 0)
            throw FakeQdrantRefusal.Unimplemented($"the path {path}");
        if (!payload.TryGetValue(each ? head[..^2] : head, out var found)) return [];
        List<Value> values = !each ? [found] : found.KindCase == Value.KindOneofCase.ListValue ? [.. found.ListValue.Values] : [];
        if (rest is null) return values;
        return [.. values.Where(v => v.KindCase == Value.KindOneofCase.StructValue).SelectMany(v => Raw(v.StructValue.Fields, rest))];
    }

    /// <summary>What a condition looks at: of a list each element.</summary>
    public static IEnumerable<Value> Each(IDictionary<string, Value> payload, string path) =>
        Raw(payload, path).SelectMany(v => v.KindCase == Value.KindOneofCase.ListValue ? v.ListValue.Values : [v]);

    public static double? Number(Value value) => value.KindCase switch
    {
        Value.KindOneofCase.IntegerValue => value.IntegerValue,
        Value.KindOneofCase.DoubleValue => value.DoubleValue,
        _ => null,
    };

    /// <param name="byDefault">Whether the request without a selector gets everything; it differs by RPC.</param>
    public static void Select(WithPayloadSelector? selector, MapField<string, Value> from, MapField<string, Value> into, bool byDefault)
    {
        var chosen = selector?.SelectorOptionsCase switch
        {
            WithPayloadSelector.SelectorOptionsOneofCase.Enable => selector.Enable ? from : [],
            WithPayloadSelector.SelectorOptionsOneofCase.Include => from.Where(f => TopLevel(selector.Include.Fields).Contains(f.Key)),
            WithPayloadSelector.SelectorOptionsOneofCase.Exclude => from.Where(f => !TopLevel(selector.Exclude.Fields).Contains(f.Key)),
            _ => byDefault ? from : Enumerable.Empty<KeyValuePair<string, Value>>(),
        };
        foreach (var (name, value) in chosen)
            into[name] = value.Clone();
    }

    public static RepeatedField<string> TopLevel(RepeatedField<string> keys) =>
        keys.FirstOrDefault(k => k.IndexOfAny(['.', '[']) >= 0) is { } path ? throw FakeQdrantRefusal.Unimplemented($"the path {path} here") : keys;
}
