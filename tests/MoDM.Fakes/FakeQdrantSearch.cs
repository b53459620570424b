using System.Numerics.Tensors;
using Google.Protobuf.Collections;
using Grpc.Core;
using Qdrant.Client.Grpc;

namespace MoDM.Fakes;

/// <summary>What is read from a collection of the fake. All searches are exact.</summary>
internal static class FakeQdrantSearch
{
    private const ulong DefaultLimit = 10;

    private sealed record Found(FakeQdrantCollection.Point Point, OrderValue Order);

    /// <summary>As it is kept: for the cosine with length 1, except where there is none.</summary>
    public static float[] Stored(Distance distance, float[] vector)
    {
        var length = TensorPrimitives.Norm(vector);
        if (distance != Distance.Cosine || length < float.Epsilon) return vector;
        var unit = new float[vector.Length];
        TensorPrimitives.Divide(vector, length, unit);
        return unit;
    }

    public static IEnumerable<ScoredPoint> Search(FakeQdrantCollection collection, SearchPoints request)
    {
        CheckAtLeastOne("limit", request.Limit);
        CheckName(request.VectorName);
        collection.CheckLimit(request.Limit);
        collection.CheckRead(request.Filter);
        return Nearest(collection, [.. request.Vector], request.Filter, request.HasScoreThreshold ? request.ScoreThreshold : null)
            .Skip((int)request.Offset).Take(Count(request.Limit))
            .Select(p => Scored(p.Point, p.Score, request.WithPayload, request.WithVectors));
    }

    /// <summary>By a vector, by the vector of a point (which is not found itself), by a payload's field, or all by id.</summary>
    public static IEnumerable<ScoredPoint> Query(FakeQdrantCollection collection, QueryPoints request)
    {
        if (request.HasLimit) CheckAtLeastOne("limit", request.Limit);
        CheckName(request.Using);
        if (request.Prefetch.Count > 0) throw FakeQdrantRefusal.Unimplemented("prefetch");
        if (request.LookupFrom is not null) throw FakeQdrantRefusal.Unimplemented("lookup_from");
        var limit = request.HasLimit ? request.Limit : DefaultLimit;
        collection.CheckLimit(limit);
        collection.CheckRead(request.Filter);
        var threshold = request.HasScoreThreshold ? request.ScoreThreshold : (float?)null;
        return (request.Query?.VariantCase switch
        {
            null or global::Qdrant.Client.Grpc.Query.VariantOneofCase.None =>
                Matching(collection, request.Filter).Select(p => Scored(p, 0, request.WithPayload, request.WithVectors)),
            global::Qdrant.Client.Grpc.Query.VariantOneofCase.Nearest => Nearest(collection, request.Query.Nearest, request.Filter, threshold)
                .Select(p => Scored(p.Point, p.Score, request.WithPayload, request.WithVectors)),
            global::Qdrant.Client.Grpc.Query.VariantOneofCase.OrderBy => Ordered(collection, request.Query.OrderBy, request.Filter)
                .Select(f => Scored(f.Point, 0, request.WithPayload, request.WithVectors, f.Order)),
            var other => throw FakeQdrantRefusal.Unimplemented($"the query {other}"),
        }).Skip((int)request.Offset).Take(Count(limit));
    }

