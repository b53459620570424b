using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Google.Protobuf.Collections;
using Qdrant.Client;
using Qdrant.Client.Grpc;
using static Qdrant.Client.Grpc.Conditions;

namespace MoDM.Gateway.Cache;

/// <summary>
/// The entries of all gateways, in a Qdrant collection: one point an image, its id made from the image's, so that whoever
/// writes it twice writes one. A removed image leaves a mark for as long as some gateway may still be about to write it.
/// </summary>
internal sealed class QdrantIndex(QdrantClient client, string collection, int dimension, StoreHealth health) : IDisposable
{
    private const int Page = 1000;

    /// <summary>What filters and orders need; Qdrant in strict mode refuses filters on anything else.</summary>
    private static readonly (string Key, PayloadSchemaType Type)[] Indexed =
    [
        ("bucket", PayloadSchemaType.Keyword), ("owner", PayloadSchemaType.Keyword), ("user", PayloadSchemaType.Keyword),
        ("lineage", PayloadSchemaType.Keyword), ("source", PayloadSchemaType.Bool), ("created", PayloadSchemaType.Integer),
        ("used", PayloadSchemaType.Integer), ("removed", PayloadSchemaType.Integer),
    ];

    /// <summary>The first that leaves a mark alone when it is asked to (update_mode); older ones overlook that.</summary>
    private static readonly Version Oldest = new(1, 17);

    /// <summary>Makes the collection where it is not there yet.</summary>
    /// <exception cref="StoreMismatchException">There is one of other vectors, or the server is too old.</exception>
    public async Task PrepareAsync(CancellationToken cancel)
    {
        var said = (await client.HealthAsync(cancel)).Version;
        if (Version.TryParse(said.Split('-')[0], out var version) && version < Oldest)
            throw new StoreMismatchException($"This is Qdrant {said}; {Oldest} or newer is needed, so that a removed picture stays away.");
        if (!await client.CollectionExistsAsync(collection, cancel))
        {
            try
            {
                await client.CreateCollectionAsync(
                    collection, new VectorParams { Size = (ulong)dimension, Distance = Distance.Cosine }, cancellationToken: cancel);
            }
            catch (Grpc.Core.RpcException e) when (e.StatusCode is Grpc.Core.StatusCode.AlreadyExists or Grpc.Core.StatusCode.InvalidArgument)
            {
                // Another gateway was faster; what it made is looked at below.
            }
        }
        var info = await client.GetCollectionInfoAsync(collection, cancel);
        var vectors = info.Config.Params.VectorsConfig.Params;
        if (vectors is null || vectors.Size != (ulong)dimension || vectors.Distance != Distance.Cosine)
        {
            throw new StoreMismatchException($"The Qdrant collection {collection} holds "
                + (vectors is null ? "named vectors" : $"vectors of {vectors.Size} dimensions by {vectors.Distance}")
                + $", and the embedder's have {dimension} by Cosine. Name another with cache.store.shared.qdrant.collection.");
        }
        foreach (var (key, type) in Indexed)
        {
            if (!info.PayloadSchema.ContainsKey(key))
                await client.CreatePayloadIndexAsync(collection, key, type, cancellationToken: cancel);
        }
    }

    /// <param name="notBefore">Milliseconds since 1970; older ones are not looked at.</param>
    public Task<IReadOnlyList<CacheMatch>> FindAsync(string bucket, float[] vector, int most, long notBefore, CancellationToken cancel) => health.AskAsync(async () =>
    {
        var filter = new Filter { Must = { MatchKeyword("bucket", bucket), Match("source", true) } };
        if (notBefore > 0) filter.Must.Add(Range("created", new Qdrant.Client.Grpc.Range { Gte = notBefore }));
        var found = await client.QueryAsync(collection, vector, filter: filter, limit: (ulong)most, payloadSelector: true, cancellationToken: cancel);
        return (IReadOnlyList<CacheMatch>)[.. found.Select(p => new CacheMatch(EntryOf(p.Payload), p.Score))];
    }, cancel);

    /// <returns>What is known of those that are there.</returns>
    public Task<Dictionary<string, IndexPoint>> GetAsync(IEnumerable<string> ids, CancellationToken cancel) => health.AskAsync(async () =>
    {
        var points = await client.RetrieveAsync(collection, [.. ids.Distinct().Select(i => new PointId(PointOf(i)))], true, false, cancellationToken: cancel);
        return points.Select(p => Read(p.Payload)).ToDictionary(p => p.Id);
    }, cancel);

