using System.Collections.Concurrent;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using MoDM.Cluster;
using MoDM.Fakes;

namespace MoDM.Operator.Tests.Cluster;

public sealed class ListWatchTests : IAsyncLifetime
{
    private const string Maps = "/api/v1/namespaces/fog/configmaps";
    private readonly ConcurrentQueue<string> _changes = [];
    private readonly CancellationTokenSource _stop = new();
    private FakeApiServer _server = null!;
    private ApiServer _api = null!;
    private Task _loop = Task.CompletedTask;

    public async ValueTask InitializeAsync()
    {
        _server = await FakeApiServer.StartAsync();
        _api = _server.Client();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        _api.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task All_pages_of_the_first_list_are_told_before_it_is_synced()
    {
        for (var i = 0; i < 1200; i++)
            Put($"m{i:d4}");
        var watch = Make();
        _ = watch.Synced.ContinueWith(_ => _changes.Enqueue("synced"), TaskContinuationOptions.ExecuteSynchronously);

        await Run(watch);
        await Eventually.Holds(() => _changes.Contains("synced"), "synced");

        Assert.Equal(1200, watch.Items.Count);
        Assert.Equal(1200, _changes.TakeWhile(c => c != "synced").Count(c => c.StartsWith("Added", StringComparison.Ordinal)));
        Assert.Equal(3, Requests("LIST"));
    }

    [Fact]
    public async Task Changes_arrive_in_order_and_a_snapshot_stays_as_it_was()
    {
        var watch = await Run(Make());
        var before = watch.Items;

        Put("a", "1");
        Put("a", "2");
        Put("b");
        _server.Remove($"{Maps}/a");

        await Expect("Added a 1", "Modified a 2", "Added b", "Deleted a 2");
        Assert.Empty(before);
        Assert.Null(watch.Find("fog", "a"));
        Assert.Equal("b", Assert.Single(watch.Items).Metadata.Name);
    }

    [Fact]
    public async Task What_no_longer_matches_the_selector_is_deleted()
    {
        _server.Put($"{Maps}/other", """{"metadata":{"labels":{"modm.dev/role":"gateway"}}}""");
        await Run(Make(ClusterNames.ByLabels((ClusterNames.RoleLabel, ClusterNames.WorkerRole))));

        _server.Put($"{Maps}/a", """{"metadata":{"labels":{"modm.dev/role":"worker"}}}""");
        _server.Patch($"{Maps}/a", """{"metadata":{"labels":{"modm.dev/role":"gateway"}}}""");

        await Expect("Added a", "Deleted a");
    }

    [Fact]
    public async Task One_object_can_be_watched_by_its_name_across_namespaces()
    {
        Put("b");
        await Run(new ListWatch<V1ConfigMap>(
            _api, "/api/v1/configmaps", ClusterNames.ByName("a"), TimeProvider.System, NullLogger.Instance));

        Put("a");

        await Expect("Added a");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_that_is_cut_or_closed_is_resumed_where_it_was(bool cut)
    {
        Put("a", "1");
        await Run(Make());

        _server.Inject(new FakeFault { Verb = "WATCH", ResetBefore = true, Times = 2 });
        if (cut) _server.CutWatches();
        else _server.CloseWatches();
        Put("a", "2");
        Put("b");
        _server.Remove($"{Maps}/b");

        await Expect("Added a 1", "Modified a 2", "Added b", "Deleted b");
        Assert.Equal(1, Requests("LIST"));
    }

    /// <summary>Deletions that nobody saw are told all the same.</summary>
    [Theory]
    [InlineData("expired")]
    [InlineData("error 410")]
    [InlineData("error 500")]
    [InlineData("malformed")]
    [InlineData("no version")]
    [InlineData("unknown type")]
    public async Task When_the_watch_cannot_go_on_a_new_list_tells_what_was_missed(string fault)
    {
        Put("same");
        Put("changed", "1");
        Put("gone");
        Put("remade", "1");
        await Run(Make());
        await Expect("Added changed 1", "Added gone", "Added remade 1", "Added same");

        // The watch is deaf for a while, and the history of that while is lost.
        await Eventually.Holds(() => _server.WatchCount(Maps) == 1, "watching");
        _server.SilenceWatches();
        Put("changed", "2");
        _server.Remove($"{Maps}/gone");
        _server.Remove($"{Maps}/remade");
        Put("remade", "2");
        Put("new");
        _server.Forget();
        _server.SilenceWatches(silent: false);
        switch (fault)
        {
            case "expired": _server.CutWatches(); break;
            case "error 410": _server.SendError(410); break;
            case "error 500": _server.SendError(500); break;
            case "malformed": _server.SendLine("{\"type\":\"MODIFIED\",\"object\":{\"met"); break;
            case "no version": _server.SendLine("""{"type":"BOOKMARK","object":{"kind":"ConfigMap"}}"""); break;
            default: _server.SendLine("""{"type":"SURPRISE","object":{}}"""); break;
        }

        await Eventually.Holds(() => _changes.Count >= 9, "nine changes");
        Assert.Equal(
            ["Added changed 1", "Added gone", "Added remade 1", "Added same", "Added new", "Added remade 2", "Deleted gone", "Deleted remade 1", "Modified changed 2"],
            _changes.Take(4).Concat(_changes.Skip(4).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public async Task A_silent_connection_is_given_up_and_resumed()
    {
        var watch = Make();
        (watch.WatchTimeout, watch.SilenceMargin) = (TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(300));
        await Run(watch);
        await Eventually.Holds(() => _server.WatchCount(Maps) == 1, "watching");

        _server.SilenceWatches();
        Put("a");

        await Expect("Added a");
        Assert.Equal(1, Requests("LIST"));
    }

    [Fact]
    public async Task A_bookmark_moves_the_version_to_resume_from()
    {
        await Run(Make());
        await Eventually.Holds(() => _server.WatchCount(Maps) == 1, "watching");
        for (var i = 0; i < 5; i++)
            _server.Put("/api/v1/namespaces/mist/pods/p", $$"""{"metadata":{"labels":{"i":"{{i}}"} } }""");
        var version = (string)_server.Get("/api/v1/namespaces/mist/pods/p")!["metadata"]!["resourceVersion"]!;

        _server.SendBookmarks();
        _server.CloseWatches();

        await Eventually.Holds(() => _server.Requests.Any(r => r.Verb == "WATCH" && r.Query.Contains($"resourceVersion={version}&", StringComparison.Ordinal)),
            "resumed from the bookmark");
    }

    [Fact]
    public async Task A_server_that_always_refuses_is_not_hammered()
    {
        _server.Inject(new FakeFault { Verb = "WATCH", Status = 410 });
        var watch = Make();
        (watch.FirstDelay, watch.LongestDelay) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));
        await Run(watch);

        await Task.Delay(1000, TestContext.Current.CancellationToken);

        Assert.InRange(_server.Requests.Count, 2, 6);
    }

    [Fact]
    public async Task A_server_that_is_away_at_first_is_waited_for()
    {
        var away = _server.Inject(new FakeFault { ResetBefore = true });
        Put("a");
        var watch = Make();
        var run = Run(watch);
        await Eventually.Holds(() => _server.Requests.Count > 5, "a few attempts");
        Assert.False(watch.Synced.IsCompleted);

        away.Times = 0;

        await run;
        await Expect("Added a");
    }

    [Fact]
    public async Task A_listener_that_throws_does_not_stop_the_loop()
    {
        var watch = Make();
        watch.Changed += _ => throw new InvalidOperationException("a bug");
        await Run(watch);

        Put("a");
        Put("b");

        await Expect("Added a", "Added b");
    }

    [Fact]
    public async Task Metadata_alone_is_read_when_that_is_enough()
    {
        Put("a", "1");
        var watch = new ListWatch<MetadataObject>(_api, Maps, null, TimeProvider.System, NullLogger.Instance, metadataOnly: true);
        watch.Changed += c => _changes.Enqueue($"{c.Kind} {c.Item.Metadata.Name} {c.Item.Kind}");
        _loop = watch.RunAsync(_stop.Token);
        await watch.Synced;

        Put("b");

        await Expect("Added a PartialObjectMetadata", "Added b PartialObjectMetadata");
    }

    [Fact]
    public async Task A_mixture_is_read_with_its_accepted_spec()
    {
        var path = ClusterNames.Mixture("fog", "postcards");
        _server.Put(path, """{"kind":"ModelMixture","metadata":{},"spec":{"n":2},"status":{"accepted":{"spec":{"n":1}}}}""");
        var watch = new ListWatch<MixtureObject>(_api, ClusterNames.AllMixtures, null, TimeProvider.System, NullLogger.Instance);
        _loop = watch.RunAsync(_stop.Token);
        await watch.Synced;

        var mixture = watch.Find("fog", "postcards")!;

        Assert.Equal((2, 1), (mixture.Spec.GetProperty("n").GetInt32(), mixture.AcceptedDocument().GetProperty("spec").GetProperty("n").GetInt32()));
    }

    [Fact]
    public async Task Stopping_before_the_first_list_ends_quietly_and_cancels_Synced()
    {
        _server.Inject(new FakeFault { Hold = new TaskCompletionSource().Task });
        var watch = Make();
        _loop = watch.RunAsync(_stop.Token);
        await Eventually.Holds(() => _server.Requests.Count > 0, "asked");

        await _stop.CancelAsync();
        await _loop;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch.Synced);
    }

    private ListWatch<V1ConfigMap> Make(string? selector = null) =>
        new(_api, Maps, selector, TimeProvider.System, NullLogger.Instance) { FirstDelay = TimeSpan.FromMilliseconds(10), LongestDelay = TimeSpan.FromMilliseconds(100) };

    private async Task<ListWatch<V1ConfigMap>> Run(ListWatch<V1ConfigMap> watch)
    {
        watch.Changed += c => _changes.Enqueue($"{c.Kind} {c.Item.Metadata.Name} {c.Item.Data?["x"]}".TrimEnd());
        _loop = watch.RunAsync(_stop.Token);
        await watch.Synced.WaitAsync(TimeSpan.FromMinutes(1));
        return watch;
    }

    private async Task Expect(params string[] changes)
    {
        await Eventually.Holds(() => _changes.Count >= changes.Length, string.Join(", ", changes));
        Assert.Equal(changes, _changes);
    }

    private void Put(string name, string? x = null) =>
        _server.Put($"{Maps}/{name}", x is null ? "{}" : $$"""{"data":{"x":"{{x}}"} }""");

    private int Requests(string verb) => _server.Requests.Count(r => r.Verb == verb);
}
