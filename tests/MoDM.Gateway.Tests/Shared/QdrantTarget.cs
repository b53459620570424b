using MoDM.Fakes;
using Qdrant.Client;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>
/// What the contract tests talk to: the Qdrant at MODM_TEST_QDRANT (http://host:port of its gRPC; MODM_TEST_QDRANT_KEY if it
/// asks for one), or where that is not set the fake. The same tests hold for both, or the fake is wrong.
/// </summary>
public sealed class QdrantTarget : IAsyncLifetime
{
    private FakeQdrant? _fake;

    public QdrantClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var real = Environment.GetEnvironmentVariable("MODM_TEST_QDRANT");
        if (string.IsNullOrEmpty(real)) _fake = await FakeQdrant.StartAsync();
        var key = _fake is null ? Environment.GetEnvironmentVariable("MODM_TEST_QDRANT_KEY") : null;
        Client = new QdrantClient(_fake?.Address ?? new Uri(real!), key, TimeSpan.FromSeconds(60));
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_fake is not null) await _fake.DisposeAsync();
    }
}