    public static ScrollResponse Scroll(FakeQdrantCollection collection, ScrollPoints request)
    {
        if (request.HasLimit) CheckAtLeastOne("limit", request.Limit);
        var limit = request.HasLimit ? request.Limit : DefaultLimit;
        collection.CheckLimit(limit);
        collection.CheckRead(request.Filter);
        var response = new ScrollResponse();
        if (request.OrderBy is not null)
        {
            if (request.Offset is not null)
            {
                throw FakeQdrantRefusal.BadInput("Cannot use an `offset` when using `order_by`. The alternative for paging is to use "
                    + "`order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value");
            }
            response.Result.Add(Ordered(collection, request.OrderBy, request.Filter).Take(Count(limit))
                .Select(f => Retrieved(f.Point, request.WithPayload, request.WithVectors, byDefault: true, f.Order)));
            return response;
        }
        var from = request.Offset is null ? default : FakeQdrantId.From(request.Offset);
        var page = Matching(collection, request.Filter).Where(p => p.Id.CompareTo(from) >= 0).Take(Count(limit + 1UL)).ToList();
        if (page.Count > Count(limit)) response.NextPageOffset = page[^1].Id.Message;
        response.Result.Add(page.Take(Count(limit)).Select(p => Retrieved(p, request.WithPayload, request.WithVectors, byDefault: true)));
        return response;
    }

    /// <summary>In the order asked for, each once; those that are not there are left out.</summary>
    public static IEnumerable<RetrievedPoint> Get(FakeQdrantCollection collection, GetPoints request) =>
        request.Ids.Select(FakeQdrantId.From).Distinct().ToList()
            .Where(collection.Points.ContainsKey)
            .Select(id => Retrieved(collection.Points[id], request.WithPayload, request.WithVectors, byDefault: false));

    public static ulong Count(FakeQdrantCollection collection, CountPoints request)
    {
        collection.CheckRead(request.Filter);
        return (ulong)Matching(collection, request.Filter).Count();
    }

    private static IEnumerable<FakeQdrantCollection.Point> Matching(FakeQdrantCollection collection, Filter? filter) =>
        collection.Points.Values.Where(p => FakeQdrantFilter.Matches(filter, p.Id, p.Payload));

    private static IEnumerable<(FakeQdrantCollection.Point Point, float Score)> Nearest(
        FakeQdrantCollection collection, VectorInput input, Filter? filter, float? threshold)
    {
        switch (input.VariantCase)
        {
            case VectorInput.VariantOneofCase.Dense:
                return Nearest(collection, [.. input.Dense.Data], filter, threshold);
            case VectorInput.VariantOneofCase.Id:
                var id = FakeQdrantId.From(input.Id);
                return collection.Points.TryGetValue(id, out var point)
                    ? Nearest(collection, point.Vector, filter, threshold).Where(p => p.Point.Id != id)
                    : throw FakeQdrantRefusal.NotFound($"No point with id {id} found");
            default:
                throw FakeQdrantRefusal.Unimplemented($"the vector input {input.VariantCase}");
        }
    }

    /// <summary>Best first. The threshold itself does not pass.</summary>
    private static IEnumerable<(FakeQdrantCollection.Point Point, float Score)> Nearest(
        FakeQdrantCollection collection, float[] vector, Filter? filter, float? threshold)
    {
        collection.CheckSize(vector.Length);
        var distance = collection.Vectors.Distance;
        var largerIsBetter = distance is Distance.Cosine or Distance.Dot;
        var query = Stored(distance, vector);
        var scored = Matching(collection, filter).Select(p => (Point: p, Score: Score(distance, query, p.Vector)))
            .Where(p => threshold is null || (largerIsBetter ? p.Score > threshold : p.Score < threshold));
        return (largerIsBetter ? scored.OrderByDescending(p => p.Score) : scored.OrderBy(p => p.Score)).ThenBy(p => p.Point.Id);
    }

    private static float Score(Distance distance, float[] a, float[] b) => distance switch
    {
        Distance.Euclid => TensorPrimitives.Distance<float>(a, b),
        Distance.Manhattan => a.Zip(b, (x, y) => Math.Abs(x - y)).Sum(),
        _ => TensorPrimitives.Dot<float>(a, b),
    };

