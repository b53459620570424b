using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using MoDM.Fakes;
using Qdrant.Client;
using Qdrant.Client.Grpc;
using static Qdrant.Client.Grpc.Conditions;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>What tests can do to the fake and not to a real Qdrant.</summary>
public sealed class FakeQdrantTests
{
    private const string Name = "storks";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_asks_for_its_key()
    {
        await using var fake = await FakeQdrant.StartAsync(apiKey: "secret");
        using var none = new QdrantClient(fake.Address);
        using var wrong = new QdrantClient(fake.Address, "guess");
        using var right = new QdrantClient(fake.Address, "secret");

        var missing = await Assert.ThrowsAsync<RpcException>(() => none.ListCollectionsAsync(Token));
        var invalid = await Assert.ThrowsAsync<RpcException>(() => wrong.ListCollectionsAsync(Token));

        Assert.Equal((StatusCode.Unauthenticated, "Must provide an API key or an Authorization bearer token"), (missing.StatusCode, missing.Status.Detail));
        Assert.Equal((StatusCode.Unauthenticated, "Invalid API key or JWT"), (invalid.StatusCode, invalid.Status.Detail));
        Assert.Empty(await right.ListCollectionsAsync(Token));
        Assert.Equal("qdrant - vector search engine", (await right.HealthAsync(Token)).Title);
    }

    [Fact]
    public async Task It_keeps_its_points_and_its_address_over_a_restart_and_loses_them_when_wiped()
    {
        await using var fake = await FakeQdrant.StartAsync();
        using var client = await ClientAsync(fake);
        var address = fake.Address;

        await fake.StopAsync();
        var down = await Assert.ThrowsAsync<RpcException>(() => client.CountAsync(Name, cancellationToken: Token));
        await fake.RestartAsync();

        Assert.Equal(StatusCode.Unavailable, down.StatusCode);
        Assert.Equal(address, fake.Address);
        // The channel waits before it connects again.
        Assert.Equal(1UL, await EventuallyAsync(() => client.CountAsync(Name, cancellationToken: Token)));
        fake.Wipe();
        Assert.False(await client.CollectionExistsAsync(Name, Token));
    }

    [Fact]
    public async Task It_fails_as_often_as_told_and_counts_the_calls()
    {
        await using var fake = await FakeQdrant.StartAsync();
        using var client = await ClientAsync(fake);
        fake.ClearCalls();
        fake.FailNext(2, StatusCode.ResourceExhausted, "Points/Count", "too many");

        var first = await Assert.ThrowsAsync<RpcException>(() => client.CountAsync(Name, cancellationToken: Token));
        await client.ScrollAsync(Name, cancellationToken: Token);
        await Assert.ThrowsAsync<RpcException>(() => client.CountAsync(Name, cancellationToken: Token));
        await client.CountAsync(Name, cancellationToken: Token);

        Assert.Equal((StatusCode.ResourceExhausted, "too many"), (first.StatusCode, first.Status.Detail));
        Assert.Equal((3, 1, 0), (fake.CallsOf("Points/Count"), fake.CallsOf("Points/Scroll"), fake.CallsOf("Points/Upsert")));
        Assert.Equal(["Points/Count", "Points/Scroll"], fake.Calls.Keys.Order());
    }

    [Fact]
    public async Task An_answer_can_be_lost_after_the_write()
    {
        await using var fake = await FakeQdrant.StartAsync();
        using var client = await ClientAsync(fake);
        fake.FailNext(1, StatusCode.Unavailable, "Points/Upsert", answerLost: true);

        await Assert.ThrowsAsync<RpcException>(() => client.UpsertAsync(Name, [new PointStruct { Id = 2, Vectors = new float[2] }], cancellationToken: Token));

        Assert.Equal(2UL, await client.CountAsync(Name, cancellationToken: Token));
    }

    [Fact]
    public async Task Slow_or_frozen_it_runs_into_the_callers_deadline()
    {
        await using var fake = await FakeQdrant.StartAsync();
        using var patient = await ClientAsync(fake);
        using var hasty = new QdrantClient(fake.Address, grpcTimeout: TimeSpan.FromMilliseconds(300));

        fake.Delay = TimeSpan.FromMinutes(1);
        Assert.Equal(StatusCode.DeadlineExceeded, (await Assert.ThrowsAsync<RpcException>(() => hasty.CountAsync(Name, cancellationToken: Token))).StatusCode);
        fake.Heal();
        fake.Freeze();
        Assert.Equal(StatusCode.DeadlineExceeded, (await Assert.ThrowsAsync<RpcException>(() => hasty.CountAsync(Name, cancellationToken: Token))).StatusCode);
        var waiting = patient.CountAsync(Name, cancellationToken: Token);
        Assert.False(waiting.IsCompleted);
        fake.Thaw();
        Assert.Equal(1UL, await waiting);
    }

