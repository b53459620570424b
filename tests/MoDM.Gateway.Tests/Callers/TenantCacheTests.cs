using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Tests.Shared;

namespace MoDM.Gateway.Tests.Callers;

/// <summary>Complaints 14 and 15: no tenant gets what another one's request left behind, in whichever store it is.</summary>
public sealed class TenantCacheTests : IAsyncLifetime
{
    private readonly string _folder = TempFolder.New();
    private FakeWorker _large = null!, _small = null!;
    private string _acme = null!, _globex = null!, _admin = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _large = await FakeWorker.StartAsync("postcards-large");
        _small = await FakeWorker.StartAsync("postcards-small");
        (_acme, _globex, _admin) = (Add("alice", "--tenant", "acme"), Add("bob", "--tenant", "globex"), Add("root", "--admin"));
    }

    public async ValueTask DisposeAsync()
    {
        await _large.DisposeAsync();
        await _small.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_identical_prompt_of_another_tenant_is_no_hit_whatever_it_sends_beside_its_key(bool shared)
    {
        await using var stores = shared ? await SharedStoresFixture.StartAsync() : null;
        await using var gateway = await StartAsync(stores, "Tenant");
        var first = await DrawAsync(gateway, _acme);
        await StoredAsync(gateway, IdOf(first));

        Assert.Equal("hit", RouteOf(await DrawAsync(gateway, _acme)));
        Assert.Equal("miss", RouteOf(await DrawAsync(gateway, _globex, spoof: ("x-tenant", "acme"))));
        foreach (var spoof in new (string Name, string Value)[] { ("x-modm-tenant", "acme"), ("x-user", "alice"), ("x-modm-errand", "acme"), ("OpenAI-Organization", "acme") })
            OnlyFromGlobex(await DrawAsync(gateway, _globex, spoof: spoof));
        OnlyFromGlobex(await DrawAsync(gateway, _globex, user: "alice"));
        foreach (var field in new[] { "tenant", "partition", "bucket", "similarity", "hits" })
        {
            using var refused = await SendAsync(gateway, HttpMethod.Post, "/v1/images/generations", _globex,
                new JsonObject { ["prompt"] = "a red kite", [field] = "acme" });
            Assert.Equal((field, 400), (field, (int)refused.StatusCode));
        }
    }

    [Fact]
    public async Task Only_its_tenant_and_admins_look_into_an_image_and_remove_it()
    {
        await using var gateway = await StartAsync(null, "Tenant");
        var id = IdOf(await DrawAsync(gateway, _acme));
        await StoredAsync(gateway, id);

        async Task<int> AskAsync(HttpMethod method, string? key, string query = "") => (int)(await SendAsync(gateway, method, $"/v1/images/{id}{query}", key)).StatusCode;
        foreach (var (key, status) in new[] { (null, 404), (_globex, 404), (_acme, 200), (_admin, 200) })
            Assert.Equal((key, status), (key, await AskAsync(HttpMethod.Get, key)));
        Assert.Equal(404, await AskAsync(HttpMethod.Delete, _globex));
        Assert.Equal(401, await AskAsync(HttpMethod.Delete, null));
        Assert.Equal(403, (int)(await SendAsync(gateway, HttpMethod.Delete, "/v1/images?tenant=acme", _globex)).StatusCode);
        Assert.Equal(0, (int)(await GatewayProcess.JsonAsync(await SendAsync(gateway, HttpMethod.Delete, "/v1/images?user=u", _globex)))["count"]!);
        Assert.Equal(200, await AskAsync(HttpMethod.Get, _acme));
        Assert.Equal(1, (int)(await GatewayProcess.JsonAsync(await SendAsync(gateway, HttpMethod.Delete, "/v1/images?tenant=acme", _admin)))["count"]!);
        Assert.Equal(404, await AskAsync(HttpMethod.Get, _acme));
    }

    [Fact]
    public async Task Where_pictures_are_shared_prompts_are_not()
    {
        await using var gateway = await StartAsync(null, "Mixture");
        var first = await DrawAsync(gateway, _acme);
        await StoredAsync(gateway, IdOf(first));

        var theirs = await DrawAsync(gateway, _globex);
        var own = await DrawAsync(gateway, _acme);

        Assert.Equal(("hit", "hit"), (RouteOf(theirs), RouteOf(own)));
        Assert.Equal((IdOf(first), null), ((string)theirs["modm"]!["source_image"]!, (string?)theirs["modm"]!["source_prompt"]));
        Assert.Equal("a red kite", (string?)own["modm"]!["source_prompt"]);
    }

    private string Add(string name, params string[] more)
    {
        var said = new StringWriter();
        Assert.Equal(0, KeysCommand.Run(["add", name, "--keys", KeysFileName, .. more], said, TextWriter.Null));
        return said.ToString().Trim();
    }

    private string KeysFileName => Path.Combine(_folder, "keys.jsonl");

    private async Task<GatewayProcess> StartAsync(SharedStoresFixture? stores, string sharing) => await GatewayProcess.StartAsync([_large, _small],
        "--mixture", await StoreMixture.WriteAsync(stores, $"sharing: {sharing}", "lookUpDeadline: 10s"), "--keys", KeysFileName);

    private static async Task<JsonNode> DrawAsync(GatewayProcess gateway, string key, (string Name, string Value)? spoof = null, string user = "u")
    {
        using var answer = await SendAsync(gateway, HttpMethod.Post, "/v1/images/generations", key,
            new JsonObject { ["prompt"] = "a red kite", ["user"] = user }, spoof);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await GatewayProcess.JsonAsync(answer);
    }

    /// <summary>A hit on one of its own pictures, or none.</summary>
    private static void OnlyFromGlobex(JsonNode body)
    {
        if ((string?)body["modm"]!["source_image"] is { } source) Assert.StartsWith(Caller.HashOf("globex"), source, StringComparison.Ordinal);
    }

    private static string RouteOf(JsonNode body) => (string)body["modm"]!["route"]!;

    private static string IdOf(JsonNode body) => (string)body["modm"]!["images"]![0]!["id"]!;

    private static Task StoredAsync(GatewayProcess gateway, string id) => GatewayProcess.Eventually(async () =>
        (await gateway.Http.GetAsync($"/v1/images/{id}", Cancel)).Headers.TryGetValues("x-modm-cached", out var cached) && cached.First() == "true");

    private static async Task<HttpResponseMessage> SendAsync(
        GatewayProcess gateway, HttpMethod method, string path, string? key, JsonObject? body = null, (string Name, string Value)? more = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        if (key is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        if (more is var (name, value)) request.Headers.TryAddWithoutValidation(name, value);
        if (method == HttpMethod.Get) request.Headers.Accept.ParseAdd("application/json");
        return await gateway.Http.SendAsync(request, Cancel);
    }
}
