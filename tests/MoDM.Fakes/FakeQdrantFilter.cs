using Google.Protobuf.Collections;
using Qdrant.Client.Grpc;

namespace MoDM.Fakes;

/// <summary>Qdrant's filters: which points pass, and which index each condition needs in strict mode.</summary>
internal static class FakeQdrantFilter
{
    private static readonly PayloadSchemaType[] AnyType = [.. Enum.GetValues<PayloadSchemaType>().Where(t => t != PayloadSchemaType.UnknownType)];

    /// <summary>Refuses what the fake cannot judge and, with <paramref name="indexes"/>, what would have no index.</summary>
    public static void Check(Filter? filter, IReadOnlyDictionary<string, PayloadSchemaInfo>? indexes, string within = "")
    {
        if (filter is null) return;
        foreach (var condition in filter.Must.Concat(filter.Should).Concat(filter.MustNot).Concat(filter.MinShould?.Conditions ?? []))
            Check(condition, indexes, within);
    }

    public static bool Matches(Filter? filter, FakeQdrantId id, IDictionary<string, Value> payload)
    {
        if (filter is null) return true;
        bool Pass(Condition c) => Matches(c, id, payload);
        return filter.Must.All(Pass)
            && (filter.Should.Count == 0 || filter.Should.Any(Pass))
            && !filter.MustNot.Any(Pass)
            && (filter.MinShould is null || (ulong)filter.MinShould.Conditions.Count(Pass) >= filter.MinShould.MinCount);
    }

    private static void Check(Condition condition, IReadOnlyDictionary<string, PayloadSchemaInfo>? indexes, string within)
    {
        switch (condition.ConditionOneOfCase)
        {
            case Condition.ConditionOneOfOneofCase.Field:
                NeedIndex(within + condition.Field.Key, TypesFor(condition.Field), indexes);
                break;
            case Condition.ConditionOneOfOneofCase.IsEmpty:
                NeedIndex(within + condition.IsEmpty.Key, AnyType, indexes);
                break;
            case Condition.ConditionOneOfOneofCase.IsNull:
                NeedIndex(within + condition.IsNull.Key, AnyType, indexes);
                break;
            case Condition.ConditionOneOfOneofCase.HasId when within.Length == 0:
                foreach (var id in condition.HasId.HasId)
                    _ = FakeQdrantId.From(id);
                break;
            case Condition.ConditionOneOfOneofCase.Filter:
                Check(condition.Filter, indexes, within);
                break;
            case Condition.ConditionOneOfOneofCase.Nested:
                Check(condition.Nested.Filter, indexes, $"{within}{condition.Nested.Key}[].");
                break;
            case Condition.ConditionOneOfOneofCase.None:
                throw FakeQdrantRefusal.Malformed("Malformed Condition type");
            default:
                throw FakeQdrantRefusal.Unimplemented($"the condition {condition.ConditionOneOfCase}{(within.Length == 0 ? "" : " in a nested one")}");
        }
    }

    private static bool Matches(Condition condition, FakeQdrantId id, IDictionary<string, Value> payload) => condition.ConditionOneOfCase switch
    {
        Condition.ConditionOneOfOneofCase.Field => Matches(condition.Field, payload),
        Condition.ConditionOneOfOneofCase.IsEmpty => IsEmpty(condition.IsEmpty.Key, payload),
        Condition.ConditionOneOfOneofCase.IsNull => IsNull(condition.IsNull.Key, payload),
        Condition.ConditionOneOfOneofCase.HasId => condition.HasId.HasId.Any(i => FakeQdrantId.From(i) == id),
        Condition.ConditionOneOfOneofCase.Filter => Matches(condition.Filter, id, payload),
        _ => FakeQdrantPayload.Each(payload, condition.Nested.Key)
            .Any(e => e.KindCase == Value.KindOneofCase.StructValue && Matches(condition.Nested.Filter, id, e.StructValue.Fields)),
    };

    private static bool Matches(FieldCondition field, IDictionary<string, Value> payload)
    {
        if (field.Match is { } match) return FakeQdrantPayload.Each(payload, field.Key).Any(v => Matches(match, v));
        if (field.Range is { } range)
        {
            return FakeQdrantPayload.Each(payload, field.Key).Any(v => FakeQdrantPayload.Number(v) is { } n
                && (!range.HasGt || n > range.Gt) && (!range.HasGte || n >= range.Gte)
                && (!range.HasLt || n < range.Lt) && (!range.HasLte || n <= range.Lte));
        }
        if (field.HasIsEmpty) return IsEmpty(field.Key, payload) == field.IsEmpty;
        return (IsNull(field.Key, payload) || FakeQdrantPayload.Each(payload, field.Key).Any(v => v.HasNullValue)) == field.IsNull;
    }

