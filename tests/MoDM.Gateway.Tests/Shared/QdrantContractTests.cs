using Grpc.Core;
using Qdrant.Client;
using Qdrant.Client.Grpc;
using static Qdrant.Client.Grpc.Conditions;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>What the gateway relies on in Qdrant, said through Qdrant's own client, to the fake or to a real one.</summary>
public sealed class QdrantContractTests(QdrantTarget target) : IClassFixture<QdrantTarget>, IAsyncLifetime
{
    private readonly string _name = $"modm-test-{Guid.NewGuid():N}";

    private QdrantClient Client => target.Client;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await Client.CreateCollectionAsync(_name, new VectorParams { Size = 4, Distance = Distance.Cosine },
        strictModeConfig: new StrictModeConfig
        {
            Enabled = true,
            UnindexedFilteringRetrieve = false,
            UnindexedFilteringUpdate = false,
            MaxQueryLimit = 1000,
        }, cancellationToken: Token);

    public async ValueTask DisposeAsync() => await Client.DeleteCollectionAsync(_name, cancellationToken: CancellationToken.None);

    [Fact]
    public async Task A_collection_is_as_it_was_created()
    {
        await AddStorksAsync();

        var info = await Client.GetCollectionInfoAsync(_name, Token);

        Assert.Equal((4UL, Distance.Cosine), (info.Config.Params.VectorsConfig.Params.Size, info.Config.Params.VectorsConfig.Params.Distance));
        Assert.Equal(5UL, info.PointsCount);
        Assert.Equal(PayloadSchemaType.Keyword, info.PayloadSchema["kind"].DataType);
        Assert.Equal(PayloadSchemaType.Integer, info.PayloadSchema["hits"].DataType);
        Assert.True(await Client.CollectionExistsAsync(_name, Token));
        Assert.Contains(_name, await Client.ListCollectionsAsync(Token));
    }

