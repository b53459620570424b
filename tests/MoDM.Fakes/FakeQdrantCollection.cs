using Google.Protobuf.Collections;
using Grpc.Core;
using Qdrant.Client.Grpc;

namespace MoDM.Fakes;

/// <summary>
/// One collection of the fake, and what changes it. A change is prepared first, which refuses what cannot be read, and
/// applied later, which refuses what does not fit: the real one tells the second only to those who wait.
/// </summary>
internal sealed class FakeQdrantCollection(CreateCollection created, StrictModeConfig? strictByDefault)
{
    private readonly Queue<Action> _unapplied = [];

    public sealed record Point(FakeQdrantId Id, float[] Vector, MapField<string, Value> Payload, ulong Version);

    public VectorParams Vectors { get; } = created.VectorsConfig.Params;
    public SortedDictionary<FakeQdrantId, Point> Points { get; } = [];
    public Dictionary<string, PayloadSchemaInfo> Indexes { get; } = [];

    /// <summary>Null when it is off.</summary>
    public StrictModeConfig? Strict { get; } = (created.StrictModeConfig ?? strictByDefault) is { Enabled: true } strict ? strict : null;

    public ulong Operations { get; private set; }

    public CollectionInfo Info()
    {
        var info = new CollectionInfo
        {
            Status = CollectionStatus.Green,
            OptimizerStatus = new OptimizerStatus { Ok = true },
            SegmentsCount = 1,
            PointsCount = (ulong)Points.Count,
            IndexedVectorsCount = 0,
            Config = new CollectionConfig
            {
                Params = new CollectionParams
                {
                    ShardNumber = created.HasShardNumber ? created.ShardNumber : 1,
                    VectorsConfig = created.VectorsConfig.Clone(),
                    ReplicationFactor = created.HasReplicationFactor ? created.ReplicationFactor : 1,
                    WriteConsistencyFactor = created.HasWriteConsistencyFactor ? created.WriteConsistencyFactor : 1,
                },
                HnswConfig = new HnswConfigDiff(),
                OptimizerConfig = new OptimizersConfigDiff(),
                WalConfig = new WalConfigDiff(),
                StrictModeConfig = Strict?.Clone(),
            },
        };
        foreach (var (field, index) in Indexes)
        {
            var schema = index.Clone();
            schema.Points = (ulong)Points.Values.Count(p => FakeQdrantPayload.Each(p.Payload, field).Any(v => !v.HasNullValue));
            info.PayloadSchema[field] = schema;
        }
        return info;
    }

    /// <summary>Refuses a filter that reads, if strict mode does.</summary>
    public void CheckRead(Filter? filter) => FakeQdrantFilter.Check(
        filter, Strict is { HasUnindexedFilteringRetrieve: true, UnindexedFilteringRetrieve: false } ? Indexes : null);

    /// <summary>Refuses a limit past that of strict mode.</summary>
    public void CheckLimit(ulong limit)
    {
        if (Strict is { HasMaxQueryLimit: true } && limit > Strict.MaxQueryLimit)
            throw Exceeded(limit, Strict.MaxQueryLimit, "limit");
    }

    /// <summary>Does what earlier changes left undone, and then this one.</summary>
    public void Apply(Action change)
    {
        Settle();
        Operations++;
        change();
    }

    public void Leave(Action change) => _unapplied.Enqueue(change);

    /// <summary>Nobody waits for these any more: what they refuse is not told.</summary>
    public void Settle()
    {
        while (_unapplied.TryDequeue(out var change))
        {
            Operations++;
            try
            {
                change();
            }
            catch (RpcException)
            {
                continue;
            }
        }
    }

    public Action Upsert(UpsertPoints request)
    {
        CheckWrite(request.UpdateFilter);
        if (Strict is { HasUpsertMaxBatchsize: true } && (ulong)request.Points.Count > Strict.UpsertMaxBatchsize)
            throw Exceeded((ulong)request.Points.Count, Strict.UpsertMaxBatchsize, "upsert limit");
        if (request.Points.Count == 0) throw FakeQdrantRefusal.BadRequest("Empty update request");
        var points = request.Points.Select(p => (Id: FakeQdrantId.From(p.Id), Vector: VectorOf(p), Payload: p.Payload.Clone())).ToList();
        return () =>
        {
            foreach (var (_, vector, _) in points)
                CheckSize(vector.Length);
            foreach (var (id, vector, payload) in points)
            {
                var was = Points.GetValueOrDefault(id);
                if (was is null ? request.UpdateMode == UpdateMode.UpdateOnly : request.UpdateMode == UpdateMode.InsertOnly) continue;
                if (was is not null && !FakeQdrantFilter.Matches(request.UpdateFilter, id, was.Payload)) continue;
                Points[id] = new Point(id, FakeQdrantSearch.Stored(Vectors.Distance, vector), payload, Operations);
            }
        };
    }

