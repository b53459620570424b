using System.Net;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Qdrant.Client.Grpc;

namespace MoDM.Fakes;

/// <summary>
/// Qdrant on the wire, with its points in memory: its gRPC services for collections and points, with one unnamed dense
/// vector a point. It answers with the messages of Qdrant.Client, searches exactly, and refuses what it does not know with
/// Unimplemented and its name.
/// <para>
/// Read in Qdrant's own source: the gRPC codes and the words before each message; unknown and existing collections, and that
/// deleting one that is not there is no error but a result; bounds of limits, names and vector sizes; ids that cannot be read
/// and their order; vectors of a wrong size; Unauthenticated for a missing and for a wrong key, to HealthCheck too; strict
/// mode's refusals, and which index serves which condition; what each match says to values of another type, to lists, and to
/// null; that a threshold itself does not pass; scrolling by id (an extra point becomes the next offset) and by a field (no
/// next offset, ties by id, no id offset); that a null in SetPayload takes a field away; that changes which nobody waits for
/// are acknowledged whether they fit or not; that Get answers in the order of the ids. The threshold was also measured by
/// others on a server of version 1.19 (qdrant-client, issue 1386).
/// </para>
/// <para>
/// Not found there, and so a guess: that one wrong vector refuses a whole batch; that equal scores come in the order of ids;
/// the path in the message about a vector size, and the message about a field without a name; that an empty batch is refused;
/// that points without the field are left out of an order by it; whether an update_filter needs an index. No running server
/// has been compared yet: that is what the contract tests of the gateway are for.
/// </para>
/// </summary>
public sealed class FakeQdrant : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly FakeQdrantStore _store = new();
    private readonly Dictionary<string, int> _calls = [];
    private readonly List<Fault> _faults = [];
    private readonly string? _apiKey;
    private readonly X509Certificate2? _certificate;
    private readonly IPAddress _host;
    private WebApplication? _app;
    private volatile TaskCompletionSource? _frozen;
    private int _port;

    private FakeQdrant(string? apiKey, X509Certificate2? certificate, IPAddress host) => (_apiKey, _certificate, _host) = (apiKey, certificate, host);

    private sealed class Fault(string? rpc, StatusCode status, string message, bool answerLost)
    {
        public string? Rpc => rpc;
        public bool AnswerLost => answerLost;
        public int Skip { get; set; }
        public int Left { get; set; }

        public RpcException Refusal => FakeQdrantRefusal.Of(status, message);
    }

    /// <summary>Stays the same from start to start.</summary>
    /// <summary>As HealthCheck says.</summary>
    public string Version { get; set; } = "1.20.0";

    public Uri Address => new($"{(_certificate is null ? "http" : "https")}://127.0.0.1:{_port}");

    /// <summary>Before every answer.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>After which a change that nobody waits for is seen.</summary>
    public TimeSpan Lag
    {
        get => _store.Lag;
        set => _store.Lag = value;
    }

    /// <summary>
    /// Of collections that are created from now on and bring none of their own. On from the start, as in Qdrant's cloud:
    /// filters on fields without an index are refused. Null: off, as in a Qdrant of one's own.
    /// </summary>
    public StrictModeConfig? StrictMode
    {
        get => _store.StrictMode;
        set => _store.StrictMode = value;
    }

    /// <summary>Calls that arrived, by names as on the wire: "Points/Upsert". Refused ones count too.</summary>
    public IReadOnlyDictionary<string, int> Calls
    {
        get { lock (_lock) return new Dictionary<string, int>(_calls); }
    }

    public int CallsOf(string rpc)
    {
        lock (_lock) return _calls.GetValueOrDefault(rpc);
    }

    public void ClearCalls()
    {
        lock (_lock) _calls.Clear();
    }

    /// <param name="apiKey">Asked of every call; null: of none.</param>
    /// <param name="certificate">For TLS; null: HTTP/2 in the clear.</param>
    /// <param name="host">Where it listens: for this process alone, if not said.</param>
    public static async Task<FakeQdrant> StartAsync(string? apiKey = null, X509Certificate2? certificate = null, IPAddress? host = null)
    {
        var fake = new FakeQdrant(apiKey, certificate, host ?? IPAddress.Loopback);
        await fake.RestartAsync();
        return fake;
    }

    /// <summary>After <see cref="StopAsync"/>: at the same address and with what it held.</summary>
    public async Task RestartAsync()
    {
        if (_app is not null) throw new InvalidOperationException("It runs.");
        var app = Build();
        await app.StartAsync();
        _port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        _app = app;
    }

    /// <summary>Cuts the calls under way and refuses connections; what is held stays.</summary>
    public async Task StopAsync()
    {
        if (_app is not { } app) return;
        _app = null;
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    /// <summary>Loses all collections.</summary>
    public void Wipe() => _store.Wipe();

    /// <summary>Accepts connections and calls, and answers none until <see cref="Thaw"/>.</summary>
    public void Freeze() => _frozen ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Thaw()
    {
        var frozen = _frozen;
        _frozen = null;
        frozen?.TrySetResult();
    }

    /// <param name="rpc">Only calls of it: "Points/Upsert"; null: of any.</param>
    /// <param name="answerLost">The call takes effect all the same.</param>
    public void FailNext(int calls, StatusCode status, string? rpc = null, string message = "injected", bool answerLost = false)
    {
        lock (_lock) _faults.Add(new Fault(rpc, status, message, answerLost) { Left = calls });
    }

    /// <summary>Answers so many calls, and fails from then on.</summary>
    /// <param name="answerLost">The first that fails takes effect all the same.</param>
    public void SkipThenFail(int calls, bool answerLost)
    {
        lock (_lock)
        {
            _faults.Add(new Fault(null, StatusCode.Unavailable, "injected", answerLost) { Skip = calls, Left = 1 });
            _faults.Add(new Fault(null, StatusCode.Unavailable, "injected", answerLost: false) { Skip = calls, Left = int.MaxValue });
        }
    }

    /// <summary>No faults, no delay, not frozen.</summary>
    public void Heal()
    {
        lock (_lock) _faults.Clear();
        Delay = TimeSpan.Zero;
        Thaw();
    }

    private WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(_host, _port, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            if (_certificate is not null) listen.UseHttps(_certificate);
        }));
        // The real one sets no limit to a message either.
        builder.Services.AddGrpc(grpc => (grpc.MaxReceiveMessageSize, grpc.MaxSendMessageSize) = (null, null));
        var app = builder.Build();
        foreach (var services in (ServerServiceDefinition[])[Health(), CollectionRpcs(), PointRpcs()])
            app.MapGrpcService(services);
        return app;
    }

    private ServerServiceDefinition Health() => new FakeQdrantRpcs(global::Qdrant.Client.Grpc.Qdrant.Descriptor, AnswerAsync)
        .Add<HealthCheckRequest, HealthCheckReply>("HealthCheck",
            _ => new HealthCheckReply { Title = "qdrant - vector search engine", Version = Version })
        .Build();

    private ServerServiceDefinition CollectionRpcs() => new FakeQdrantRpcs(Collections.Descriptor, AnswerAsync)
        .Add<ListCollectionsRequest, ListCollectionsResponse>("List", _ => _store.List())
        .Add<CollectionExistsRequest, CollectionExistsResponse>("CollectionExists", r => _store.Exists(r.CollectionName))
        .Add<GetCollectionInfoRequest, GetCollectionInfoResponse>("Get", r => _store.Info(r.CollectionName))
        .Add<CreateCollection, CollectionOperationResponse>("Create", _store.Create)
        .Add<DeleteCollection, CollectionOperationResponse>("Delete", r => _store.Delete(r.CollectionName))
        .Build();

    private ServerServiceDefinition PointRpcs() => new FakeQdrantRpcs(Points.Descriptor, AnswerAsync)
        .Add<UpsertPoints, PointsOperationResponse>("Upsert", r => _store.Change(r.CollectionName, r.Wait, c => c.Upsert(r)))
        .Add<DeletePoints, PointsOperationResponse>("Delete", r => _store.Change(r.CollectionName, r.Wait, c => c.Delete(r.Points)))
        .Add<SetPayloadPoints, PointsOperationResponse>("SetPayload", r => _store.Change(r.CollectionName, r.Wait, c => c.SetPayload(r)))
        .Add<SetPayloadPoints, PointsOperationResponse>("OverwritePayload", r => _store.Change(r.CollectionName, r.Wait, c => c.OverwritePayload(r)))
        .Add<DeletePayloadPoints, PointsOperationResponse>("DeletePayload", r => _store.Change(r.CollectionName, r.Wait, c => c.DeletePayload(r)))
        .Add<CreateFieldIndexCollection, PointsOperationResponse>("CreateFieldIndex",
            r => _store.Change(r.CollectionName, r.Wait, c => c.CreateIndex(r)))
        .Add<DeleteFieldIndexCollection, PointsOperationResponse>("DeleteFieldIndex",
            r => _store.Change(r.CollectionName, r.Wait, c => () => c.Indexes.Remove(r.FieldName)))
        .Add<GetPoints, GetResponse>("Get", r => _store.Read(r.CollectionName, c => new GetResponse { Result = { FakeQdrantSearch.Get(c, r) } }))
        .Add<CountPoints, CountResponse>("Count",
            r => _store.Read(r.CollectionName, c => new CountResponse { Result = new CountResult { Count = FakeQdrantSearch.Count(c, r) } }))
        .Add<ScrollPoints, ScrollResponse>("Scroll", r => _store.Read(r.CollectionName, c => FakeQdrantSearch.Scroll(c, r)))
        .Add<SearchPoints, SearchResponse>("Search",
            r => _store.Read(r.CollectionName, c => new SearchResponse { Result = { FakeQdrantSearch.Search(c, r) } }))
        .Add<QueryPoints, QueryResponse>("Query",
            r => _store.Read(r.CollectionName, c => new QueryResponse { Result = { FakeQdrantSearch.Query(c, r) } }))
        .Add<SearchBatchPoints, SearchBatchResponse>("SearchBatch", r => _store.Read(r.CollectionName, c => new SearchBatchResponse
        {
            Result = { r.SearchPoints.Select(s => new BatchResult { Result = { FakeQdrantSearch.Search(c, s) } }) },
        }))
        .Add<QueryBatchPoints, QueryBatchResponse>("QueryBatch", r => _store.Read(r.CollectionName, c => new QueryBatchResponse
        {
            Result = { r.QueryPoints.Select(q => new BatchResult { Result = { FakeQdrantSearch.Query(c, q) } }) },
        }))
        .Build();

    private async Task<IMessage> AnswerAsync(string rpc, ServerCallContext context, Func<IMessage> answer)
    {
        var fault = Arrived(rpc);
        CheckKey(context.RequestHeaders);
        if (Delay > TimeSpan.Zero) await Task.Delay(Delay, context.CancellationToken);
        if (_frozen is { } frozen) await frozen.Task.WaitAsync(context.CancellationToken);
        if (fault is { AnswerLost: false }) throw fault.Refusal;
        var message = answer();
        return fault is null ? message : throw fault.Refusal;
    }

    private Fault? Arrived(string rpc)
    {
        lock (_lock)
        {
            _calls[rpc] = _calls.GetValueOrDefault(rpc) + 1;
            Fault? fault = null;
            foreach (var one in _faults.Where(f => f.Left > 0 && (f.Rpc is null || f.Rpc == rpc)))
            {
                if (one.Skip > 0) one.Skip--;
                else fault ??= one;
            }
            if (fault is not null) fault.Left--;
            return fault;
        }
    }

    private void CheckKey(Metadata headers)
    {
        if (_apiKey is null) return;
        var bearer = headers.GetValue("authorization");
        var key = headers.GetValue("api-key") ?? (bearer?.StartsWith("Bearer ", StringComparison.Ordinal) == true ? bearer["Bearer ".Length..] : null);
        if (key is null) throw FakeQdrantRefusal.Unauthenticated("Must provide an API key or an Authorization bearer token");
        if (key != _apiKey) throw FakeQdrantRefusal.Unauthenticated("Invalid API key or JWT");
    }
}
