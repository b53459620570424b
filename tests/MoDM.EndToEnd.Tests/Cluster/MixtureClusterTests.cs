using System.ClientModel;
using System.Diagnostics;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Onnx;
using OpenAI;
using OpenAI.Images;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>A mixture on a real Kubernetes, as its users have it.</summary>
[Collection(ClusterCollection.Name)]
public sealed class MixtureClusterTests(ClusterFixture cluster)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Helm_install_and_kubectl_apply_give_images_to_an_unchanged_OpenAI_client()
    {
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("demo");
        var mixture = new ClusterMixture(cluster, ns);
        await cluster.ApplyAsync(await File.ReadAllTextAsync(Repo.File("examples", "postcards.yaml"), Cancel), ns);
        await mixture.UntilAsync("Ready", seconds: 240);

        var client = new OpenAIClient(new ApiKeyCredential("unused"), new() { Endpoint = new Uri(await mixture.AddressAsync(), "/v1") });
        GeneratedImage image = await client.GetImageClient("postcards").GenerateImageAsync("a red hot air balloon over snowy mountains at sunset", cancellationToken: Cancel);

        Assert.Equal(128, RgbImage.Decode(image.ImageBytes.ToArray()).Width);
        await mixture.UntilAsync("MetricsAvailable", seconds: 60);
        var shown = await cluster.KubectlAsync("get", "mm", "-n", ns);
        Assert.Matches(@"NAME\s+READY\s+LARGE\s+SMALL\s+REQ/MIN\s+HIT RATE\s+SLO\s+AGE", shown);
        Assert.Matches(@"postcards\s+True\s+\d/\d\s+\d/\d", shown);
        var status = (await mixture.GetAsync())["status"]!;
        // Complaint 10.
        await cluster.WaitAsync(async () => (await mixture.GetAsync())["status"]!["coldStart"]!.AsArray().All(c => c!["loadSeconds"] is not null && c["scheduleSeconds"] is not null && c["pullSeconds"] is not null),
            90, "the phases of the cold starts", ns);
        Assert.Equal((int)status["gpus"]!, (int)JsonNode.Parse(await cluster.KubectlAsync("get", "--raw", $"/apis/modm.dev/v1alpha1/namespaces/{ns}/modelmixtures/postcards/scale"))!["status"]!["replicas"]!);
    }

    [Fact]
    public async Task A_document_with_mistakes_is_named_and_changes_nothing_that_runs()
    {
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("mistakes");
        var mixture = new ClusterMixture(cluster, ns);
        await mixture.ReadyAsync(mixture.Yaml());
        var pods = Uids(await mixture.PodsAsync());

        // What the schema knows kubectl is told; the rest the operator says.
        var refused = await Assert.ThrowsAsync<ClusterToolException>(() => mixture.ApplyAsync(mixture.Yaml(steps: 0)));
        Assert.Contains("spec.steps", refused.Message, StringComparison.Ordinal);
        await mixture.ApplyAsync(mixture.Yaml(budget: 1, large: (3, 2)));
        await mixture.UntilAsync("Accepted", "False", 30);

        var message = (string)(await mixture.ConditionAsync("Accepted"))!["message"]!;
        Assert.Contains("spec.gpuBudget: is 1", message, StringComparison.Ordinal);
        Assert.Contains("spec.large.replicas.max: is 2, below min (3)", message, StringComparison.Ordinal);
        Assert.Equal(pods, Uids(await mixture.PodsAsync()));
        Assert.True(await mixture.IsAsync("Ready"));
        await mixture.ApplyAsync(mixture.Yaml());
        await mixture.UntilAsync("Accepted", "True", 30);
    }

    [Fact]
    public async Task Scale_down_and_a_rolling_model_change_under_load_fail_no_request()
    {
        // Complaints 6, 7 and 8.
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("rolling");
        var mixture = new ClusterMixture(cluster, ns);
        await mixture.ReadyAsync(mixture.Yaml(large: (2, 2), small: (2, 2)));
        await using var load = LoadGenerator.Closed(await mixture.AddressAsync(), clients: 3);
        await cluster.WaitAsync(() => load.Result.Succeeded > 20, 120, $"a load: {load.Result}", ns);

        await mixture.ApplyAsync(mixture.Yaml(large: (1, 1), small: (1, 1)));
        await cluster.WaitAsync(async () => (await mixture.PodsAsync()).Count == 2, 120, "two workers fewer", ns);
        var pods = Uids(await mixture.PodsAsync("postcards-large"));
        await mixture.ApplyAsync(mixture.Yaml(large: (1, 1), small: (1, 1), largeModel: "postcards-small"));
        await cluster.WaitAsync(async () => await mixture.PodsAsync("postcards-large") is [var only] && ClusterFixture.IsReady(only) && !pods.Contains((string)only["metadata"]!["uid"]!),
            180, "the other model", ns);
        await mixture.ApplyAsync(mixture.Yaml(large: (2, 2), small: (1, 1)));
        await cluster.WaitAsync(async () => (await mixture.PodsAsync("postcards-large")).Count(ClusterFixture.IsReady) == 2 && await mixture.IsAsync("WorkersReady"), 180, "grown again", ns);
        await cluster.WaitAsync(() => load.Result.Succeeded + load.Result.Failed >= 200, 300, "200 requests", ns);

        var result = await load.StopAsync();
        TestContext.Current.TestOutputHelper!.WriteLine(result.ToString());
        Assert.True(result.Failed == 0, result.ToString());
        Assert.True(result.Succeeded >= 200);
    }

    [Fact]
    public async Task Operator_gateway_and_worker_killed_in_turn_under_load_come_back_and_no_answer_is_wrong()
    {
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("kill");
        var mixture = new ClusterMixture(cluster, ns);
        await mixture.ReadyAsync(mixture.Yaml(large: (2, 2), small: (1, 1)));
        await using var load = LoadGenerator.Closed(await mixture.AddressAsync(), clients: 3);
        await cluster.WaitAsync(() => load.Result.Succeeded > 20, 120, $"a load: {load.Result}", ns);

        await KillAndReturnAsync(ClusterFixture.OperatorNamespace, (string)(await cluster.ListAsync("pods", "-n", ClusterFixture.OperatorNamespace))[0]["metadata"]!["name"]!);
        await KillAndReturnAsync(ns, (string)(await mixture.PodsAsync("postcards-large"))[0]["metadata"]!["name"]!);
        Assert.True(load.Result.Failed == 0, $"neither operator nor worker may cost a request: {load.Result}");
        await KillAndReturnAsync(ns, await mixture.GatewayPodAsync());
        var before = load.Result.Succeeded;
        await cluster.WaitAsync(() => load.Result.Succeeded > before + 20, 120, $"the load goes on: {load.Result}", ns);
        await cluster.WaitAsync(async () => await mixture.IsAsync("Ready") && await mixture.IsAsync("WorkersReady"), 60, "ready again", ns);

        var result = await load.StopAsync();
        TestContext.Current.TestOutputHelper!.WriteLine(result.ToString());
        // Only the gateway's own death costs requests, and these say so: a connection that is cut or refused, or a 5xx.
        Assert.All(result.Failures.Keys, f => Assert.Matches("^(HttpRequestException|IOException|HttpIOException|50[234])", f));

        async Task KillAndReturnAsync(string where, string pod)
        {
            await cluster.KillAsync(where, pod);
            await cluster.WaitAsync(
                async () => await cluster.GetJsonAsync("pod", pod, "-n", where) is var now && ClusterFixture.IsReady(now) && (int)now["status"]!["containerStatuses"]![0]!["restartCount"]! == 1,
                120, $"{pod} back", where);
        }
    }

    [Fact]
    public async Task Of_two_operators_one_writes_and_the_other_takes_over()
    {
        // Complaint 2.
        cluster.Need();
        await cluster.InstallOperatorAsync("--set", "replicas=2");
        try
        {
            await using var ns = await cluster.NamespaceAsync("lease");
            var mixture = new ClusterMixture(cluster, ns);
            await mixture.ReadyAsync(mixture.Yaml());
            var first = await HolderAsync();
            using var seen = new CancellationTokenSource();
            var holders = WatchHoldersAsync(seen.Token);

            // Ended properly: at once.
            await cluster.KubectlAsync("delete", "pod", first, "-n", ClusterFixture.OperatorNamespace, "--wait=false");
            var took = await TakeOverAsync(first);
            Assert.True(took < 10, $"taken over after {took:0.0} s");

            // Killed with its pod: when the lease has run out.
            await cluster.WaitForPodsAsync(ClusterFixture.OperatorNamespace, "app.kubernetes.io/component=operator", 2);
            var second = await HolderAsync();
            await cluster.SignalAsync(ClusterFixture.OperatorNamespace, second, "SIGSTOP");
            took = await TakeOverAsync(second);
            await cluster.SignalAsync(ClusterFixture.OperatorNamespace, second, "SIGCONT");
            Assert.True(took < 20, $"taken over after {took:0.0} s");

            await mixture.ApplyAsync(mixture.Yaml(small: (2, 2)));
            await cluster.WaitAsync(async () => await mixture.ReplicasAsync("postcards-small") == 2, 30, "the new operator acts", ns);
            await seen.CancelAsync();
            // The holder only ever changed hands twice: the one that was stopped did not write when it woke up.
            List<string> all = [first, .. await holders]; // It may have changed hands before the first look.
            Assert.Equal(3, all.Where((holder, i) => i == 0 || holder != all[i - 1]).Count());
        }
        finally
        {
            await cluster.InstallOperatorAsync();
        }
    }

    [Fact]
    public async Task What_is_deleted_leaves_nothing_behind_whatever_goes_first()
    {
        // Complaints 26 and 28.
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("delete");
        var mixture = new ClusterMixture(cluster, ns);

        // The mixture.
        await mixture.ReadyAsync(mixture.Yaml());
        await cluster.KubectlAsync("delete", "mm", "postcards", "-n", ns, "--timeout=20s");
        await NothingLeftAsync(ns);

        // The operator first, then the mixture: Kubernetes collects its children without it.
        await mixture.ReadyAsync(mixture.Yaml());
        await cluster.HelmAsync("uninstall", "modm", "-n", ClusterFixture.OperatorNamespace);
        Assert.NotEmpty(await mixture.PodsAsync()); // What serves goes on serving.
        await cluster.KubectlAsync("delete", "mm", "postcards", "-n", ns, "--timeout=20s");
        await NothingLeftAsync(ns);

        // The namespace.
        await cluster.InstallOperatorAsync();
        await mixture.ReadyAsync(mixture.Yaml());
        await cluster.KubectlAsync("delete", "namespace", ns, "--wait=false");
        await NothingLeftAsync(ns);
        await GoneAsync(ns);
    }

    [Fact]
    public async Task Helm_upgrade_restarts_no_worker_and_a_new_field_of_the_CRD_persists()
    {
        // Complaints 8 and 25.
        cluster.Need();
        await cluster.InstallOperatorAsync();
        await using var ns = await cluster.NamespaceAsync("upgrade");
        var mixture = new ClusterMixture(cluster, ns);
        await mixture.ReadyAsync(mixture.Yaml());
        var pods = Uids(await mixture.PodsAsync());
        var gateway = await mixture.GatewayPodAsync();

        // A chart whose CRD has a field more, another image of the operator, and other default images of workers and gateway.
        var chart = TempFolder.New();
        foreach (var file in Directory.EnumerateFiles(Charts.ChartTests.Chart, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(chart, Path.GetRelativePath(Charts.ChartTests.Chart, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            var text = await File.ReadAllTextAsync(file, Cancel);
            if (file.Contains("modelmixtures.modm.dev", StringComparison.Ordinal))
                text = text.Replace("                modality:\n", "                tomorrow:\n                  type: string\n                modality:\n", StringComparison.Ordinal);
            await File.WriteAllTextAsync(copy, text, Cancel);
        }
        await cluster.HelmAsync("upgrade", "modm", chart, "-n", ClusterFixture.OperatorNamespace, "--reuse-values",
            "--set", $"image.operator.tag={ClusterFixture.ImageTag}-b,image.worker.tag={ClusterFixture.ImageTag}-other,image.gateway.tag={ClusterFixture.ImageTag}-other");
        await cluster.KubectlAsync("rollout", "status", "deployment/modm-operator", "-n", ClusterFixture.OperatorNamespace, "--timeout=120s");
        await cluster.KubectlAsync("patch", "mm", "postcards", "-n", ns, "--type=merge", "-p", """{"spec": {"tomorrow": "yes"}}""");
        Assert.Equal("yes", (string?)(await mixture.GetAsync())["spec"]!["tomorrow"]);
        await cluster.KubectlAsync("patch", "mm", "postcards", "-n", ns, "--type=merge", "-p", """{"spec": {"tomorrow": null, "steps": 12}}""");
        await cluster.WaitAsync(async () => (int?)(await mixture.GetAsync())["status"]!["accepted"]!["spec"]!["steps"] == 12, 60, "the new operator acts", ns);

        Assert.Equal(pods, Uids(await mixture.PodsAsync()));
        Assert.Equal(gateway, await mixture.GatewayPodAsync());
        Assert.All(await mixture.PodsAsync(), p => Assert.Equal(0, (int)p["status"]!["containerStatuses"]![0]!["restartCount"]!));
        await cluster.InstallOperatorAsync();
    }

    /// <summary>But for the records of pods whose processes have ended.</summary>
    private Task NothingLeftAsync(string ns) => cluster.WaitAsync(
        async () => (await cluster.ListAsync("deployments,replicasets,services,roles,rolebindings,networkpolicies", "-n", ns)).Count == 0
            && (await cluster.ListAsync("pods", "-n", ns)).All(p => p["metadata"]!["deletionTimestamp"] is not null)
            && await cluster.RunningContainersAsync() is var running && (await cluster.ListAsync("pods", "-n", ns)).All(p => Ended(p, running))
            && (await cluster.ListAsync("serviceaccounts", "-n", ns)).All(s => (string)s["metadata"]!["name"]! == "default"),
        30, "nothing is left", ns);

    /// <summary>
    /// The namespace itself: the kubelet of 1.20 takes its time with the records of pods that have ended, and Kubernetes' namespace
    /// controller looks again after half of their grace period only (10 minutes with this mixture's workers), every 5 minutes, or
    /// when the namespace is written to.
    /// </summary>
    private async Task GoneAsync(string ns)
    {
        await cluster.WaitAsync(async () => (await cluster.ListAsync("pods", "-n", ns)).Count == 0, 240, "no record of a pod is left", ns);
        await cluster.WaitAsync(
            async () =>
            {
                if (await cluster.KubectlAsync("get", "namespace", ns, "--ignore-not-found") == "") return true;
                await cluster.KubectlAsync("annotate", "namespace", ns, $"modm.dev/looked-at={Stopwatch.GetTimestamp()}", "--overwrite");
                return false;
            },
            60, "the namespace is gone", ns);
    }

    private static bool Ended(JsonNode pod, string running) => pod["status"]?["containerStatuses"]?.AsArray()
        .Any(c => (string?)c!["containerID"] is { Length: > 0 } id && running.Contains(id["containerd://".Length..], StringComparison.Ordinal)) != true;

    private async Task<string> HolderAsync() =>
        (string?)(await cluster.GetJsonAsync("lease", "modm-operator", "-n", ClusterFixture.OperatorNamespace))["spec"]!["holderIdentity"] ?? "";

    private async Task<double> TakeOverAsync(string from)
    {
        var start = Stopwatch.GetTimestamp();
        await cluster.WaitAsync(async () => await HolderAsync() is { Length: > 0 } now && now != from, 60, "another holder", ClusterFixture.OperatorNamespace);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private async Task<List<string>> WatchHoldersAsync(CancellationToken stop)
    {
        var holders = new List<string>();
        while (!stop.IsCancellationRequested)
        {
            if (await HolderAsync() is { Length: > 0 } holder && holder != holders.LastOrDefault()) holders.Add(holder);
            await Task.Delay(300, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return holders;
    }

    private static List<string> Uids(IEnumerable<JsonNode> pods) => [.. pods.Select(p => (string)p["metadata"]!["uid"]!).Order()];
}