    /// <summary>Writes them; sources are found once they are <see cref="OfferAsync">offered</see>. What is there stays as it is.</summary>
    public Task InsertAsync(IEnumerable<CacheEntry> entries, CancellationToken cancel) => WriteAsync(
        entries.Select(PointFor), request => request.UpdateMode = UpdateMode.InsertOnly, cancel);

    /// <summary>The same in the place of what is there, unless that is the mark of a removal that came after it was made.</summary>
    public Task ReplaceAsync(CacheEntry entry, CancellationToken cancel) => WriteAsync([PointFor(entry)],
        request => request.UpdateFilter = new Filter { MustNot = { Range("removed", new Qdrant.Client.Grpc.Range { Gte = entry.Created }) } }, cancel);

    private PointStruct PointFor(CacheEntry entry) => new()
    {
        Id = PointOf(entry.Id),
        Vectors = entry.IsSource ? entry.Vector : Anywhere(),
        Payload =
        {
            ["id"] = entry.Id,
            ["bucket"] = entry.Bucket,
            ["owner"] = entry.Owner,
            ["user"] = entry.User,
            ["lineage"] = entry.Lineage.ToArray(),
            ["source"] = false,
            ["created"] = entry.Created,
            ["used"] = entry.Created,
            ["entry"] = JsonSerializer.Serialize(entry, CacheJson.Default.CacheEntry),
        },
    };

    /// <summary>Lets sources be found; where the mark of a removal has come, it stays one.</summary>
    public Task OfferAsync(IReadOnlyCollection<string> ids, CancellationToken cancel) => ids.Count == 0 ? Task.CompletedTask
        : health.AskAsync(() => client.SetPayloadAsync(collection, new Dictionary<string, Value> { ["source"] = true },
            new Filter { Must = { HasId([.. ids.Select(PointOf)]), Match("source", false) } }, cancellationToken: cancel), cancel);

    /// <summary>In the images' places, marks that they were removed; nothing is left but what a second try finds them by.</summary>
    public Task MarkRemovedAsync(IEnumerable<IndexPoint> points, Removal removal, CancellationToken cancel) => WriteAsync(points.Select(p => new PointStruct
    {
        Id = PointOf(p.Id),
        Vectors = Anywhere(),
        Payload =
        {
            ["id"] = p.Id,
            ["owner"] = p.Owner,
            ["user"] = p.User,
            ["lineage"] = p.Lineage.ToArray(),
            ["removed"] = removal.At,
            ["descendants"] = removal.Descendants || p.Descendants,
            ["descendants_of_all"] = removal.Descendants && removal.OfAll || p.OfAll,
        },
    }), null, cancel);

    /// <summary>Entries go, and marks of removed images in their places stay.</summary>
    public Task DeleteAsync(IReadOnlyCollection<string> ids, CancellationToken cancel) => ids.Count == 0 ? Task.CompletedTask
        : health.AskAsync(() => client.DeleteAsync(collection,
            new Filter { Must = { HasId([.. ids.Select(PointOf)]) }, Should = { Match("source", true), Match("source", false) } },
            cancellationToken: cancel), cancel);

    public Task DeleteMarksAsync(IReadOnlyCollection<string> names, CancellationToken cancel) => names.Count == 0 ? Task.CompletedTask
        : health.AskAsync(() => client.DeleteAsync(collection, [.. names.Select(PointOf)], cancellationToken: cancel), cancel);

    public Task UsedAsync(string id, long at, CancellationToken cancel) => health.AskAsync(() =>
        client.SetPayloadAsync(collection, new Dictionary<string, Value> { ["used"] = at }, PointOf(id), wait: false, cancellationToken: cancel), cancel);

    public Task<long> CountAsync(CancellationToken cancel) => health.AskAsync(
        async () => (long)await client.CountAsync(collection, new Filter { Must = { Match("source", true) } }, cancellationToken: cancel), cancel);

