using Qdrant.Client.Grpc;

namespace MoDM.Fakes;

/// <summary>All collections of the fake: one method an RPC, each called under the store's lock.</summary>
internal sealed class FakeQdrantStore
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, FakeQdrantCollection> _collections = new(StringComparer.Ordinal);

    /// <summary>For collections that are created without one of their own; null: off.</summary>
    public StrictModeConfig? StrictMode { get; set; } = new() { Enabled = true, UnindexedFilteringRetrieve = false, UnindexedFilteringUpdate = false };

    public TimeSpan Lag { get; set; } = TimeSpan.FromMilliseconds(20);

    public void Wipe()
    {
        lock (_lock) _collections.Clear();
    }

    public ListCollectionsResponse List()
    {
        lock (_lock) return new ListCollectionsResponse { Collections = { _collections.Keys.Select(n => new CollectionDescription { Name = n }) } };
    }

    public CollectionExistsResponse Exists(string name)
    {
        CheckName(name);
        lock (_lock) return new CollectionExistsResponse { Result = new CollectionExists { Exists = _collections.ContainsKey(name) } };
    }

    public GetCollectionInfoResponse Info(string name) => Read(name, c => new GetCollectionInfoResponse { Result = c.Info() });

    public CollectionOperationResponse Create(CreateCollection request)
    {
        CheckName(request.CollectionName);
        if (request.CollectionName.IndexOfAny(['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\u001f']) is var at and >= 0)
            throw FakeQdrantRefusal.Invalid("collection_name", $"collection name cannot contain \"{request.CollectionName[at]}\" char");
        if (request.VectorsConfig?.Params is not { MultivectorConfig: null } vectors || request.SparseVectorsConfig is not null)
            throw FakeQdrantRefusal.Unimplemented("a collection without exactly one unnamed vector");
        if (vectors.Size is 0 or > 65536)
            throw FakeQdrantRefusal.Invalid("vectors_config.config.size", $"value {vectors.Size} invalid, must be from 1 to 65536");
        if (vectors.Distance == Distance.UnknownDistance) throw FakeQdrantRefusal.Malformed("Unknown distance");
        lock (_lock)
        {
            if (_collections.ContainsKey(request.CollectionName))
                throw FakeQdrantRefusal.AlreadyExists($"Collection `{request.CollectionName}` already exists!");
            _collections[request.CollectionName] = new FakeQdrantCollection(request.Clone(), StrictMode?.Clone());
        }
        return new CollectionOperationResponse { Result = true };
    }

    /// <summary>Not an error when there is none: the result says so.</summary>
    public CollectionOperationResponse Delete(string name)
    {
        CheckName(name);
        lock (_lock) return new CollectionOperationResponse { Result = _collections.Remove(name) };
    }

    public TResponse Read<TResponse>(string name, Func<FakeQdrantCollection, TResponse> read)
    {
        lock (_lock) return read(Find(name));
    }

    /// <param name="prepare">Refuses what cannot be read, and returns what to do.</param>
    public PointsOperationResponse Change(string name, bool wait, Func<FakeQdrantCollection, Action> prepare)
    {
        lock (_lock)
        {
            var collection = Find(name);
            var change = prepare(collection);
            if (wait)
                collection.Apply(change);
            else
                collection.Leave(change);
            if (!wait) _ = SettleAsync(collection, Lag);
            return new PointsOperationResponse
            {
                Result = new UpdateResult { OperationId = collection.Operations, Status = wait ? UpdateStatus.Completed : UpdateStatus.Acknowledged },
            };
        }
    }

    private async Task SettleAsync(FakeQdrantCollection collection, TimeSpan lag)
    {
        await Task.Delay(lag).ConfigureAwait(false);
        lock (_lock) collection.Settle();
    }

    private FakeQdrantCollection Find(string name)
    {
        CheckName(name);
        return _collections.GetValueOrDefault(name) ?? throw FakeQdrantRefusal.NotFound($"Collection `{name}` doesn't exist!");
    }

    private static void CheckName(string name)
    {
        if (name.Length is 0 or > 255)
            throw FakeQdrantRefusal.Invalid("collection_name", $"value \"{name}\" invalid, must be from 1 to 255 characters");
    }
}