    [Fact]
    public async Task A_frozen_one_can_be_stopped()
    {
        await using var fake = await FakeQdrant.StartAsync();
        using var client = await ClientAsync(fake);
        fake.Freeze();
        var waiting = client.CountAsync(Name, cancellationToken: Token);
        var clock = Stopwatch.StartNew();

        await fake.StopAsync();

        await Assert.ThrowsAsync<RpcException>(() => waiting);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(8));
    }

    [Fact]
    public async Task What_it_cannot_do_is_refused_by_name()
    {
        await using var fake = await FakeQdrant.StartAsync();
        using var client = await ClientAsync(fake);
        foreach (var (call, words) in (ValueTuple<Func<Task>, string>[])
        [
            (() => client.ScrollAsync(Name, MatchText("text", "stork"), cancellationToken: Token), "Text"),
            (() => client.ScrollAsync(Name, DatetimeRange("at", gt: DateTime.UnixEpoch), cancellationToken: Token), "DatetimeRange"),
            (() => client.ScrollAsync(Name, HasVector("image"), cancellationToken: Token), "HasVector"),
            (() => client.QueryAsync(Name, Sample.Random, cancellationToken: Token), "Sample"),
            (() => client.QueryAsync(Name, new float[2], prefetch: [new PrefetchQuery()], cancellationToken: Token), "prefetch"),
            (() => client.CreateCollectionAsync("named", new VectorParamsMap(), cancellationToken: Token), "one unnamed vector"),
            (() => client.CountAsync(Name, shardKeySelector: new ShardKeySelector { ShardKeys = { "north" } }, cancellationToken: Token), "shard_key_selector"),
            (() => client.ListAliasesAsync(Token), ""),
        ])
        {
            var error = await Assert.ThrowsAsync<RpcException>(call);
            Assert.True(error.StatusCode == StatusCode.Unimplemented && error.Status.Detail.Contains(words, StringComparison.Ordinal), $"{words}: {error.Status}");
        }
    }

    [Fact]
    public async Task Without_strict_mode_filters_need_no_index()
    {
        await using var fake = await FakeQdrant.StartAsync();
        using var strict = await ClientAsync(fake);
        await Assert.ThrowsAsync<RpcException>(() => strict.CountAsync(Name, MatchKeyword("kind", "white"), cancellationToken: Token));
        await strict.DeleteCollectionAsync(Name, cancellationToken: Token);
        fake.StrictMode = null;
        using var lax = await ClientAsync(fake);

        Assert.Equal(1UL, await lax.CountAsync(Name, MatchKeyword("kind", "white"), cancellationToken: Token));
        Assert.Equal(1UL, await lax.CountAsync(Name, Nested("seen", MatchKeyword("at", "Oder")), cancellationToken: Token));
        Assert.Equal(0UL, await lax.CountAsync(Name, Nested("seen", MatchKeyword("at", "Spree")), cancellationToken: Token));
    }

    [Fact]
    public async Task It_speaks_TLS_with_a_certificate_of_the_tests()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        await using var fake = await FakeQdrant.StartAsync("secret", certificate);
        using var channel = QdrantChannel.ForAddress(fake.Address, new ClientConfiguration
        {
            ApiKey = "secret",
            CertificateThumbprint = certificate.GetCertHashString(HashAlgorithmName.SHA256),
        });
        using var client = new QdrantClient(new QdrantGrpcClient(channel));

        Assert.Equal("https", fake.Address.Scheme);
        Assert.Empty(await client.ListCollectionsAsync(Token));
    }

    private static async Task<QdrantClient> ClientAsync(FakeQdrant fake)
    {
        var client = new QdrantClient(fake.Address);
        await client.CreateCollectionAsync(Name, new VectorParams { Size = 2, Distance = Distance.Dot }, cancellationToken: Token);
        await client.UpsertAsync(Name, [new PointStruct
        {
            Id = 1,
            Vectors = new float[2],
            Payload = { ["kind"] = "white", ["seen"] = (Value[])[new Value { StructValue = new Struct { Fields = { ["at"] = "Oder" } } }] },
        }], cancellationToken: Token);
        return client;
    }

    private static async Task<T> EventuallyAsync<T>(Func<Task<T>> call)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await call();
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && tries < 100)
            {
                await Task.Delay(100, Token);
            }
        }
    }
}