    /// <summary>A value of another type is unlike all of an excepting list, and null is not.</summary>
    private static bool Matches(Match match, Value value) => match.MatchValueCase switch
    {
        Match.MatchValueOneofCase.Keyword => value.HasStringValue && value.StringValue == match.Keyword,
        Match.MatchValueOneofCase.Keywords => value.HasStringValue && match.Keywords.Strings.Contains(value.StringValue),
        Match.MatchValueOneofCase.ExceptKeywords => !value.HasNullValue
            && !(value.HasStringValue && match.ExceptKeywords.Strings.Contains(value.StringValue)),
        Match.MatchValueOneofCase.Integer => value.HasIntegerValue && value.IntegerValue == match.Integer,
        Match.MatchValueOneofCase.Integers => value.HasIntegerValue && match.Integers.Integers.Contains(value.IntegerValue),
        Match.MatchValueOneofCase.ExceptIntegers => !value.HasNullValue
            && !(value.HasIntegerValue && match.ExceptIntegers.Integers.Contains(value.IntegerValue)),
        _ => value.HasBoolValue && value.BoolValue == match.Boolean,
    };

    private static bool IsEmpty(string key, IDictionary<string, Value> payload) => FakeQdrantPayload.Raw(payload, key)
        .All(v => v.HasNullValue || v.KindCase == Value.KindOneofCase.ListValue && v.ListValue.Values.Count == 0);

    private static bool IsNull(string key, IDictionary<string, Value> payload) => FakeQdrantPayload.Raw(payload, key).Any(v => v.HasNullValue);

    private static void NeedIndex(string key, PayloadSchemaType[] types, IReadOnlyDictionary<string, PayloadSchemaInfo>? indexes)
    {
        if (indexes is null || types.Length == 0) return;
        if (indexes.TryGetValue(key, out var index) && types.Contains(index.DataType)) return;
        var names = types.Select(t => t.ToString().ToLowerInvariant()).Order(StringComparer.Ordinal);
        throw FakeQdrantRefusal.StrictMode($"Index required but not found for \"{key}\" of one of the following types: [{string.Join(", ", names)}]",
            "Create an index for this key or use a different filter.");
    }

    /// <summary>Which indexes would serve; none: no index is needed.</summary>
    private static PayloadSchemaType[] TypesFor(FieldCondition field)
    {
        object?[] tests = [field.Match, field.Range, field.DatetimeRange, field.GeoBoundingBox, field.GeoRadius, field.GeoPolygon, field.ValuesCount];
        var count = tests.Count(t => t is not null) + (field.HasIsEmpty ? 1 : 0) + (field.HasIsNull ? 1 : 0);
        if (count != 1) throw FakeQdrantRefusal.Unimplemented($"a field condition with {count} tests on {field.Key}");
        if (field.Match is { } match) return TypesFor(match);
        if (field.Range is not null) return [PayloadSchemaType.Float, PayloadSchemaType.Integer];
        if (field.HasIsEmpty || field.HasIsNull) return AnyType;
        throw FakeQdrantRefusal.Unimplemented($"the condition {tests.First(t => t is not null)!.GetType().Name} on {field.Key}");
    }

    private static PayloadSchemaType[] TypesFor(Match match) => match.MatchValueCase switch
    {
        Match.MatchValueOneofCase.Keyword => TypesFor([match.Keyword]),
        Match.MatchValueOneofCase.Keywords => TypesFor(match.Keywords.Strings),
        Match.MatchValueOneofCase.ExceptKeywords => TypesFor(match.ExceptKeywords.Strings),
        Match.MatchValueOneofCase.Integer => [PayloadSchemaType.Integer],
        Match.MatchValueOneofCase.Integers => match.Integers.Integers.Count == 0 ? [] : [PayloadSchemaType.Integer],
        Match.MatchValueOneofCase.ExceptIntegers => match.ExceptIntegers.Integers.Count == 0 ? [] : [PayloadSchemaType.Integer],
        Match.MatchValueOneofCase.Boolean => [PayloadSchemaType.Bool],
        _ => throw FakeQdrantRefusal.Unimplemented($"the match {match.MatchValueCase}"),
    };

    private static PayloadSchemaType[] TypesFor(IReadOnlyCollection<string> words) =>
        words.Count == 0 ? []
        : words.All(w => Guid.TryParse(w, out _)) ? [PayloadSchemaType.Keyword, PayloadSchemaType.Uuid]
        : [PayloadSchemaType.Keyword];

    private static PayloadSchemaType[] TypesFor(RepeatedField<string> words) => TypesFor((IReadOnlyCollection<string>)[.. words]);
}