    [Fact]
    public async Task A_collection_is_created_once()
    {
        var error = await Assert.ThrowsAsync<RpcException>(() =>
            Client.CreateCollectionAsync(_name, new VectorParams { Size = 4, Distance = Distance.Cosine }, cancellationToken: Token));

        Assert.Equal(StatusCode.AlreadyExists, error.StatusCode);
        Assert.Contains($"Collection `{_name}` already exists!", error.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_collection_that_is_not_there_is_told_apart()
    {
        Assert.False(await Client.CollectionExistsAsync("modm-none", Token));
        await Assert.ThrowsAsync<QdrantException>(() => Client.DeleteCollectionAsync("modm-none", cancellationToken: Token));
        foreach (var call in (Func<Task>[])
        [
            () => Client.GetCollectionInfoAsync("modm-none", Token),
            () => Client.QueryAsync("modm-none", new float[4], cancellationToken: Token),
            () => Client.UpsertAsync("modm-none", [Stork(1, [1, 0, 0, 0])], cancellationToken: Token),
            () => Client.ScrollAsync("modm-none", cancellationToken: Token),
        ])
        {
            var error = await Assert.ThrowsAsync<RpcException>(call);
            Assert.Equal(StatusCode.NotFound, error.StatusCode);
            Assert.Contains("Collection `modm-none` doesn't exist!", error.Status.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_point_comes_back_with_its_payload_and_its_vector_normalised()
    {
        var id = Guid.NewGuid();
        await Client.UpsertAsync(_name, [new PointStruct
        {
            Id = id,
            Vectors = (float[])[3, 0, 4, 0],
            Payload = { ["text"] = "stork", ["hits"] = 7, ["share"] = 0.5, ["pinned"] = true, ["tags"] = (string[])["a", "b"] },
        }], cancellationToken: Token);

        var point = Assert.Single(await Client.RetrieveAsync(_name, id, withPayload: true, withVectors: true, cancellationToken: Token));

        Assert.Equal(id.ToString(), point.Id.Uuid);
        Assert.Equal(("stork", 7L, 0.5, true), (point.Payload["text"].StringValue, point.Payload["hits"].IntegerValue,
            point.Payload["share"].DoubleValue, point.Payload["pinned"].BoolValue));
        Assert.Equal(["a", "b"], point.Payload["tags"].ListValue.Values.Select(v => v.StringValue));
        Assert.Equal([0.6f, 0, 0.8f, 0], point.Vectors.Vector.GetDenseVector()!.Data, (a, b) => Math.Abs(a - b) < 1e-5f);
    }

    [Fact]
    public async Task Fields_are_chosen_by_name_and_points_not_there_are_left_out()
    {
        await AddStorksAsync();
        var points = await Client.RetrieveAsync(_name, [3, 99, 1],
            new WithPayloadSelector { Include = new PayloadIncludeSelector { Fields = { "kind" } } }, new WithVectorsSelector { Enable = false }, cancellationToken: Token);
        var rest = await Client.RetrieveAsync(_name, [1],
            new WithPayloadSelector { Exclude = new PayloadExcludeSelector { Fields = { "kind", "hits", "pinned" } } }, new WithVectorsSelector(), cancellationToken: Token);

        Assert.Equal([3UL, 1UL], points.Select(p => p.Id.Num));
        Assert.All(points, p => Assert.Equal(["kind"], p.Payload.Keys));
        Assert.All(points, p => Assert.Null(p.Vectors));
        Assert.Equal(["weight"], Assert.Single(rest).Payload.Keys);
    }

    [Fact]
    public async Task The_nearest_come_first_under_either_name_of_the_search()
    {
        await AddStorksAsync();
        float[] vector = [2, 1, 0, 0];

        var found = await Client.QueryAsync(_name, vector, limit: 2, offset: 1, cancellationToken: Token);
#pragma warning disable CS0618 // Superseded by Query, and still served
        var searched = await Client.SearchAsync(_name, vector, limit: 2, offset: 1, cancellationToken: Token);
#pragma warning restore CS0618
        var batch = await Client.QueryBatchAsync(_name, [new QueryPoints { CollectionName = _name, Query = vector, Limit = 3 }], cancellationToken: Token);

        // To (2, 1): 2 is (1, 1), 1 is (1, 0), 3 is (0, 1).
        Assert.Equal([1UL, 3UL], found.Select(p => p.Id.Num));
        Assert.Equal(found.Select(p => (p.Id, p.Score)), searched.Select(p => (p.Id, p.Score)));
        Assert.Equal([2UL, 1UL, 3UL], Assert.Single(batch).Result.Select(p => p.Id.Num));
        Assert.Equal(2 / Math.Sqrt(5), found[0].Score, 1e-5);
        Assert.Equal("white", found[0].Payload["kind"].StringValue);
    }

    [Fact]
    public async Task A_score_must_be_past_the_threshold_and_a_filter_holds_before_the_limit()
    {
        await AddStorksAsync();

        var near = await Client.QueryAsync(_name, (float[])[1, 0, 0, 0], scoreThreshold: 0.7f, cancellationToken: Token);
        var same = await Client.QueryAsync(_name, (float[])[1, 0, 0, 0], scoreThreshold: 1, cancellationToken: Token);
        var black = await Client.QueryAsync(_name, (float[])[1, 0, 0, 0], filter: MatchKeyword("kind", "black"), limit: 1, payloadSelector: false, cancellationToken: Token);

        Assert.Empty(Assert.Single(black).Payload);
        Assert.Equal([1UL, 2UL], near.Select(p => p.Id.Num));
        Assert.Empty(same);
        Assert.Equal("white", near[0].Payload["kind"].StringValue);
        Assert.Equal([3UL], black.Select(p => p.Id.Num));
    }

    [Fact]
    public async Task A_second_upsert_replaces_a_point_unless_it_only_inserts()
    {
        await Client.UpsertAsync(_name, [Stork(1, [1, 0, 0, 0], "white", hits: 5)], cancellationToken: Token);
        await Client.UpsertAsync(new UpsertPoints
        {
            CollectionName = _name,
            Wait = true,
            UpdateMode = UpdateMode.InsertOnly,
            Points = { Stork(1, [0, 1, 0, 0]), Stork(2, [0, 1, 0, 0]) },
        }, Token);
        var kept = await Client.RetrieveAsync(_name, 1, cancellationToken: Token);
        await Client.UpsertAsync(_name, [Stork(1, [0, 0, 1, 0], "black")], cancellationToken: Token);
        var replaced = await Client.RetrieveAsync(_name, 1, cancellationToken: Token);

        Assert.Equal(5, Assert.Single(kept).Payload["hits"].IntegerValue);
        Assert.Equal(["kind"], Assert.Single(replaced).Payload.Keys);
        Assert.Equal(2UL, await Client.CountAsync(_name, cancellationToken: Token));
    }

    [Fact]
    public async Task Fields_are_set_taken_away_and_replaced()
    {
        await AddStorksAsync();
        await Client.SetPayloadAsync(_name, new Dictionary<string, Value> { ["hits"] = 9, ["seen"] = "today" }, 1, cancellationToken: Token);
        await Client.DeletePayloadAsync(_name, ["weight", "unknown"], 1, cancellationToken: Token);
        await Client.OverwritePayloadAsync(_name, new Dictionary<string, Value> { ["kind"] = "grey" }, 2, cancellationToken: Token);
        await Client.SetPayloadAsync(_name, new Dictionary<string, Value> { ["hits"] = 0 }, MatchKeyword("kind", "black"), cancellationToken: Token);

        var points = (await Client.ScrollAsync(_name, cancellationToken: Token)).Result.ToDictionary(p => p.Id.Num, p => p.Payload);
        Assert.Equal(["hits", "kind", "pinned", "seen"], points[1].Keys.Order());
        Assert.Equal(9, points[1]["hits"].IntegerValue);
        Assert.Equal("grey", Assert.Single(points[2]).Value.StringValue);
        Assert.Equal([0L, 0L], [points[3]["hits"].IntegerValue, points[4]["hits"].IntegerValue]);
    }

    [Fact]
    public async Task Setting_a_field_of_a_point_that_is_not_there_is_told()
    {
        var error = await Assert.ThrowsAsync<RpcException>(() =>
            Client.SetPayloadAsync(_name, new Dictionary<string, Value> { ["hits"] = 1 }, 404, cancellationToken: Token));

        Assert.Equal(StatusCode.NotFound, error.StatusCode);
        Assert.Contains("404", error.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Filters_choose_points()
    {
        await AddStorksAsync();
        (string Name, Filter Filter, ulong[] Expected)[] cases =
        [
            ("keyword", MatchKeyword("kind", "black"), [3, 4]),
            ("any keyword", Match("kind", ["white", "grey"]), [1, 2]),
            ("except keywords", MatchExcept("kind", ["white"]), [3, 4]),
            ("integer", Match("hits", 30), [3]),
            ("any integer", Match("hits", [10, 40]), [1, 4]),
            ("boolean", Match("pinned", true), [1]),
            ("range of integers", Range("hits", new Qdrant.Client.Grpc.Range { Gt = 10, Lte = 30 }), [2, 3]),
            ("range of floats", Range("weight", new Qdrant.Client.Grpc.Range { Gte = 2.5, Lt = 3.5 }), [2, 3]),
            ("ids", HasId([1, 5, 77]), [1, 5]),
            ("empty", IsEmpty("kind"), [5]),
            ("not", !MatchKeyword("kind", "black"), [1, 2, 5]),
            ("and", MatchKeyword("kind", "black") & Match("hits", 40), [4]),
            ("or", Match("hits", 10) | Match("hits", 20), [1, 2]),
            ("at least two", new Filter
            {
                MinShould = new MinShould { MinCount = 2, Conditions = { MatchKeyword("kind", "white"), Match("hits", 10), Match("pinned", true), Match("hits", 20) } },
            }, [1, 2]),
            ("a filter in a filter", new Filter { Must = { Conditions.Filter(Match("hits", 10) | Match("hits", 30)), MatchKeyword("kind", "white") } }, [1]),
        ];
        foreach (var (name, filter, expected) in cases)
        {
            var found = (await Client.ScrollAsync(_name, filter, cancellationToken: Token)).Result.Select(p => p.Id.Num);
            Assert.True(expected.SequenceEqual(found), $"{name}: {string.Join(' ', found)}");
            Assert.Equal((ulong)expected.Length, await Client.CountAsync(_name, filter, cancellationToken: Token));
        }
    }

    [Fact]
    public async Task A_nested_filter_holds_for_one_element_and_null_is_found()
    {
        await Client.CreatePayloadIndexAsync(_name, "nests[].place", PayloadSchemaType.Keyword, cancellationToken: Token);
        await Client.CreatePayloadIndexAsync(_name, "nests[].eggs", PayloadSchemaType.Integer, cancellationToken: Token);
        await Client.CreatePayloadIndexAsync(_name, "ring", PayloadSchemaType.Keyword, cancellationToken: Token);
        static Value Nest(string place, long eggs) => new() { StructValue = new Struct { Fields = { ["place"] = place, ["eggs"] = eggs } } };
        var (one, two) = (Stork(1, [1, 0, 0, 0]), Stork(2, [1, 0, 0, 0]));
        one.Payload["nests"] = (Value[])[Nest("Oder", 3), Nest("Spree", 1)];
        two.Payload["nests"] = (Value[])[Nest("Oder", 1), Nest("Spree", 3)];
        two.Payload["ring"] = new Value { NullValue = NullValue.NullValue };
        await Client.UpsertAsync(_name, [one, two], cancellationToken: Token);

        var nested = await Client.ScrollAsync(_name, Nested("nests", MatchKeyword("place", "Oder") & Match("eggs", 3)), cancellationToken: Token);
        var ringless = await Client.ScrollAsync(_name, IsNull("ring"), cancellationToken: Token);

        Assert.Equal([1UL], nested.Result.Select(p => p.Id.Num));
        Assert.Equal([2UL], ringless.Result.Select(p => p.Id.Num));
    }

    [Fact]
    public async Task A_filter_is_refused_again_when_its_index_goes()
    {
        await AddStorksAsync();
        await Client.DeletePayloadIndexAsync(_name, "kind", cancellationToken: Token);

        await Assert.ThrowsAsync<RpcException>(() => Client.CountAsync(_name, MatchKeyword("kind", "white"), cancellationToken: Token));
    }

    [Fact]
    public async Task Strict_mode_refuses_filters_without_an_index_and_limits_past_its_own()
    {
        await AddStorksAsync();
        foreach (var (call, words) in (ValueTuple<Func<Task>, string>[])
        [
            (() => Client.ScrollAsync(_name, MatchKeyword("owner", "me"), cancellationToken: Token), "for \"owner\" of one of the following types: [keyword]. Help: "),
            (() => Client.QueryAsync(_name, new float[4], filter: Match("age", 3), cancellationToken: Token), "for \"age\" of one of the following types: [integer]"),
            (() => Client.CountAsync(_name, Range("kind", new Qdrant.Client.Grpc.Range { Gt = 1 }), cancellationToken: Token), "[float, integer]"),
            (() => Client.DeleteAsync(_name, MatchKeyword("owner", "me"), cancellationToken: Token), "for \"owner\" of one of the following types: [keyword]"),
            (() => Client.ScrollAsync(_name, limit: 1001, cancellationToken: Token), "Limit exceeded 1001 > 1000 for \"limit\""),
        ])
        {
            var error = await Assert.ThrowsAsync<RpcException>(call);
            Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
            Assert.Contains(words, error.Status.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Pages_follow_each_other_by_id_numbers_before_UUIDs()
    {
        var uuids = new[] { Guid.NewGuid(), Guid.NewGuid() };
        await Client.UpsertAsync(_name, [.. uuids.Select(u => Stork(u, [1, 0, 0, 0])), Stork(20, [1, 0, 0, 0]), Stork(3, [1, 0, 0, 0])], cancellationToken: Token);
        var seen = new List<string>();
        PointId? offset = null;
        do
        {
            var page = await Client.ScrollAsync(_name, limit: 3, offset: offset, payloadSelector: false, cancellationToken: Token);
            seen.AddRange(page.Result.Select(p => p.Id.HasNum ? $"{p.Id.Num}" : p.Id.Uuid));
            offset = page.NextPageOffset;
        }
        while (offset is not null && seen.Count < 10);

        Assert.Equal(["3", "20", .. uuids.Select(u => $"{u}").Order(StringComparer.Ordinal)], seen);
    }

    [Fact]
    public async Task Points_are_ordered_by_an_indexed_field_and_those_without_it_are_left_out()
    {
        await AddStorksAsync();
        async Task<IEnumerable<ulong>> By(OrderBy by, Filter? filter = null) =>
            (await Client.ScrollAsync(_name, filter, orderBy: by, cancellationToken: Token)).Result.Select(p => p.Id.Num);

        Assert.Equal([1UL, 2, 3, 4], await By("hits"));
        Assert.Equal([4UL, 3, 2, 1], await By(new OrderBy { Key = "hits", Direction = Direction.Desc }));
        Assert.Equal([3UL, 2, 1], await By(new OrderBy { Key = "hits", Direction = Direction.Desc, StartFrom = 30 }));
        Assert.Equal([2UL, 3, 4], await By(new OrderBy { Key = "weight", StartFrom = 2.5 }));
        Assert.Equal([3UL, 4], await By("hits", MatchKeyword("kind", "black")));
        var page = await Client.ScrollAsync(_name, limit: 2, orderBy: "hits", cancellationToken: Token);
        Assert.Equal([10L, 20L], page.Result.Select(p => p.OrderValue.Int));
        Assert.Null(page.NextPageOffset);
        Assert.Equal([1UL, 2], (await Client.QueryAsync(_name, (Query)"hits", limit: 2, cancellationToken: Token)).Select(p => p.Id.Num));
    }

    [Fact]
    public async Task An_order_needs_an_index_of_numbers_and_takes_no_offset()
    {
        await AddStorksAsync();
        foreach (var key in (string[])["unindexed", "kind"])
        {
            var error = await Assert.ThrowsAsync<RpcException>(() => Client.ScrollAsync(_name, orderBy: key, cancellationToken: Token));
            Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
            Assert.Contains("No range index for `order_by` key", error.Status.Detail, StringComparison.Ordinal);
        }
        var both = await Assert.ThrowsAsync<RpcException>(() => Client.ScrollAsync(_name, offset: 1, orderBy: "hits", cancellationToken: Token));
        Assert.Equal(StatusCode.InvalidArgument, both.StatusCode);
        Assert.Contains("Cannot use an `offset` when using `order_by`", both.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Points_are_deleted_by_id_and_by_filter()
    {
        await AddStorksAsync();
        await Client.DeleteAsync(_name, [1UL, 404], cancellationToken: Token);
        Assert.Equal(4UL, await Client.CountAsync(_name, cancellationToken: Token));

        await Client.DeleteAsync(_name, MatchKeyword("kind", "black"), cancellationToken: Token);

        Assert.Equal([2UL, 5], (await Client.ScrollAsync(_name, cancellationToken: Token)).Result.Select(p => p.Id.Num));
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_with_the_reason()
    {
        foreach (var (call, words) in (ValueTuple<Func<Task>, string>[])
        [
            (() => Client.UpsertAsync(_name, [Stork(1, [1, 0, 0])], cancellationToken: Token), "Wrong input: Vector dimension error: expected dim: 4, got 3"),
            (() => Client.QueryAsync(_name, (float[])[1, 0, 0], cancellationToken: Token), "Wrong input: Vector dimension error: expected dim: 4, got 3"),
            (() => Client.UpsertAsync(_name, [Stork(new PointId { Uuid = "stork" }, [1, 0, 0, 0])], cancellationToken: Token), "Unable to parse UUID: stork"),
            (() => Client.UpsertAsync(_name, [Stork(new PointId(), [1, 0, 0, 0])], cancellationToken: Token), "No ID options provided"),
            (() => Client.UpsertAsync(_name, [new PointStruct { Id = 1 }], cancellationToken: Token), "Expected some vectors"),
            (() => Client.ScrollAsync(_name, limit: 0, cancellationToken: Token), "limit: value 0 invalid, must be 1 or larger"),
            (() => Client.QueryAsync(_name, new float[4], limit: 0, cancellationToken: Token), "limit: value 0 invalid, must be 1 or larger"),
            (() => Client.QueryAsync(_name, new float[4], usingVector: "image", cancellationToken: Token), "Not existing vector name error: image"),
            (() => Client.CreateCollectionAsync("a/b", new VectorParams { Size = 4, Distance = Distance.Dot }, cancellationToken: Token), "collection name cannot contain \"/\" char"),
            (() => Client.CreateCollectionAsync($"{_name}-0", new VectorParams { Distance = Distance.Dot }, cancellationToken: Token), "value 0 invalid, must be from 1 to 65536"),
        ])
        {
            var error = await Assert.ThrowsAsync<RpcException>(call);
            Assert.True(error.StatusCode == StatusCode.InvalidArgument && error.Status.Detail.Contains(words, StringComparison.Ordinal), $"{words}: {error.Status}");
        }
        Assert.Equal(0UL, await Client.CountAsync(_name, cancellationToken: Token));
    }

    [Fact]
    public async Task A_write_that_nobody_waits_for_arrives_or_is_lost_without_a_word()
    {
        var misfit = await Client.UpsertAsync(_name, [Stork(1, [1, 0, 0])], wait: false, cancellationToken: Token);
        var fit = await Client.UpsertAsync(_name, [Stork(2, [1, 0, 0, 0])], wait: false, cancellationToken: Token);
        var waited = await Client.UpsertAsync(_name, [Stork(3, [1, 0, 0, 0])], wait: true, cancellationToken: Token);

        Assert.Equal((UpdateStatus.Acknowledged, UpdateStatus.Acknowledged, UpdateStatus.Completed), (misfit.Status, fit.Status, waited.Status));
        Assert.Equal([2UL, 3], (await Client.ScrollAsync(_name, cancellationToken: Token)).Result.Select(p => p.Id.Num));
    }

    [Fact]
    public async Task A_thousand_points_go_in_one_call_and_come_in_one()
    {
        await Client.UpsertAsync(_name, [.. Enumerable.Range(1, 1000).Select(i => Stork((ulong)i, [i, 1, 0, 0]))], cancellationToken: Token);

        Assert.Equal(1000UL, await Client.CountAsync(_name, cancellationToken: Token));
        Assert.Equal(1000, (await Client.ScrollAsync(_name, limit: 1000, vectorsSelector: true, cancellationToken: Token)).Result.Count);
    }

    /// <summary>Four storks with a field of each type, and one without.</summary>
    private async Task AddStorksAsync()
    {
        await Client.CreatePayloadIndexAsync(_name, "kind", PayloadSchemaType.Keyword, cancellationToken: Token);
        await Client.CreatePayloadIndexAsync(_name, "hits", PayloadSchemaType.Integer, cancellationToken: Token);
        await Client.CreatePayloadIndexAsync(_name, "weight", PayloadSchemaType.Float, cancellationToken: Token);
        await Client.CreatePayloadIndexAsync(_name, "pinned", PayloadSchemaType.Bool, cancellationToken: Token);
        await Client.UpsertAsync(_name,
        [
            Stork(1, [1, 0, 0, 0], "white", 10, 1.5, pinned: true),
            Stork(2, [1, 1, 0, 0], "white", 20, 2.5, pinned: false),
            Stork(3, [0, 1, 0, 0], "black", 30, 3),
            Stork(4, [0, 0, 1, 0], "black", 40, 4.5),
            Stork(5, [0, 0, 0, 1]),
        ], cancellationToken: Token);
    }

    private static PointStruct Stork(PointId id, float[] vector, string? kind = null, long? hits = null, double? weight = null, bool? pinned = null)
    {
        var point = new PointStruct { Id = id, Vectors = vector };
        if (kind is not null) point.Payload["kind"] = kind;
        if (hits is { } h) point.Payload["hits"] = h;
        if (weight is { } w) point.Payload["weight"] = w;
        if (pinned is { } p) point.Payload["pinned"] = p;
        return point;
    }
}
