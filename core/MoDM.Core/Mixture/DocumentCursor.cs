using System.Globalization;
using System.Text.Json;

namespace MoDM.Mixture;

/// <summary>One mistake in a document: where, and the value with what would be right.</summary>
public sealed record MixtureProblem(string Path, string Message)
{
    public override string ToString() => $"{Path}: {Message}";
}

/// <summary>
/// A place in a document, read field by field. Every mistake is noted with its path and reading goes on with a harmless
/// value, so that one pass finds them all. <see cref="Close"/> names the fields that nobody asked for.
/// With a schema instead of a value, the same pass writes down what there is to read: the CRD is what the reader reads.
/// </summary>
internal sealed class DocumentCursor(JsonElement? value, string path, List<MixtureProblem> problems, DocumentSchema? schema = null)
{
    private readonly HashSet<string> _asked = [];

    public string Path => path;

    /// <summary>What is here, as it is; null when nothing is.</summary>
    public JsonElement? Value => value;

    /// <summary>Nothing is read: what there is to read is written down.</summary>
    public bool IsSchema => schema is not null;

    public bool Has(string name) => Find(name) is not null;

    public DocumentCursor Object(string name, bool required = true, string? about = null)
    {
        var inner = schema?.Object(name, required, about);
        if (Find(name) is not { } child)
        {
            if (required && value is not null) Report(name, "is missing.");
            return new DocumentCursor(null, At(name), problems, inner);
        }
        if (child.ValueKind == JsonValueKind.Object) return new DocumentCursor(child, At(name), problems);
        Report(name, $"is {Show(child)}; a mapping of fields belongs here.");
        return new DocumentCursor(null, At(name), problems);
    }

    public IReadOnlyList<DocumentCursor> List(string name, int most, string about)
    {
        if (schema is not null) return [new DocumentCursor(null, $"{At(name)}[]", problems, schema.List(name, most, about))];
        if (Find(name) is not { } child) return [];
        if (child.ValueKind != JsonValueKind.Array)
        {
            Report(name, $"is {Show(child)}; a list belongs here.");
            return [];
        }
        if (child.GetArrayLength() > most) Report(name, $"has {child.GetArrayLength()} entries; there may be {most}.");
        return [.. child.EnumerateArray().Take(most).Select((item, i) => new DocumentCursor(item, $"{At(name)}[{i}]", problems))];
    }

    /// <summary>Texts, such as a command line.</summary>
    public IReadOnlyList<string> Texts(string name, string about)
    {
        schema?.Texts(name, about);
        if (Find(name) is not { } child) return [];
        if (child.ValueKind == JsonValueKind.Array && child.EnumerateArray().All(t => t.ValueKind == JsonValueKind.String))
            return [.. child.EnumerateArray().Select(t => t.GetString()!)];
        Report(name, $"is {Show(child)}; a list of texts belongs here.");
        return [];
    }

    /// <summary>Some of a type's values; all of them where the document says nothing.</summary>
    public IReadOnlyList<T> SomeOf<T>(string name, string about) where T : struct, Enum
    {
        var all = Enum.GetValues<T>();
        schema?.SomeOf(name, all.Select(t => t.ToString()), about);
        if (Find(name) is not { } child) return all;
        if (child.ValueKind != JsonValueKind.Array)
        {
            Report(name, $"is {Show(child)}; a list of {string.Join(", ", all)} belongs here.");
            return all;
        }
        var chosen = new List<T>();
        foreach (var item in child.EnumerateArray())
        {
            var known = Array.FindIndex(all, t => item.ValueKind == JsonValueKind.String && item.GetString() == t.ToString());
            if (known < 0) Report(name, $"has {Show(item)}; {string.Join(", ", all)} may be there.");
            else if (!chosen.Contains(all[known])) chosen.Add(all[known]);
        }
        return chosen;
    }

    public bool Flag(string name, bool fallback, string about)
    {
        schema?.Flag(name, fallback, about);
        if (Find(name) is not { } child) return fallback;
        if (child.ValueKind is JsonValueKind.True or JsonValueKind.False) return child.GetBoolean();
        Report(name, $"is {Show(child)}; true or false belongs here.");
        return fallback;
    }

    /// <summary>A part of Kubernetes' own API, handed on as it is.</summary>
    /// <param name="kind"><see cref="JsonValueKind.Object"/> or <see cref="JsonValueKind.Array"/>.</param>
    public JsonElement? Raw(string name, JsonValueKind kind, string about)
    {
        schema?.Raw(name, kind, about);
        if (Find(name) is not { } child) return null;
        if (child.ValueKind == kind) return child;
        Report(name, $"is {Show(child)}; a {(kind == JsonValueKind.Array ? "list" : "mapping of fields")} belongs here.");
        return null;
    }