    /// <summary>By an indexed field; points without it are left out, those with several values come several times.</summary>
    private static IEnumerable<Found> Ordered(FakeQdrantCollection collection, OrderBy by, Filter? filter)
    {
        var index = collection.Indexes.GetValueOrDefault(by.Key);
        if (index?.DataType is PayloadSchemaType.Datetime or PayloadSchemaType.Uuid)
            throw FakeQdrantRefusal.Unimplemented($"order_by a {index.DataType}");
        if (index?.DataType is not (PayloadSchemaType.Integer or PayloadSchemaType.Float)
            || index.Params?.IntegerIndexParams is { HasRange: true, Range: false })
        {
            throw FakeQdrantRefusal.BadInput($"No range index for `order_by` key: `{by.Key}`. Please create one to use `order_by`. Check "
                + "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Range conditions");
        }
        var ascending = by.Direction == Direction.Asc;
        var from = by.StartFrom?.ValueCase switch
        {
            null or StartFrom.ValueOneofCase.None => (double?)null,
            StartFrom.ValueOneofCase.Integer => by.StartFrom.Integer,
            StartFrom.ValueOneofCase.Float => by.StartFrom.Float,
            var other => throw FakeQdrantRefusal.Unimplemented($"start_from {other}"),
        };
        var found = Matching(collection, filter).SelectMany(p => FakeQdrantPayload.Each(p.Payload, by.Key)
            .Select(v => Order(index.DataType, v)).OfType<OrderValue>().Select(o => new Found(p, o)))
            .Where(f => from is null || (ascending ? Number(f) >= from : Number(f) <= from));
        return ascending
            ? found.OrderBy(Number).ThenBy(f => f.Point.Id)
            : found.OrderByDescending(Number).ThenByDescending(f => f.Point.Id);
    }

    private static OrderValue? Order(PayloadSchemaType type, Value value) =>
        type == PayloadSchemaType.Float
            ? FakeQdrantPayload.Number(value) is { } number ? new OrderValue { Float = number } : null
            : value.HasIntegerValue ? new OrderValue { Int = value.IntegerValue } : null;

    private static double Number(Found found) => found.Order.HasInt ? found.Order.Int : found.Order.Float;

    private static ScoredPoint Scored(
        FakeQdrantCollection.Point point, float score, WithPayloadSelector? withPayload, WithVectorsSelector? withVectors, OrderValue? order = null)
    {
        var scored = new ScoredPoint
        {
            Id = point.Id.Message,
            Score = score,
            Version = point.Version,
            Vectors = Vectors(point, withVectors),
            OrderValue = order,
        };
        FakeQdrantPayload.Select(withPayload, point.Payload, scored.Payload, byDefault: false);
        return scored;
    }

    private static RetrievedPoint Retrieved(
        FakeQdrantCollection.Point point, WithPayloadSelector? withPayload, WithVectorsSelector? withVectors, bool byDefault, OrderValue? order = null)
    {
        var retrieved = new RetrievedPoint { Id = point.Id.Message, Vectors = Vectors(point, withVectors), OrderValue = order };
        FakeQdrantPayload.Select(withPayload, point.Payload, retrieved.Payload, byDefault);
        return retrieved;
    }

    private static VectorsOutput? Vectors(FakeQdrantCollection.Point point, WithVectorsSelector? selector) => selector?.SelectorOptionsCase switch
    {
        WithVectorsSelector.SelectorOptionsOneofCase.Enable when selector.Enable =>
            new VectorsOutput { Vector = new VectorOutput { Dense = new DenseVector { Data = { point.Vector } } } },
        WithVectorsSelector.SelectorOptionsOneofCase.Include => throw FakeQdrantRefusal.Unimplemented("named vectors"),
        _ => null,
    };

    private static void CheckAtLeastOne(string field, ulong value)
    {
        if (value == 0) throw FakeQdrantRefusal.Invalid(field, "value 0 invalid, must be 1 or larger");
    }

    private static void CheckName(string vectorName)
    {
        if (vectorName.Length > 0) throw FakeQdrantRefusal.BadInput($"Not existing vector name error: {vectorName}");
    }

    private static int Count(ulong limit) => (int)Math.Min(limit, int.MaxValue);
}
