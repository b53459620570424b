using System.Net;
using System.Text.Json;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Fakes;

namespace MoDM.Operator.Tests.Cluster;

public sealed class ApiServerTests : IAsyncLifetime
{
    private const string Maps = "/api/v1/namespaces/fog/configmaps";
    private FakeApiServer _server = null!;
    private ApiServer _api = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await FakeApiServer.StartAsync();
        _api = _server.Client();
    }

    public async ValueTask DisposeAsync()
    {
        _api.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_kubeconfig_file_gives_server_and_namespace()
    {
        using var api = ApiServer.Connect(_server.Kubeconfig("mist"));

        Assert.Equal("mist", api.Namespace);
        Assert.Equal("v1.34.0", (await api.GetAsync<JsonElement>("/version", Cancel)).GetProperty("gitVersion").GetString());
    }

    [Fact]
    public async Task Applying_creates_then_changes_and_a_second_time_changes_nothing()
    {
        var made = await _api.ApplyAsync($"{Maps}/a", Map("a", ("x", "1"), ("y", "2")), Cancel);
        var same = await _api.ApplyAsync($"{Maps}/a", Map("a", ("x", "1"), ("y", "2")), Cancel);
        var less = await _api.ApplyAsync($"{Maps}/a", Map("a", ("x", "3")), Cancel);

        Assert.Equal(made.Metadata.ResourceVersion, same.Metadata.ResourceVersion);
        Assert.Equal(made.Metadata.Uid, less.Metadata.Uid);
        Assert.Equal(new Dictionary<string, string> { ["x"] = "3" }, less.Data);
        Assert.All(_server.Writes, w => Assert.Equal("?fieldManager=modm-operator&force=true", w.Query));
    }

    [Fact]
    public async Task Applying_leaves_the_fields_of_others_alone()
    {
        await _api.ApplyAsync($"{Maps}/a", Map("a", ("x", "1")), Cancel);
        _server.Patch($"{Maps}/a", """{"data":{"theirs":"9"}}""");

        var again = await _api.ApplyAsync($"{Maps}/a", Map("a", ("x", "2")), Cancel);

        Assert.Equal("9", again.Data["theirs"]);
    }

    [Fact]
    public async Task What_is_missing_is_null_and_its_deletion_false()
    {
        Assert.Null(await _api.GetAsync<V1ConfigMap>($"{Maps}/a", Cancel));
        Assert.False(await _api.DeleteAsync($"{Maps}/a", Cancel));
    }

    [Fact]
    public async Task A_conflict_says_verb_path_and_reason()
    {
        var made = await _api.CreateAsync(Maps, Map("a"), Cancel);
        _server.Patch($"{Maps}/a", """{"data":{"x":"1"}}""");

        var e = await Assert.ThrowsAsync<ApiServerException>(() => _api.ReplaceAsync($"{Maps}/a", made, Cancel));

        Assert.Equal((HttpStatusCode.Conflict, "Conflict"), (e.Status, e.Reason));
        Assert.StartsWith($"PUT {Maps}/a: 409 Conflict: the object has been modified", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_null_in_a_merge_patch_removes_an_annotation()
    {
        _server.Put("/api/v1/namespaces/fog/pods/p", """{"metadata":{"annotations":{"modm.dev/drain":"now","other":"1"}}}""");
        object patch = new { metadata = new { annotations = new Dictionary<string, string?> { ["modm.dev/drain"] = null } } };

        var pod = await _api.MergePatchAsync<V1Pod>("/api/v1/namespaces/fog/pods/p", patch, Cancel);

        Assert.Equal(["other"], pod.Metadata.Annotations.Keys);
    }

    [Fact]
    public async Task Deleting_an_owner_deletes_what_it_owns()
    {
        var owner = await _api.CreateAsync(Maps, Map("owner"), Cancel);
        var child = Map("child");
        child.Metadata.OwnerReferences = [new V1OwnerReference { ApiVersion = "v1", Kind = "ConfigMap", Name = "owner", Uid = owner.Metadata.Uid }];
        await _api.CreateAsync(Maps, child, Cancel);

        Assert.True(await _api.DeleteAsync($"{Maps}/owner", Cancel));

        Assert.Empty(_server.List(Maps));
        Assert.Equal("?propagationPolicy=Background", _server.Writes[^1].Query);
    }

    [Fact]
    public async Task Status_and_scale_are_written_apart_from_the_spec()
    {
        const string path = "/apis/apps/v1/namespaces/fog/deployments/d";
        _server.Put(path, """{"metadata":{},"spec":{"replicas":1}}""");

        await _api.MergePatchAsync<V1Deployment>($"{path}/status", new { spec = new { replicas = 7 }, status = new { readyReplicas = 1 } }, Cancel);
        var before = await _api.GetAsync<V1Deployment>(path, Cancel);
        var scale = await _api.MergePatchAsync<V1Scale>($"{path}/scale", new { spec = new { replicas = 3 } }, Cancel);
        var after = await _api.GetAsync<V1Deployment>(path, Cancel);

        Assert.Equal((1, 1, 1L), (before!.Spec.Replicas, before.Status.ReadyReplicas, before.Metadata.Generation));
        Assert.Equal((3, 3, 2L), (scale.Spec.Replicas, after!.Spec.Replicas, after.Metadata.Generation));
    }

    [Fact]
    public async Task A_status_takes_the_place_of_the_last_whole_and_only_on_the_object_that_it_is_of()
    {
        const string path = "/apis/modm.dev/v1alpha1/namespaces/fog/modelmixtures/m";
        var uid = (string)_server.Put(path, """{"metadata":{},"spec":{"steps":5}}""")["metadata"]!["uid"]!;
        static JsonElement Status(string json) => JsonDocument.Parse(json).RootElement;

        await _api.WriteStatusAsync(path, uid, Status("""{"gpus":2,"load":{"queued":1}}"""), Cancel);
        await _api.WriteStatusAsync(path, uid, Status("""{"gpus":3}"""), Cancel);
        var refused = await Assert.ThrowsAsync<ApiServerException>(() => _api.WriteStatusAsync(path, "another", Status("""{"gpus":4}"""), Cancel));

        Assert.Equal(422, (int)refused.Status);
        Assert.Equal("""{"gpus":3}""", _server.Get(path)!["status"]!.ToJsonString());
        Assert.Equal(1, (int)_server.Get(path)!["metadata"]!["generation"]!);
    }

    [Fact]
    public async Task Discovery_tells_what_the_server_has()
    {
        _server.Resources.Remove("policy/v1");

        Assert.True(await _api.HasAsync("v1", "pods", Cancel));
        Assert.True(await _api.HasAsync("policy/v1beta1", "poddisruptionbudgets", Cancel));
        Assert.False(await _api.HasAsync("policy/v1", "poddisruptionbudgets", Cancel));
        Assert.False(await _api.HasAsync("apps/v1", "daydreams", Cancel));
    }

    [Fact]
    public async Task Only_writes_that_succeeded_are_told()
    {
        var wrote = new List<string>();
        _api.Wrote = (verb, path) => wrote.Add($"{verb} {path}");
        _server.Inject(new FakeFault { Verb = "PUT", Status = 500 });

        await _api.CreateAsync(Maps, Map("a"), Cancel);
        await _api.ApplyAsync($"{Maps}/a", Map("a"), Cancel);
        await Assert.ThrowsAsync<ApiServerException>(() => _api.ReplaceAsync($"{Maps}/a", Map("a"), Cancel));
        await _api.GetAsync<V1ConfigMap>($"{Maps}/a", Cancel);
        await _api.DeleteAsync($"{Maps}/a", Cancel);
        await _api.DeleteAsync($"{Maps}/a", Cancel);

        Assert.Equal([$"POST {Maps}", $"PATCH {Maps}/a", $"DELETE {Maps}/a"], wrote);
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_given_up_and_a_caller_that_gives_up_is_cancelled()
    {
        _server.Inject(new FakeFault { Hold = new TaskCompletionSource().Task });
        _api.Timeout = TimeSpan.FromMilliseconds(100);
        var e = await Assert.ThrowsAsync<ApiServerException>(() => _api.GetAsync<V1ConfigMap>($"{Maps}/a", Cancel));
        _api.Timeout = TimeSpan.FromMinutes(1);
        using var soon = new CancellationTokenSource(100);

        Assert.Equal((0, "Timeout"), ((int)e.Status, e.Reason));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _api.GetAsync<V1ConfigMap>($"{Maps}/a", soon.Token));
    }

    [Fact]
    public async Task A_cut_connection_is_told_as_unreachable()
    {
        _server.Inject(new FakeFault { Verb = "POST", ResetAfter = true, Times = 1 });
        _server.Inject(new FakeFault { ResetBefore = true });

        var e = await Assert.ThrowsAsync<ApiServerException>(() => _api.CreateAsync(Maps, Map("a"), Cancel));

        Assert.Equal((0, "Unreachable"), ((int)e.Status, e.Reason));
        Assert.NotNull(_server.Get($"{Maps}/a"));
    }

    private static V1ConfigMap Map(string name, params (string, string)[] data) => new()
    {
        Metadata = new V1ObjectMeta { Name = name },
        Data = data.Length == 0 ? null : data.ToDictionary(d => d.Item1, d => d.Item2),
    };
}
