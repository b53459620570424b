using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MoDM.Fakes;

namespace MoDM.EndToEnd.Tests.Charts;

/// <summary>What the chart's alerts and dashboard ask of Prometheus.</summary>
public sealed partial class ExpressionChartTests
{
    private static readonly string[] Words = ["by", "and", "or", "unless", "offset", "on", "ignoring"];

    private static IEnumerable<JsonNode> Alerts =>
        ChartTests.Files("alerts.yaml")["groups"]!.AsArray().SelectMany(g => g!["rules"]!.AsArray()).Select(r => r!);

    [Fact]
    public void They_ask_for_metrics_that_there_are()
    {
        var known = typeof(MetricNames).GetFields().Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!).ToHashSet();
        var asked = Expressions().SelectMany(Metrics).Distinct().ToList();

        Assert.Superset(new HashSet<string> { MetricNames.QueueLength, MetricNames.SloMisses }, asked.ToHashSet());
        Assert.All(asked, name => Assert.True(
            known.Contains(name) || known.Contains(HistogramPart().Replace(name, "")),
            $"{name} is not in MetricNames."));
    }

    [Theory]
    [InlineData("sum by (a, b) (rate(modm_x{c=~\"no_metric\"}[5m])) / vector(2) > 0.5", "modm_x")]
    [InlineData("kube_y unless modm_x offset 1h", "kube_y,modm_x")]
    [InlineData("label_replace(modm_x and on (instance) up, \"to\", \"$1\", \"from\", \"(.+)\")", "modm_x,up")]
    public void Names_are_found_in_an_expression(string expression, string names) =>
        Assert.Equal(names, string.Join(',', Metrics(expression)));

    [Fact]
    public void An_alert_says_what_is_wrong_how_bad_it_is_and_what_to_do()
    {
        Assert.All(Alerts, a => Assert.All(["summary", "description", "runbook"],
            k => Assert.False(string.IsNullOrWhiteSpace((string?)a["annotations"]![k]), $"{a["alert"]}: {k}")));
        Assert.All(Alerts, a => Assert.Contains((string?)a["labels"]!["severity"], new[] { "info", "warning", "critical" }));
        Assert.Equal(Alerts.Count(), Alerts.Select(a => (string?)a["alert"]).Distinct().Count());
    }

    [Fact]
    public async Task Promtool_takes_the_rules_and_they_fire_when_they_should()
    {
        KubeTool.Promtool.Need(nameof(Promtool_takes_the_rules_and_they_fire_when_they_should));
        // The dashboard's expressions as rules, so that promtool parses them too; JSON is YAML.
        var dashboard = Path.Combine(TempFolder.New(), "dashboard.yaml");
        var rules = Expressions().Select((e, i) => new { record = $"x:{i}", expr = e });
        await File.WriteAllTextAsync(dashboard, JsonSerializer.Serialize(
            new { groups = new[] { new { name = "dashboard", rules } } }), TestContext.Current.CancellationToken);
        foreach (var arguments in new string[][]
        {
            ["check", "rules", Path.Combine(ChartTests.Chart, "files", "alerts.yaml"), dashboard],
            ["test", "rules", Repo.File("tests", "MoDM.EndToEnd.Tests", "Charts", "alerts.test.yaml")],
        })
        {
            var (code, text, error) = await KubeTool.Promtool.RunAsync(arguments);
            Assert.True(code == 0, text + error);
        }
    }

    private static IEnumerable<string> Expressions()
    {
        var dashboard = JsonNode.Parse(File.ReadAllText(Path.Combine(ChartTests.Chart, "files", "dashboard.json")))!;
        return Alerts.Select(a => (string)a["expr"]!)
            .Concat(dashboard["panels"]!.AsArray().SelectMany(p => p!["targets"]?.AsArray() ?? []).Select(t => (string)t!["expr"]!))
            .Concat(dashboard["templating"]!["list"]!.AsArray().Select(v => (string?)v!["definition"]).OfType<string>()
                .Select(d => LabelValues().Replace(d, "$1")));
    }

    /// <summary>The names that are neither labels nor functions.</summary>
    private static IEnumerable<string> Metrics(string expression) =>
        Name().Matches(NotNames().Replace(expression, " ")).Select(m => m.Value).Except(Words);

    /// <summary>Label matchers, texts, ranges, offsets, and the labels to group by.</summary>
    [GeneratedRegex("""\{[^}]*\}|"[^"]*"|\[[^\]]*\]|\boffset\s+\w+|\b(by|without|on|ignoring)\s*\([^)]*\)""")]
    private static partial Regex NotNames();

    [GeneratedRegex(@"\b[a-z_]\w*\b(?!\s*\()")]
    private static partial Regex Name();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex HistogramPart();

    [GeneratedRegex(@"^label_values\((.*), \w+\)$")]
    private static partial Regex LabelValues();
}
