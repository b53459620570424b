using System.Text.Json.Nodes;
using YamlDotNet.RepresentationModel;

namespace MoDM.EndToEnd.Tests.Charts;

/// <summary>What helm template made of the chart. Scalars are text, as YAML has them.</summary>
internal sealed record Rendered(IReadOnlyList<JsonNode> Objects)
{
    public const string Release = "modm", Namespace = "modm-system";

    /// <param name="kubernetes">The API server's version, as in 1.20.</param>
    /// <param name="arguments">More of helm's, such as --set a.b=c.</param>
    public static async Task<Rendered> ByAsync(string kubernetes, params IEnumerable<string> arguments)
    {
        var (code, text, error) = await TryAsync(kubernetes, arguments);
        Assert.True(code == 0, error);
        return new Rendered(ReadYaml(text));
    }

    public static Task<(int Code, string Out, string Error)> TryAsync(string kubernetes, params IEnumerable<string> arguments) =>
        KubeTool.Helm.RunAsync(
            ["template", Release, ChartTests.Chart, "--namespace", Namespace, "--kube-version", kubernetes, .. arguments]);

    public static List<JsonNode> ReadYaml(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return [.. stream.Documents.Select(d => ToJson(d.RootNode)).OfType<JsonObject>()];
    }

    public IEnumerable<JsonNode> Of(params string[] kinds) => Objects.Where(o => kinds.Contains((string?)o["kind"]));

    public JsonNode One(string kind) => Assert.Single(Of(kind));

    public IEnumerable<string> Kinds => Objects.Select(o => (string)o["kind"]!);

    /// <summary>kind/name of each object.</summary>
    public IEnumerable<string> Names => Objects.Select(o => $"{o["kind"]}/{o["metadata"]!["name"]}");

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(c =>
            KeyValuePair.Create(((YamlScalarNode)c.Key).Value!, ToJson(c.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => throw new InvalidOperationException($"{node.NodeType} is not expected here."),
    };
}
