using System.Globalization;
using Qdrant.Client.Grpc;

namespace MoDM.Fakes;

/// <summary>The id of a point: a number or a UUID. All numbers come before all UUIDs.</summary>
internal readonly record struct FakeQdrantId(ulong Number, Guid? Uuid) : IComparable<FakeQdrantId>
{
    public static FakeQdrantId From(PointId? id) => id?.PointIdOptionsCase switch
    {
        null => throw FakeQdrantRefusal.Malformed("Empty ID is not allowed"),
        PointId.PointIdOptionsOneofCase.Num => new(id.Num, null),
        PointId.PointIdOptionsOneofCase.Uuid when Guid.TryParse(id.Uuid, out var uuid) => new(0, uuid),
        PointId.PointIdOptionsOneofCase.Uuid => throw FakeQdrantRefusal.Malformed($"Unable to parse UUID: {id.Uuid}"),
        _ => throw FakeQdrantRefusal.Malformed("No ID options provided"),
    };

    public PointId Message => Uuid is { } uuid ? new PointId { Uuid = uuid.ToString() } : new PointId { Num = Number };

    public int CompareTo(FakeQdrantId other) => (Uuid, other.Uuid) switch
    {
        ({ } a, { } b) => a.CompareTo(b),
        ({ }, null) => 1,
        (null, { }) => -1,
        _ => Number.CompareTo(other.Number),
    };

    public override string ToString() => Uuid?.ToString() ?? Number.ToString(CultureInfo.InvariantCulture);
}
