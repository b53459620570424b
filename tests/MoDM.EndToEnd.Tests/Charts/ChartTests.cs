using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MoDM.Fakes;
using MoDM.Gateway;

namespace MoDM.EndToEnd.Tests.Charts;

/// <summary>charts/modm as Helm renders it, for the oldest and for today's Kubernetes. No cluster is asked.</summary>
public sealed partial class ChartTests
{
    private const string Oldest = "1.20", Today = "1.35";

    public static string Chart { get; } = Repo.File("charts", "modm");

    private static string All { get; } = Repo.File("tests", "MoDM.EndToEnd.Tests", "Charts", "all.yaml");

    [Fact]
    public async Task Lint_has_nothing_to_say()
    {
        KubeTool.Helm.Need(nameof(Lint_has_nothing_to_say));
        foreach (var values in new string[][] { [], ["--values", All] })
        {
            var (code, text, error) = await KubeTool.Helm.RunAsync(["lint", "--strict", Chart, .. values]);

            Assert.True(code == 0, text + error);
            Assert.DoesNotContain("[WARNING]", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(Oldest)]
    [InlineData(Today)]
    public async Task With_defaults_nothing_is_made_that_a_plain_cluster_lacks(string kubernetes)
    {
        KubeTool.Helm.Need(nameof(With_defaults_nothing_is_made_that_a_plain_cluster_lacks));
        var made = await Rendered.ByAsync(kubernetes);

        Assert.Equal(
            [
                "ClusterRole/modm-system-modm-operator", "ClusterRole/modm-system-modm-operator-crd",
                "ClusterRoleBinding/modm-system-modm-operator", "ClusterRoleBinding/modm-system-modm-operator-crd",
                "CustomResourceDefinition/modelmixtures.modm.dev", "Deployment/modm-operator", "NetworkPolicy/modm-operator",
                "Role/modm-operator-lease", "RoleBinding/modm-operator-lease", "Service/modm-operator", "ServiceAccount/modm-operator",
            ],
            made.Names.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(Oldest)]
    [InlineData(Today)]
    public async Task With_every_switch_on_all_of_it_is_made(string kubernetes)
    {
        KubeTool.Helm.Need(nameof(With_every_switch_on_all_of_it_is_made));
        var made = await Rendered.ByAsync(kubernetes, "--values", All);

        Assert.Superset(
            new HashSet<string> { "ServiceMonitor", "PodMonitor", "PrometheusRule", "ConfigMap", "HTTPRoute", "NetworkPolicy" },
            made.Kinds.ToHashSet());
        Assert.Equal(made.Names.Count(), made.Names.Distinct().Count());
        Assert.Equal(File.ReadAllText(Path.Combine(Chart, "files", "dashboard.json")).TrimEnd(), (string)made.One("ConfigMap")["data"]!["modm.json"]!);
        AssertSame(Files("alerts.yaml")["groups"]!, made.One("PrometheusRule")["spec"]!["groups"]!);
    }

    [Theory]
    [InlineData("1.20", "modelmixtures.modm.dev-nocel.yaml")]
    [InlineData("1.24.17-gke.100", "modelmixtures.modm.dev-nocel.yaml")]
    [InlineData("1.25", "modelmixtures.modm.dev.yaml")]
    [InlineData("1.35.2-eks-1", "modelmixtures.modm.dev.yaml")]
    public async Task The_rules_in_CEL_are_there_where_the_API_server_takes_them(string kubernetes, string file)
    {
        KubeTool.Helm.Need(nameof(The_rules_in_CEL_are_there_where_the_API_server_takes_them));
        var crd = (await Rendered.ByAsync(kubernetes)).One("CustomResourceDefinition");

        AssertSame(Files(file)["spec"]!, crd["spec"]!);
        Assert.Equal(!file.Contains("nocel", StringComparison.Ordinal),
            crd.ToJsonString().Contains("x-kubernetes-validations", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_CRD_is_upgraded_with_the_release_and_outlives_it() // complaints 25 and 26
    {
        KubeTool.Helm.Need(nameof(The_CRD_is_upgraded_with_the_release_and_outlives_it));
        var crd = (await Rendered.ByAsync(Today)).One("CustomResourceDefinition");

        Assert.Equal("keep", (string?)crd["metadata"]!["annotations"]!["helm.sh/resource-policy"]);
        Assert.False(Directory.Exists(Path.Combine(Chart, "crds")));    // Helm installs that folder once, and never again
        Assert.Empty((await Rendered.ByAsync(Today, "--set", "crds.install=false")).Of("CustomResourceDefinition"));
    }

    [Theory]
    [InlineData("1.20", 2, false)]
    [InlineData("1.21", 2, true)]
    [InlineData("1.35", 2, true)]
    [InlineData("1.35", 1, false)]
    public async Task A_disruption_budget_needs_policy_v1_and_a_second_replica(string kubernetes, int replicas, bool expected)
    {
        KubeTool.Helm.Need(nameof(A_disruption_budget_needs_policy_v1_and_a_second_replica));
        var budgets = (await Rendered.ByAsync(kubernetes, "--set", $"replicas={replicas}")).Of("PodDisruptionBudget").ToList();

        Assert.Equal(expected, budgets.Count == 1);
        Assert.All(budgets, b => Assert.Equal("policy/v1", (string?)b["apiVersion"]));
    }

    [Fact]
    public async Task The_pod_meets_the_restricted_standard()
    {
        KubeTool.Helm.Need(nameof(The_pod_meets_the_restricted_standard));
        foreach (var made in new[] { await Rendered.ByAsync(Oldest), await Rendered.ByAsync(Today, "--values", All) })
        {
            var pod = made.One("Deployment")["spec"]!["template"]!["spec"]!;
            var container = Assert.Single(pod["containers"]!.AsArray())!;

            Assert.Equal("true", (string?)pod["securityContext"]!["runAsNonRoot"]);
            Assert.Equal("1654", (string?)pod["securityContext"]!["runAsUser"]);
            Assert.Equal("RuntimeDefault", (string?)pod["securityContext"]!["seccompProfile"]!["type"]);
            Assert.Equal("false", (string?)container["securityContext"]!["allowPrivilegeEscalation"]);
            Assert.Equal("true", (string?)container["securityContext"]!["readOnlyRootFilesystem"]);
            Assert.Equal("[\"ALL\"]", container["securityContext"]!["capabilities"]!["drop"]!.ToJsonString());
            Assert.Equal("/tmp", (string?)Assert.Single(container["volumeMounts"]!.AsArray())!["mountPath"]);
            Assert.NotNull(Assert.Single(pod["volumes"]!.AsArray())!["emptyDir"]);
            Assert.Equal("30", (string?)pod["terminationGracePeriodSeconds"]);
            Assert.Equal("/livez", (string?)container["livenessProbe"]!["httpGet"]!["path"]);
            Assert.Equal("/readyz", (string?)container["readinessProbe"]!["httpGet"]!["path"]);
        }
    }

    [Fact]
    public async Task The_operator_is_told_what_the_values_say()
    {
        KubeTool.Helm.Need(nameof(The_operator_is_told_what_the_values_say));

        Assert.Equal(
            "--urls http://0.0.0.0:8081 --gateway-image modm/gateway:0.1.0 --worker-image modm/worker-cuda:0.1.0 "
            + "--image-pull-policy IfNotPresent --lease-namespace modm-system --lease-name modm-operator",
            Arguments(await Rendered.ByAsync(Today)));
        Assert.Equal(
            "--urls http://0.0.0.0:8081 --namespace pictures --gateway-image registry.example/team/modm/gateway:v7 "
            + "--worker-image registry.example/team/modm/worker:0.1.0 --image-pull-policy Always "
            + "--image-pull-secret one --image-pull-secret two --prometheus http://prometheus.monitoring:9090 "
            + "--scrape-namespace monitoring --lease-namespace modm-system --lease-name modm-pictures-operator-operator",
            Arguments(await Rendered.ByAsync(Today, "--values", All)));

        static string Arguments(Rendered made) => string.Join(' ', Container(made)["args"]!.AsArray().Select(a => (string)a!));
    }

    [Fact]
    public async Task A_label_of_the_values_cannot_take_the_pod_from_its_deployment()
    {
        KubeTool.Helm.Need(nameof(A_label_of_the_values_cannot_take_the_pod_from_its_deployment));
        var made = await Rendered.ByAsync(Today, "--values", All);
        var deployment = made.One("Deployment")["spec"]!;
        var labels = deployment["template"]!["metadata"]!["labels"]!;

        Assert.Equal("art", (string?)labels["team"]);
        foreach (var selector in new[] { deployment["selector"]!["matchLabels"]!, made.One("Service")["spec"]!["selector"]! })
            Assert.All(selector.AsObject(), label => Assert.Equal((string)label.Value!, (string?)labels[label.Key]));
    }

    [Fact]
    public async Task Roles_grant_what_is_needed_and_no_more()
    {
        KubeTool.Helm.Need(nameof(Roles_grant_what_is_needed_and_no_more));
        const string Children = "get list watch create patch delete";
        string[] inNamespaces =
        [
            "modm.dev/modelmixtures: get list watch", "modm.dev/modelmixtures/status: update patch",
            $"apps/deployments: {Children}", $"/services: {Children}",
            $"/serviceaccounts: {Children}", $"rbac.authorization.k8s.io/roles: {Children}",
            $"rbac.authorization.k8s.io/rolebindings: {Children}", $"networking.k8s.io/networkpolicies: {Children}",
            $"policy/poddisruptionbudgets: {Children}", "/pods: get list watch patch delete", "/events: create patch",
        ];
        string[] crd = ["apiextensions.k8s.io/customresourcedefinitions=modelmixtures.modm.dev: get"];

        var everywhere = await Rendered.ByAsync(Today);
        Assert.Equal([.. inNamespaces, .. crd], everywhere.Of("ClusterRole").SelectMany(Grants));
        Assert.Equal(
            ["coordination.k8s.io/leases: create", "coordination.k8s.io/leases=modm-operator: get update"],
            everywhere.Of("Role").SelectMany(Grants));

        var one = await Rendered.ByAsync(Today, "--values", All);
        Assert.Equal(crd, one.Of("ClusterRole").SelectMany(Grants));
        Assert.Equal(inNamespaces, one.Of("Role").Where(r => (string?)r["metadata"]!["namespace"] == "pictures").SelectMany(Grants));
        Assert.DoesNotContain("*", string.Concat(one.Of("Role", "ClusterRole").Concat(everywhere.Of("Role", "ClusterRole")).SelectMany(Grants)),
            StringComparison.Ordinal);
        Assert.All(one.Of("RoleBinding", "ClusterRoleBinding"), b => Assert.Contains($"{b["roleRef"]!["kind"]}/{b["roleRef"]!["name"]}", one.Names));
    }

    [Theory]
    [InlineData("replicas=-1", "/replicas")]
    [InlineData("replicas=two", "/replicas")]
    [InlineData("image.operator.tga=v1", "/image/operator")]
    [InlineData("image.pullPolicy=Sometimes", "/image/pullPolicy")]
    [InlineData("worker.cuda=maybe", "/worker/cuda")]
    [InlineData("prometheus.url=prometheus:9090", "/prometheus/url")]
    [InlineData("watchNamespace=Not_A_Name", "/watchNamespace")]
    [InlineData("podMonitor.interval=often", "/podMonitor/interval")]
    [InlineData("httpRoute.enabled=true", "/httpRoute/mixture")]
    [InlineData("replica=2", "'replica' not allowed")]
    public async Task A_wrong_value_is_refused_by_its_path(string set, string path)
    {
        KubeTool.Helm.Need(nameof(A_wrong_value_is_refused_by_its_path));
        var (code, _, error) = await Rendered.TryAsync(Today, "--set", set);

        Assert.NotEqual(0, code);
        Assert.Contains(path, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_value_is_described_and_in_the_README()
    {
        var schema = JsonNode.Parse(File.ReadAllText(Path.Combine(Chart, "values.schema.json")))!;
        var readme = File.ReadAllText(Path.Combine(Chart, "README.md"));
        var leaves = Leaves(schema, schema, "").ToList();

        Assert.Contains("image.workerCuda.repository", leaves);
        Assert.All(leaves, leaf => Assert.Contains($"`{leaf}`", readme, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_route_cuts_no_drawing_short() // complaint 11
    {
        KubeTool.Helm.Need(nameof(The_route_cuts_no_drawing_short));
        var route = (await Rendered.ByAsync(Today, "--values", All)).One("HTTPRoute");
        var rule = Assert.Single(route["spec"]!["rules"]!.AsArray())!;

        Assert.Equal("pictures", (string?)route["metadata"]!["namespace"]);
        Assert.Equal("0s", (string?)rule["timeouts"]!["request"]);
        Assert.Equal("0s", (string?)rule["timeouts"]!["backendRequest"]);
        Assert.Equal("""[{"name":"postcards","port":"80"}]""", rule["backendRefs"]!.ToJsonString());
    }

    [Fact]
    public async Task Labels_of_the_programs_own_series_survive_scraping()
    {
        KubeTool.Helm.Need(nameof(Labels_of_the_programs_own_series_survive_scraping));
        var everywhere = await Rendered.ByAsync(Today, "--set", "podMonitor.enabled=true,serviceMonitor.enabled=true");
        var endpoints = everywhere.One("PodMonitor")["spec"]!["podMetricsEndpoints"]!.AsArray()
            .Concat(everywhere.One("ServiceMonitor")["spec"]!["endpoints"]!.AsArray()).ToList();

        Assert.Equal("true", (string?)everywhere.One("PodMonitor")["spec"]!["namespaceSelector"]!["any"]);
        Assert.Equal("true", (string?)endpoints[0]!["honorLabels"]);
        Assert.All(endpoints, e => Assert.Equal("http", (string?)e!["port"]));
    }

    [Fact]
    public async Task The_first_mixture_of_the_notes_is_a_good_one()
    {
        KubeTool.Helm.Need(nameof(The_first_mixture_of_the_notes_is_a_good_one));
        var (code, text, error) = await KubeTool.Helm.RunAsync("install", Rendered.Release, Chart, "--dry-run=client");
        Assert.True(code == 0, error);
        var notes = text[text.IndexOf("NOTES:", StringComparison.Ordinal)..];
        var file = Path.Combine(TempFolder.New(), "mixture.yaml");
        await File.WriteAllTextAsync(file, MixtureInNotes().Match(notes).Groups[1].Value, TestContext.Current.CancellationToken);

        var (mixture, problems) = MixtureFile.Read(file, modelsAreHere: false);

        Assert.Empty(problems);
        Assert.Equal("postcards", mixture!.Name);
        Assert.Contains("prometheus.url is empty", notes, StringComparison.Ordinal);
    }

    internal static JsonNode Files(string name) => Rendered.ReadYaml(File.ReadAllText(Path.Combine(Chart, "files", name))).Single();

    private static JsonNode Container(Rendered made) => made.One("Deployment")["spec"]!["template"]!["spec"]!["containers"]![0]!;

    /// <summary>group/resource[=name]: verbs, in the order of the role.</summary>
    private static IEnumerable<string> Grants(JsonNode role) =>
        from rule in role["rules"]!.AsArray()
        from api in rule["apiGroups"]!.AsArray()
        from resource in rule["resources"]!.AsArray()
        let name = rule["resourceNames"] is { } names ? "=" + string.Join(',', names.AsArray().Select(n => (string)n!)) : ""
        select $"{api}/{resource}{name}: {string.Join(' ', rule["verbs"]!.AsArray().Select(v => (string)v!))}";

    private static IEnumerable<string> Leaves(JsonNode schema, JsonNode at, string path)
    {
        if ((string?)at["$ref"] is { } reference) at = schema["definitions"]![reference.Split('/')[^1]]!;
        if (at["properties"] is not JsonObject properties) return [path];
        Assert.True((bool?)at["additionalProperties"] is false, $"{path} takes anything.");
        Assert.All(properties, p => Assert.False(string.IsNullOrWhiteSpace((string?)p.Value!["description"]), $"{path}.{p.Key}"));
        return properties.Where(p => p.Key != "global").SelectMany(p => Leaves(schema, p.Value!, path == "" ? p.Key : $"{path}.{p.Key}"));
    }

    private static void AssertSame(JsonNode expected, JsonNode actual) =>
        Assert.True(JsonNode.DeepEquals(expected, actual), $"expected {expected.ToJsonString()}\nfound    {actual.ToJsonString()}");

    [GeneratedRegex(@"<<'YAML'\n(.*?)\nYAML\n", RegexOptions.Singleline)]
    private static partial Regex MixtureInNotes();
}
