using System.ComponentModel;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Mixture;
using YamlDotNet.Serialization;

namespace MoDM.Operator.Resources;

/// <summary>
/// The CustomResourceDefinition, made from what the code reads (<see cref="MixtureReader.Schema"/>) and writes
/// (<see cref="MixtureStatus"/>), so that neither can know a field that the API server would drop (complaint 25).
/// </summary>
internal static class CrdManifest
{
    public const string Name = "modelmixtures.modm.dev";

    /// <param name="cel">With the rules that tie fields together; API servers before 1.25 refuse a CRD that has them.</param>
    public static JsonObject Build(bool cel) => new()
    {
        ["apiVersion"] = "apiextensions.k8s.io/v1",
        ["kind"] = "CustomResourceDefinition",
        ["metadata"] = new JsonObject { ["name"] = Name },
        ["spec"] = new JsonObject
        {
            ["group"] = "modm.dev",
            ["scope"] = "Namespaced",
            ["names"] = new JsonObject
            {
                ["kind"] = ModelMixture.Kind,
                ["listKind"] = "ModelMixtureList",
                ["plural"] = "modelmixtures",
                ["singular"] = "modelmixture",
                ["shortNames"] = new JsonArray("mm"),
            },
            ["versions"] = new JsonArray(new JsonObject
            {
                ["name"] = "v1alpha1",
                ["served"] = true,
                ["storage"] = true,
                ["subresources"] = new JsonObject
                {
                    ["status"] = new JsonObject(),
                    // kubectl scale changes what the mixture may use; how that is split is the planner's part.
                    ["scale"] = new JsonObject
                    {
                        ["specReplicasPath"] = ".spec.gpuBudget",
                        ["statusReplicasPath"] = ".status.gpus",
                        ["labelSelectorPath"] = ".status.selector",
                    },
                },
                ["additionalPrinterColumns"] = Columns(),
                ["schema"] = new JsonObject { ["openAPIV3Schema"] = Schema(cel) },
            }),
        },
    };

    public static string Yaml(bool cel) => new SerializerBuilder().WithIndentedSequences().Build().Serialize(Plain(Build(cel))!);

    /// <summary>Paths of all fields of a schema, such as <c>spec.large.model.path</c>.</summary>
    public static IEnumerable<string> Fields(JsonElement schema, string path = "")
    {
        if (schema.TryGetProperty("items", out var items)) return Fields(items, path + "[]");
        return schema.TryGetProperty("properties", out var properties)
            ? properties.EnumerateObject().SelectMany(p => Fields(p.Value, path.Length == 0 ? p.Name : $"{path}.{p.Name}")
                .Prepend(path.Length == 0 ? p.Name : $"{path}.{p.Name}"))
            : [];
    }

    private static JsonObject Schema(bool cel)
    {
        var spec = MixtureReader.Schema();
        var root = new JsonObject
        {
            ["description"] = "A mixture of diffusion models that serves as one, sized by its load.",
            ["type"] = "object",
            ["required"] = new JsonArray("spec"),
            ["properties"] = new JsonObject
            {
                ["apiVersion"] = new JsonObject { ["type"] = "string" },
                ["kind"] = new JsonObject { ["type"] = "string" },
                ["metadata"] = new JsonObject { ["type"] = "object" },
                ["spec"] = spec,
                ["status"] = SchemaOf(typeof(MixtureStatus)),
            },
        };
        if (cel) CelRules.AddTo(root);
        return root;
    }

    private static JsonArray Columns()
    {
        JsonObject Column(string name, string path, string type = "string") =>
            new() { ["name"] = name, ["type"] = type, ["jsonPath"] = path };
        return
        [
            Column("Ready", """.status.conditions[?(@.type=="Ready")].status"""),
            Column("Large", ".status.columns.large"),
            Column("Small", ".status.columns.small"),
            Column("Req/min", ".status.columns.requestsPerMinute"),
            Column("Hit rate", ".status.columns.hitRate"),
            Column("SLO", ".status.columns.slo"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ];
    }

    private static JsonObject SchemaOf(Type type)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        if (inner == typeof(string)) return new() { ["type"] = "string" };
        if (inner == typeof(int) || inner == typeof(long)) return new() { ["type"] = "integer" };
        if (inner == typeof(double)) return new() { ["type"] = "number" };
        if (inner == typeof(DateTimeOffset)) return new() { ["type"] = "string", ["format"] = "date-time" };
        if (inner == typeof(JsonElement)) return new() { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true };
        if (inner.IsGenericType) return new() { ["type"] = "array", ["items"] = SchemaOf(inner.GetGenericArguments()[0]) };

        var properties = new JsonObject();
        foreach (var property in inner.GetProperties().Where(p => p.Name != "EqualityContract"))
        {
            var schema = SchemaOf(property.PropertyType);
            schema.Insert(0, "description", property.GetCustomAttribute<DescriptionAttribute>()!.Description);
            properties[JsonNamingPolicy.CamelCase.ConvertName(property.Name)] = schema;
        }
        return new() { ["type"] = "object", ["properties"] = properties };
    }

    private static object? Plain(JsonNode? node) => node switch
    {
        JsonObject map => map.ToDictionary(p => p.Key, p => Plain(p.Value)),
        JsonArray list => list.Select(Plain).ToList(),
        JsonValue value => value.GetValueKind() switch
        {
            JsonValueKind.String => value.GetValue<string>(),
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => value.ToJsonString() is var text && long.TryParse(text, out var whole) ? whole : double.Parse(text, System.Globalization.CultureInfo.InvariantCulture),
        },
        _ => null,
    };
}