    /// <summary>The sources that leave first.</summary>
    /// <param name="by">created or used.</param>
    public Task<List<string>> FirstAsync(int count, string by, CancellationToken cancel) => health.AskAsync(async () =>
    {
        var page = await client.ScrollAsync(collection, new Filter { Must = { Match("source", true) } }, (uint)count,
            payloadSelector: Brief, orderBy: new OrderBy { Key = by, Direction = Direction.Asc }, cancellationToken: cancel);
        return page.Result.Select(p => Read(p.Payload).Id).ToList();
    }, cancel);

    /// <summary>All that a filter names, without what is known of them beside times; of removed images their marks.</summary>
    public async Task<List<IndexPoint>> AllAsync(Filter? filter, CancellationToken cancel)
    {
        var all = new List<IndexPoint>();
        PointId? next = null;
        do
        {
            var page = await health.AskAsync(
                () => client.ScrollAsync(collection, filter, Page, next, payloadSelector: Brief, cancellationToken: cancel), cancel);
            all.AddRange(page.Result.Select(p => Read(p.Payload)));
            next = page.NextPageOffset;
        }
        while (next is not null);
        return all;
    }

    public static Filter OfOwner(string owner, string? user)
    {
        var filter = new Filter { Must = { MatchKeyword("owner", owner) } };
        if (user is not null) filter.Must.Add(MatchKeyword("user", user));
        return filter;
    }

    public static Filter RefinedFrom(IEnumerable<string> ids) => new() { Must = { Match("lineage", [.. ids]) } };

    public void Dispose() => client.Dispose();

    private async Task WriteAsync(IEnumerable<PointStruct> points, Action<UpsertPoints>? condition, CancellationToken cancel)
    {
        foreach (var chunk in points.Chunk(Page))
        {
            var request = new UpsertPoints { CollectionName = collection, Wait = true, Points = { chunk } };
            condition?.Invoke(request);
            await health.AskAsync(() => client.UpsertAsync(request, cancel), cancel);
        }
    }

    /// <summary>A point needs a vector, also where nothing is to be found by it.</summary>
    private float[] Anywhere()
    {
        var vector = new float[dimension];
        vector[0] = 1;
        return vector;
    }

    private static Guid PointOf(string id) => new(SHA256.HashData(Encoding.UTF8.GetBytes(id)).AsSpan(0, 16));

    private static WithPayloadSelector Brief => new()
    {
        Include = new PayloadIncludeSelector { Fields = { "id", "owner", "user", "lineage", "source", "created", "removed", "descendants", "descendants_of_all" } },
    };

    private static IndexPoint Read(MapField<string, Value> payload) => new(payload["id"].StringValue)
    {
        Owner = payload["owner"].StringValue,
        User = payload["user"].StringValue,
        Lineage = [.. payload["lineage"].ListValue.Values.Select(v => v.StringValue)],
        Entry = payload.ContainsKey("entry") ? EntryOf(payload) : null,
        IsSource = payload.TryGetValue("source", out var source) && source.BoolValue,
        Created = payload.TryGetValue("created", out var created) ? created.IntegerValue : 0,
        Removed = payload.TryGetValue("removed", out var at) ? at.IntegerValue : null,
        Descendants = payload.TryGetValue("descendants", out var descendants) && descendants.BoolValue,
        OfAll = payload.TryGetValue("descendants_of_all", out var ofAll) && ofAll.BoolValue,
    };

    private static CacheEntry EntryOf(MapField<string, Value> payload) =>
        JsonSerializer.Deserialize(payload["entry"].StringValue, CacheJson.Default.CacheEntry)!;
}

/// <summary>An image, or the mark of a removed one. Times are milliseconds since 1970.</summary>
internal sealed record IndexPoint(string Id)
{
    public string Owner { get; init; } = "";
    public string User { get; init; } = "";
    public IReadOnlyList<string> Lineage { get; init; } = [];

    /// <summary>Null for a mark, and where it was not asked for.</summary>
    public CacheEntry? Entry { get; init; }
    public bool IsSource { get; init; }
    public long Created { get; init; }
    public long? Removed { get; init; }

    /// <summary>What was refined from it is removed too: what its owner has of that, or all.</summary>
    public bool Descendants { get; init; }
    public bool OfAll { get; init; }

    public bool TakesDescendant(string owner) => Removed is not null && Descendants && (OfAll || ImageId.OwnerOf(Id) == owner);
}

/// <summary>The store is there, and is not one for this mixture.</summary>
internal sealed class StoreMismatchException(string message) : IOException(message);
