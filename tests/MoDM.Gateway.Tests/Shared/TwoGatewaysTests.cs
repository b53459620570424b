using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Gateway.Cache;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>Gateway processes over one Qdrant and one S3: what one of them promised holds when it is gone, and without the stores.</summary>
public sealed class TwoGatewaysTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMilliseconds(50);

    /// <summary>For tests of what is promised, on a machine with other work.</summary>
    private static readonly TimeSpan Patient = TimeSpan.FromSeconds(10);

    private SharedStoresFixture _stores = null!;
    private FakeWorker _large = null!, _small = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _stores = await SharedStoresFixture.StartAsync();
        _large = await FakeWorker.StartAsync("postcards-large", capacity: 32);
        _small = await FakeWorker.StartAsync("postcards-small", capacity: 32);
    }

    public async ValueTask DisposeAsync()
    {
        await _large.DisposeAsync();
        await _small.DisposeAsync();
        await _stores.DisposeAsync();
    }

    [Fact]
    public async Task An_image_of_one_is_a_hit_through_the_other_within_a_second_and_its_url_works_there()
    {
        await using var mine = await StartAsync(Patient);
        await using var other = await StartAsync(Patient);
        // Others have the machine too now and then: of three images the quickest counts.
        var (drawn, known) = (default(JsonNode), TimeSpan.MaxValue);
        foreach (var prompt in new[] { "a green kite", "a blue kite", "a red kite" })
        {
            if (drawn is not null) await mine.Http.DeleteAsync($"/v1/images/{IdOf(drawn)}", Cancel);
            drawn = await GatewayProcess.JsonAsync(await mine.GenerateAsync(new { prompt, response_format = "url", seed = 1, cache = "refresh" }));
            var answered = Stopwatch.GetTimestamp();
            while (!(await other.Http.GetAsync($"/v1/images/{IdOf(drawn)}", Cancel)).Headers.TryGetValues("x-modm-cached", out var cached) || cached.First() != "true")
                await Task.Delay(10, Cancel);
            var took = Stopwatch.GetElapsedTime(answered);
            known = took < known ? took : known;
        }
        var id = IdOf(drawn!);
        var hit = await GatewayProcess.JsonAsync(await other.GenerateAsync(new { prompt = "a red kite", seed = 2 }));

        Assert.Equal(("hit", id), ((string)hit["modm"]!["route"]!, (string)hit["modm"]!["source_image"]!));
        Assert.True(known < TimeSpan.FromSeconds(1), $"{known}");
        Assert.True((bool)drawn!["modm"]!["images"]![0]!["stored"]!);
        var theirs = await other.Http.GetAsync($"/v1/images/{id}", Cancel);
        Assert.True(theirs.IsSuccessStatusCode);
        Assert.Equal(id, (string)(await ProvenanceAsync(other, id))["id"]!);

        // And it is gone for both when one removes it.
        await mine.Http.DeleteAsync($"/v1/images/{id}?descendants=true", Cancel);
        var after = await GatewayProcess.JsonAsync(await other.GenerateAsync(new { prompt = "a red kite", seed = 3 }));
        Assert.True((string)after["modm"]!["route"]! == "miss", $"removed {id}, then {after["modm"]!.ToJsonString()} after {hit["modm"]!.ToJsonString()}");
        Assert.Equal(404, (int)(await other.Http.GetAsync($"/v1/images/{id}", Cancel)).StatusCode);
    }

    [Fact]
    public async Task What_a_gateway_acknowledged_is_readable_through_the_other_after_kill_9()
    {
        await using var doomed = await StartAsync(Patient);
        await using var other = await StartAsync(Patient);
        var (promised, kept, failed, next) = (new ConcurrentBag<string>(), new ConcurrentBag<string>(), new ConcurrentBag<string>(), -1);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < 2000;)
            {
                if (i == 1000) doomed.Kill();
                var gateway = i % 2 == 0 ? doomed : other;
                try
                {
                    var answer = await gateway.GenerateAsync(Mixed(i));
                    var body = await GatewayProcess.JsonAsync(answer);
                    if (!answer.IsSuccessStatusCode) failed.Add(body.ToJsonString());
                    foreach (var image in body["modm"]?["images"]?.AsArray() ?? [])
                    {
                        if ((string?)image!["id"] is not { } id) continue;
                        if (gateway == other) kept.Add(id);
                        if ((bool?)image["stored"] == true) promised.Add(id);
                    }
                }
                catch (HttpRequestException) when (gateway == doomed)
                {
                    // It is dead: a clean failure.
                }
            }
        }, Cancel)));

        Assert.Empty(failed);
        Assert.True(promised.Count > 300, $"{promised.Count} promised");
        var all = promised.Concat(kept).Distinct().ToList();
        await GatewayProcess.Eventually(async () => await MissingAsync(other, [.. kept.Distinct()]) == 0);
        Assert.Equal(0, await MissingAsync(other, all));

        // After one sweep, of a gateway that takes nothing for loose: what is in the bucket is in the index, once, and whole.
        var files = await _stores.OpenAsync(dimension: await DimensionAsync());
        await Task.Delay(1100, Cancel);
        await files.SweepAsync(TimeSpan.Zero, Cancel);
        var objects = await _stores.ObjectsAsync();
        Assert.Equal(objects.Count, files.State.Entries);
        foreach (var key in objects)
            Assert.NotNull(await files.ReadAsync(Path.GetFileNameWithoutExtension(key), forHit: false, Cancel));
        TestContext.Current.TestOutputHelper!.WriteLine($"{promised.Count} promised, {kept.Count} kept by the other, {objects.Count} sources");
    }

    [Fact]
    public async Task Without_its_stores_a_gateway_serves_as_fast_and_finds_back_by_itself()
    {
        (_large.StepTime, _small.StepTime) = (TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100));
        await using var gateway = await StartAsync(Deadline);
        var phase = "before";
        var took = new ConcurrentDictionary<string, ConcurrentBag<double>>();
        var lookedUp = new ConcurrentDictionary<string, ConcurrentBag<double>>();
        var failed = new ConcurrentBag<string>();
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll(Enumerable.Range(0, 6).Select(client => Task.Run(async () =>
        {
            for (var i = client; !stop.IsCancellationRequested; i += 6)
            {
                var (asked, during) = (Stopwatch.GetTimestamp(), Volatile.Read(ref phase));
                var answer = await gateway.GenerateAsync(Mixed(i));
                if (!answer.IsSuccessStatusCode) failed.Add($"{during}: {await answer.Content.ReadAsStringAsync(Cancel)}");
                took.GetOrAdd(during, _ => []).Add(Stopwatch.GetElapsedTime(asked).TotalSeconds);
                lookedUp.GetOrAdd(during, _ => []).Add(LookUpOf(answer));
                await Task.Delay(150, Cancel);
            }
        }, Cancel)));

        // The first answers are of code that has not run before.
        await PhaseAsync("warm-up", 10, static () => Task.CompletedTask);
        await PhaseAsync("before", 30, static () => Task.CompletedTask);
        await PhaseAsync("Qdrant stopped", 60, _stores.Qdrant.StopAsync);
        await BackAsync("Qdrant back", _stores.Qdrant.RestartAsync);
        var kept = await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite", response_format = "url" }));
        var picture = new Uri((string)kept["data"]![0]!["url"]!).AbsolutePath;
        await GatewayProcess.Eventually(async () => (await gateway.Http.GetAsync(picture, Cancel)).Headers.GetValues("x-modm-cached").Single() == "true");
        await PhaseAsync("S3 stopped", 60, async () =>
        {
            _stores.S3Way.Stop();
            // Not known to be gone, so not said to be.
            var meanwhile = await gateway.Http.GetAsync(picture, Cancel);
            Assert.Equal((503, true), ((int)meanwhile.StatusCode, meanwhile.Headers.RetryAfter is not null));
        });
        await BackAsync("S3 back", () => { _stores.S3Way.Restart(); return Task.CompletedTask; });
        await PhaseAsync("both slow", 60, () =>
        {
            (_stores.Qdrant.Delay, _stores.S3Way.Delay) = (TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2));
            return Task.CompletedTask;
        });
        await BackAsync("both back", () =>
        {
            _stores.Qdrant.Heal();
            _stores.S3Way.Delay = TimeSpan.Zero;
            return Task.CompletedTask;
        });
        await stop.CancelAsync();
        await load;

        foreach (var (name, seconds) in took)
            TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {seconds.Count} answers, median {At(seconds, 0.5):0.000} s, p99 {At(seconds, 0.99):0.000} s"));
        Assert.Empty(failed);
        // A quiet machine keeps the p99 to 1.1 times and the deadline (README); on a busy one it varies by more from minute to minute.
        // Who waits for a store that is slow by 2 s shows all the same. The median is a hit's before and a miss's then: four steps for three.
        foreach (var name in new[] { "Qdrant stopped", "S3 stopped", "both slow" })
        {
            Assert.InRange(At(lookedUp[name], 0.9), 0, 2 * Deadline.TotalSeconds);
            Assert.InRange(At(took[name], 0.5), 0, 4 / 3.0 * 1.1 * At(took["before"], 0.5) + Deadline.TotalSeconds);
            Assert.InRange(At(took[name], 0.99), 0, At(took["before"], 0.99) + 1);
        }

        async Task PhaseAsync(string name, int seconds, Func<Task> begin)
        {
            await begin();
            Volatile.Write(ref phase, name);
            await Task.Delay(TimeSpan.FromSeconds(seconds), Cancel);
        }

        async Task BackAsync(string name, Func<Task> begin)
        {
            await begin();
            Volatile.Write(ref phase, name);
            await gateway.StatusAsync(s => s["cache"]!["trouble"] is null);
            await GatewayProcess.Eventually(async () =>
                (string)(await GatewayProcess.JsonAsync(await gateway.GenerateAsync(new { prompt = "a red kite" })))["modm"]!["route"]! == "hit");
            await Task.Delay(2000, Cancel);
        }
    }

    /// <summary>Seconds, as the answer says.</summary>
    private static double LookUpOf(HttpResponseMessage answer)
    {
        var timing = answer.Headers.GetValues("Server-Timing").Single();
        var from = timing.IndexOf("lookup;dur=", StringComparison.Ordinal) + "lookup;dur=".Length;
        return double.Parse(timing.AsSpan(from, timing.IndexOf(',', from) - from), CultureInfo.InvariantCulture) / 1000;
    }

    /// <summary>Hits and misses, pictures in answers and by URL, one and two at a time.</summary>
    private static object Mixed(int i) => new
    {
        prompt = $"a {(i % 3 == 0 ? "red" : "green")} kite",
        seed = 10L * i,
        n = i % 7 == 0 ? 2 : 1,
        response_format = i % 2 == i / 2 % 2 ? "url" : "b64_json",
        cache = i % 5 == 0 ? "refresh" : "auto",
    };

    private async Task<GatewayProcess> StartAsync(TimeSpan deadline) => await GatewayProcess.StartAsync([_large, _small],
        "--mixture", await StoreMixture.WriteAsync(_stores, "guards: []", $"lookUpDeadline: {deadline.TotalMilliseconds}ms"));

    private static string IdOf(JsonNode body) => (string)body["modm"]!["images"]![0]!["id"]!;

    private static async Task<int> DimensionAsync() =>
        (int)JsonNode.Parse(await File.ReadAllTextAsync(Repo.File("models", "postcards-clip", "config.json"), Cancel))!["projection_dim"]!;

    private static async Task<JsonNode> ProvenanceAsync(GatewayProcess gateway, string id)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/images/{id}");
        request.Headers.Accept.ParseAdd("application/json");
        return await GatewayProcess.JsonAsync(await gateway.Http.SendAsync(request, Cancel));
    }

    private static async Task<int> MissingAsync(GatewayProcess gateway, IReadOnlyList<string> ids)
    {
        var missing = 0;
        await Parallel.ForEachAsync(ids, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancel }, async (id, cancel) =>
        {
            if (!(await gateway.Http.GetAsync($"/v1/images/{id}", cancel)).IsSuccessStatusCode) Interlocked.Increment(ref missing);
        });
        return missing;
    }

    private static double At(ConcurrentBag<double> seconds, double share) => seconds.Order().ElementAt((int)Math.Ceiling(share * seconds.Count) - 1);
}
