using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;
using MoDM.Mixture;
using MoDM.Operator.Specs;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace MoDM.Operator.Tests.Resources;

public class ExampleTests
{
    [Theory]
    [InlineData("postcards.yaml", 1, null)]
    [InlineData("shared-cache.yaml", 3, "http://qdrant.qdrant:6334")]
    public void Examples_have_no_mistakes(string file, int gateways, string? qdrant)
    {
        var (mixture, problems) = MixtureReader.Read(JsonSerializer.SerializeToElement(Yaml(File.ReadAllText(Repo.File("examples", file)))));

        Assert.Empty(problems);
        Assert.Empty(ClusterRules.Check(mixture!));
        Assert.Equal((gateways, qdrant), (mixture!.Spec.GatewayReplicas, mixture.Spec.Cache.Shared?.QdrantUrl));
    }

    private static JsonNode? Yaml(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return ToJson(Assert.Single(stream.Documents).RootNode);

        static JsonNode? ToJson(YamlNode node) => node switch
        {
            YamlMappingNode map => new JsonObject(map.Children.Select(c => KeyValuePair.Create(((YamlScalarNode)c.Key).Value!, ToJson(c.Value)))),
            YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
            YamlScalarNode { Style: ScalarStyle.Plain } scalar when double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                => number == Math.Floor(number) ? JsonValue.Create((int)number) : JsonValue.Create(number),
            _ => JsonValue.Create(((YamlScalarNode)node).Value),
        };
    }
}
