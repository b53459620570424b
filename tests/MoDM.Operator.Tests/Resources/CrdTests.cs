using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MoDM.Fakes;
using MoDM.Operator.Resources;
using YamlDotNet.Serialization;

namespace MoDM.Operator.Tests.Resources;

public class CrdTests
{
    [Theory]
    [InlineData("crds/modelmixtures.modm.dev.yaml", true)]
    [InlineData("crds/modelmixtures.modm.dev-nocel.yaml", false)]
    [InlineData("charts/modm/files/modelmixtures.modm.dev.yaml", true)]
    [InlineData("charts/modm/files/modelmixtures.modm.dev-nocel.yaml", false)]
    public void The_files_are_what_the_code_reads_and_writes(string file, bool cel) =>
        Assert.True(File.ReadAllText(Repo.File(file)) == CrdManifest.Yaml(cel), $"{file} is not what \"modm-operator crd\" prints; run crds/update.sh");

    [Fact]
    public void The_schema_is_structural_and_tells_of_each_field_what_it_is()
    {
        // https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources: every node has a type, arrays have items.
        void Check(JsonNode schema, string path)
        {
            Assert.True(schema["type"] is not null, $"{path} has no type");
            Assert.True(path is "" or "apiVersion" or "kind" or "metadata" or "spec" or "status" || path.EndsWith("[]", StringComparison.Ordinal)
                || schema["description"] is not null, $"{path} has no description");
            if ((string)schema["type"]! == "array") Check(schema["items"]!, $"{path}[]");
            foreach (var (name, inner) in schema["properties"]?.AsObject() ?? [])
                Check(inner!, path.Length == 0 ? name : $"{path}.{name}");
            foreach (var required in schema["required"]?.AsArray() ?? [])
                Assert.NotNull(schema["properties"]![(string)required!]);
        }

        Check(Schema(cel: true), "");
    }

    [Fact]
    public void CEL_rules_are_only_where_they_are_asked_for_and_name_fields_that_there_are()
    {
        Assert.DoesNotContain("x-kubernetes-validations", CrdManifest.Yaml(cel: false), StringComparison.Ordinal);
        var fields = CrdManifest.Fields(JsonSerializer.SerializeToElement(Schema(cel: true))).ToHashSet();
        foreach (var (at, rule, message) in CelRules.All)
        {
            Assert.NotEmpty(message);
            foreach (Match path in Regex.Matches(rule, @"\b(self)((\.[a-z]\w*)+)(?!\w*\()"))
            {
                var field = $"{at}{path.Groups[2].Value}".TrimStart('.');
                Assert.True(field.StartsWith("metadata.name", StringComparison.Ordinal) || fields.Contains(field) || fields.Contains(field[..field.LastIndexOf('.')]), $"{field} in {rule}");
            }
        }
    }

    [Fact]
    public void The_YAML_says_the_same_as_the_manifest()
    {
        var read = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize<object>(CrdManifest.Yaml(true));
        var back = JsonNode.Parse(new SerializerBuilder().JsonCompatible().Build().Serialize(read));

        Assert.True(JsonNode.DeepEquals(Text(CrdManifest.Build(true)), Text(back!)));

        // Numbers and texts alike as text: JSON-compatible YAML does not tell them apart.
        static JsonNode? Text(JsonNode? node) => node switch
        {
            JsonObject map => new JsonObject(map.Select(p => KeyValuePair.Create(p.Key, Text(p.Value)))),
            JsonArray list => new JsonArray([.. list.Select(Text)]),
            _ => node?.ToString(),
        };
    }

    private static JsonNode Schema(bool cel) =>
        CrdManifest.Build(cel)["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!;
}