    public Action Delete(PointsSelector? selector)
    {
        if (selector is null) throw FakeQdrantRefusal.Malformed("PointSelector is missing");
        var which = Selected(selector);
        return () =>
        {
            foreach (var id in which())
                Points.Remove(id);
        };
    }

    /// <summary>Adds and replaces top-level fields; a null takes its field away.</summary>
    public Action SetPayload(SetPayloadPoints request)
    {
        if (request.HasKey) throw FakeQdrantRefusal.Unimplemented("SetPayload under a key");
        var payload = request.Payload.Clone();
        return Change(request.PointsSelector, was =>
        {
            foreach (var (name, value) in payload)
            {
                if (value.HasNullValue) was.Remove(name);
                else was[name] = value.Clone();
            }
        });
    }

    public Action OverwritePayload(SetPayloadPoints request)
    {
        var payload = request.Payload.Clone();
        return Change(request.PointsSelector, was =>
        {
            was.Clear();
            was.Add(payload.Clone());
        });
    }

    public Action DeletePayload(DeletePayloadPoints request)
    {
        var keys = FakeQdrantPayload.TopLevel(request.Keys).ToList();
        return Change(request.PointsSelector, was => keys.ForEach(k => was.Remove(k)));
    }

    public Action CreateIndex(CreateFieldIndexCollection request)
    {
        if (request.FieldName.Length == 0) throw FakeQdrantRefusal.Invalid("field_name", "value \"\" invalid, must be at least 1 characters");
        if (!request.HasFieldType) throw FakeQdrantRefusal.Unimplemented("an index whose type is to be inferred");
        _ = FakeQdrantPayload.Raw(new MapField<string, Value>(), request.FieldName);
        var type = Enum.Parse<PayloadSchemaType>(request.FieldType.ToString());
        var index = new PayloadSchemaInfo { DataType = type, Params = request.FieldIndexParams };
        return () => Indexes[request.FieldName] = index;
    }

    public void CheckSize(int size)
    {
        if ((ulong)size != Vectors.Size)
            throw FakeQdrantRefusal.BadInput($"Vector dimension error: expected dim: {Vectors.Size}, got {size}");
    }

    private void CheckWrite(Filter? filter) => FakeQdrantFilter.Check(
        filter, Strict is { HasUnindexedFilteringUpdate: true, UnindexedFilteringUpdate: false } ? Indexes : null);

    /// <summary>Ids that are not there are told only after those that are have been changed.</summary>
    private Action Change(PointsSelector? selector, Action<MapField<string, Value>> change)
    {
        if (selector is null) throw FakeQdrantRefusal.Malformed("points_selector is expected");
        var which = Selected(selector);
        return () =>
        {
            FakeQdrantId? missing = null;
            foreach (var id in which())
            {
                if (!Points.TryGetValue(id, out var point))
                {
                    missing ??= id;
                    continue;
                }
                change(point.Payload);
                Points[id] = point with { Version = Operations };
            }
            if (missing is not null) throw FakeQdrantRefusal.NotFound($"No point with id {missing} found");
        };
    }

    private Func<List<FakeQdrantId>> Selected(PointsSelector selector)
    {
        switch (selector.PointsSelectorOneOfCase)
        {
            case PointsSelector.PointsSelectorOneOfOneofCase.Points:
                var ids = selector.Points.Ids.Select(FakeQdrantId.From).ToList();
                return () => ids;
            case PointsSelector.PointsSelectorOneOfOneofCase.Filter:
                CheckWrite(selector.Filter);
                return () => [.. Points.Values.Where(p => FakeQdrantFilter.Matches(selector.Filter, p.Id, p.Payload)).Select(p => p.Id)];
            default:
                throw FakeQdrantRefusal.Malformed("Malformed PointsSelector type");
        }
    }

    private static float[] VectorOf(PointStruct point)
    {
        if (point.Vectors is not { VectorsOptionsCase: not Qdrant.Client.Grpc.Vectors.VectorsOptionsOneofCase.None } vectors)
            throw FakeQdrantRefusal.Malformed("Expected some vectors");
        return vectors.Vector is { VectorCase: Vector.VectorOneofCase.Dense } vector
            ? [.. vector.Dense.Data]
            : throw FakeQdrantRefusal.Unimplemented($"vectors other than one dense one: {vectors.VectorsOptionsCase} {vectors.Vector?.VectorCase}");
    }

    private static RpcException Exceeded(ulong value, ulong limit, string name) =>
        FakeQdrantRefusal.StrictMode($"Limit exceeded {value} > {limit} for \"{name}\"", $"Reduce the \"{name}\" parameter to or below {limit}.");
}
