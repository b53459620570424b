using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace MoDM.Mixture;

/// <summary>What a text has to look like.</summary>
/// <param name="Pattern">In the common part of .NET's and RE2's syntax, anchored.</param>
/// <param name="Wants">For the message about another text: "... belongs here."</param>
internal sealed record TextRule(string Pattern, string Wants, int MaxLength = 4096)
{
    public bool Holds(string text) => text.Length <= MaxLength && Regex.IsMatch(text, Pattern, RegexOptions.None, TimeSpan.FromSeconds(1));
}

/// <summary>
/// A structural schema (OpenAPI v3 as apiextensions.k8s.io/v1 takes it) of an object, written by <see cref="DocumentCursor"/>.
/// </summary>
internal sealed class DocumentSchema(JsonObject json)
{
    public DocumentSchema Object(string name, bool required, string? about)
    {
        var child = new JsonObject { ["type"] = "object" };
        Add(name, child, required, about);
        return new DocumentSchema(child);
    }

    public DocumentSchema List(string name, int most, string about)
    {
        var item = new JsonObject { ["type"] = "object" };
        Add(name, new JsonObject { ["type"] = "array", ["maxItems"] = most, ["items"] = item }, required: false, about);
        return new DocumentSchema(item);
    }

    public void Texts(string name, string about) => Add(name,
        new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "string" } }, required: false, about);

    public void Raw(string name, JsonValueKind kind, string about)
    {
        const string Open = "x-kubernetes-preserve-unknown-fields";
        var any = new JsonObject { ["type"] = "object", [Open] = true };
        Add(name, kind == JsonValueKind.Array ? new JsonObject { ["type"] = "array", ["items"] = any } : any, required: false, about);
    }

    public void Text(string name, string about, string? fallback, TextRule? rule)
    {
        var child = new JsonObject { ["type"] = "string" };
        if (rule is not null) (child["pattern"], child["maxLength"]) = (rule.Pattern, rule.MaxLength);
        if (fallback is { Length: > 0 }) child["default"] = fallback;
        Add(name, child, required: fallback is null, about);
    }

    public void Number(string type, string name, double min, double max, string about, double? fallback)
    {
        var child = new JsonObject { ["type"] = type, ["minimum"] = Plain(min), ["maximum"] = Plain(max) };
        if (fallback is { } given && !double.IsNaN(given)) child["default"] = Plain(given);
        Add(name, child, required: fallback is null, about);
    }

    public void OneOf(string name, string fallback, IEnumerable<string> choices, string about) => Add(name, new JsonObject
    {
        ["type"] = "string",
        ["enum"] = new JsonArray([.. choices.Select(c => (JsonNode)c)]),
        ["default"] = fallback,
    }, required: false, about);

    public void SomeOf(string name, IEnumerable<string> choices, string about) => Add(name, new JsonObject
    {
        ["type"] = "array",
        ["items"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray([.. choices.Select(c => (JsonNode)c)]) },
        ["default"] = new JsonArray([.. choices.Select(c => (JsonNode)c)]),
    }, required: false, about);

    public void Flag(string name, bool fallback, string about) =>
        Add(name, new JsonObject { ["type"] = "boolean", ["default"] = fallback }, required: false, about);

    private void Add(string name, JsonObject child, bool required, string? about)
    {
        if (about is not null) child.Insert(0, "description", about);
        ((JsonObject)(json["properties"] ??= new JsonObject()))[name] = child;
        if (required) ((JsonArray)(json["required"] ??= new JsonArray())).Add(name);
    }

    private static JsonValue Plain(double value) => value == Math.Floor(value) ? JsonValue.Create((long)value) : JsonValue.Create(value);
}