    public string Text(string name, string about, string? fallback = null, TextRule? rule = null)
    {
        schema?.Text(name, about, fallback, rule);
        if (Find(name) is not { } child)
        {
            if (fallback is null && value is not null) Report(name, "is missing.");
            return fallback ?? "";
        }
        if (child.ValueKind != JsonValueKind.String)
        {
            Report(name, $"is {Show(child)}; a text belongs here.");
            return fallback ?? "";
        }
        var text = child.GetString()!;
        if (rule is not null && !rule.Holds(text)) Report(name, $"is \"{text}\"; {rule.Wants}");
        return text;
    }

    /// <param name="computed">The fallback depends on other fields, so the schema has no default.</param>
    public int Whole(string name, int min, int max, string about, int? fallback = null, bool computed = false)
    {
        schema?.Number("integer", name, min, max, about, computed ? double.NaN : fallback);
        if (Find(name) is not { } child)
        {
            if (fallback is null && value is not null)
                Report(name, $"is missing; a whole number from {min} to {max} belongs here.");
            return fallback ?? min;
        }
        if (child.ValueKind == JsonValueKind.Number && child.TryGetInt32(out var i) && i >= min && i <= max) return i;
        Report(name, $"is {Show(child)}; a whole number from {min} to {max} belongs here.");
        return fallback ?? min;
    }

    public double Number(string name, double min, double max, string about, double? fallback = null)
    {
        schema?.Number("number", name, min, max, about, fallback);
        var range = string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {max} belongs here.");
        if (Find(name) is not { } child)
        {
            if (fallback is null && value is not null) Report(name, $"is missing; {range}");
            return fallback ?? double.NaN;
        }
        if (child.ValueKind == JsonValueKind.Number && child.TryGetDouble(out var d) && d >= min && d <= max) return d;
        Report(name, $"is {Show(child)}; {range}");
        return fallback ?? double.NaN;
    }

    public T OneOf<T>(string name, T fallback, string about) where T : struct, Enum =>
        OneOf(name, fallback, Enum.GetValues<T>(), about);

    /// <param name="why">Why no other value of the type can be chosen.</param>
    public T OneOf<T>(string name, T fallback, IReadOnlyList<T> choices, string about, string why = "") where T : struct, Enum
    {
        schema?.OneOf(name, fallback.ToString(), choices.Select(c => c.ToString()), about);
        if (Find(name) is not { } child) return fallback;
        foreach (var choice in choices)
        {
            if (child.ValueKind == JsonValueKind.String && child.GetString() == choice.ToString()) return choice;
        }
        Report(name, $"is {Show(child)}; {string.Join(" or ", choices)} belongs here{why}.");
        return fallback;
    }

    /// <summary>A duration such as 500ms, 30s, 2m or 1h.</summary>
    /// <param name="fallback">As it is written in a document.</param>
    public TimeSpan Duration(string name, TimeSpan min, TimeSpan max, string fallback, string about)
    {
        schema?.Text(name, about, fallback, DurationRule);
        if (Find(name) is not { } child) return ParseDuration(fallback)!.Value;
        if (child.ValueKind == JsonValueKind.String && ParseDuration(child.GetString()!) is { } d && d >= min && d <= max) return d;
        Report(name, $"is {Show(child)}; a duration from {min.TotalSeconds}s to {max.TotalSeconds}s "
            + "such as 500ms, 30s, 2m or 1h belongs here.");
        return ParseDuration(fallback)!.Value;
    }

    public void Close()
    {
        if (value is not { ValueKind: JsonValueKind.Object } open) return;
        foreach (var field in open.EnumerateObject().Where(f => !_asked.Contains(f.Name)))
        {
            var known = _asked.Count == 0 ? "no fields" : string.Join(", ", _asked);
            Report(field.Name, $"is not a field here; there are {known}.");
        }
    }

    public void Report(string name, string message) => problems.Add(new MixtureProblem(At(name), message));

    private string At(string name) => name.Length == 0 ? path : path.Length == 0 ? name : $"{path}.{name}";

    private JsonElement? Find(string name)
    {
        _asked.Add(name);
        if (value is not { } here) return null;
        if (here.ValueKind == JsonValueKind.Object)
            return here.TryGetProperty(name, out var child) && child.ValueKind != JsonValueKind.Null ? child : null;
        if (_asked.Count == 1) Report("", $"is {Show(here)}; a mapping of fields belongs here.");
        return null;
    }

    private static readonly TextRule DurationRule = new(@"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$", "a duration belongs here.");

    private static TimeSpan? ParseDuration(string text)
    {
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        if (!double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var n)) return null;
        return text[digits..] switch
        {
            "ms" => TimeSpan.FromMilliseconds(n),
            "s" => TimeSpan.FromSeconds(n),
            "m" => TimeSpan.FromMinutes(n),
            "h" => TimeSpan.FromHours(n),
            _ => null,
        };
    }

    private static string Show(JsonElement e) => e.ValueKind switch
    {
        JsonValueKind.Object => "a mapping",
        JsonValueKind.Array => "a list",
        _ => e.GetRawText(),
    };
}
