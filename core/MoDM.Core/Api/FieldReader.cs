using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace MoDM.Api;

/// <summary>The fields of a request, read one by one; everything that is wrong with them is collected, by name.</summary>
internal sealed class FieldReader(
    IReadOnlyDictionary<string, JsonElement> fields, List<FieldProblem> problems, IReadOnlySet<string> refused)
{
    /// <summary>Reads one JSON object in UTF-8.</summary>
    /// <param name="example">A body that would be right, for whoever sent something else.</param>
    /// <param name="read">Gets the fields, and problems found so far.</param>
    public static (T? Request, ApiError? Error) ReadJson<T>(
        ReadOnlySpan<byte> body, string example, Func<Dictionary<string, JsonElement>, List<FieldProblem>, (T?, ApiError?)> read)
        where T : class
    {
        if (!Utf8.IsValid(body))
            return (null, ApiError.BadRequest("body", "is not valid UTF-8."));
        JsonElement root;
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 16 });
            root = JsonElement.ParseValue(ref reader);
            if (reader.BytesConsumed < body.Length && !IsBlank(body[(int)reader.BytesConsumed..]))
                return (null, ApiError.BadRequest("body", "is followed by more data; send one JSON object."));
        }
        catch (JsonException e)
        {
            return (null, ApiError.BadRequest("body", $"is not valid JSON: {e.Message}"));
        }
        if (root.ValueKind != JsonValueKind.Object)
            return (null, ApiError.BadRequest("body", $"is a JSON {Kind(root)}; send an object such as {example}."));

        try
        {
            var fields = new Dictionary<string, JsonElement>();
            var problems = new List<FieldProblem>();
            foreach (var property in root.EnumerateObject())
            {
                if (!fields.TryAdd(property.Name, property.Value))
                    problems.Add(new(property.Name, "is given twice."));
            }
            return read(fields, problems);
        }
        // Escapes such as \ud800 are JSON, but no text; they show when a name or value is read.
        catch (InvalidOperationException)
        {
            return (null, ApiError.BadRequest("body", "holds half a surrogate pair, which is not valid Unicode text."));
        }
    }

    /// <summary>Reports fields that the endpoint does not have.</summary>
    /// <param name="tolerated">Fields that cannot be honoured, each with the values (as JSON, without blanks) that change nothing.</param>
    public void CheckNames(IReadOnlyList<string> known, IReadOnlyDictionary<string, string[]> tolerated)
    {
        foreach (var (name, value) in fields)
        {
            if (tolerated.TryGetValue(name, out var harmless))
            {
                if (value.ValueKind != JsonValueKind.Null && !harmless.Contains(value.GetRawText().Replace(" ", "", StringComparison.Ordinal)))
                    Report(name, $"{Show(value)} cannot be honoured here; leave it out.");
            }
            else if (!known.Contains(name) || refused.Contains(name))
            {
                Report(name, $"is not a field of this endpoint; it has {string.Join(", ", known.Where(f => !refused.Contains(f)))}.");
            }
        }
    }

    public void Report(string name, string message) => problems.Add(new(name, message));

    public bool Reported(string name) => problems.Exists(p => p.Field == name);

    public bool Given(string name, out JsonElement value) =>
        fields.TryGetValue(name, out value) && value.ValueKind != JsonValueKind.Null && !refused.Contains(name);

    public string? Text(string name, int max)
    {
        if (!Given(name, out var v)) return null;
        if (v.ValueKind != JsonValueKind.String) return Bad<string>(name, v, "a string");
        string text;
        try { text = v.GetString()!; }
        catch (InvalidOperationException) { return Bad<string>(name, v, "valid Unicode text"); }
        if (text.Length <= max) return text;
        Report(name, $"has {text.Length} characters; at most {max} are taken.");
        return null;
    }

    public string? OneOf(string name, params string[] allowed)
    {
        if (!Given(name, out var v)) return null;
        return v.ValueKind == JsonValueKind.String && allowed.Contains(v.GetString())
            ? v.GetString() : Bad<string>(name, v, $"one of {string.Join(", ", allowed)}");
    }

    public bool? Flag(string name)
    {
        if (!Given(name, out var v)) return null;
        if (v.ValueKind is JsonValueKind.True or JsonValueKind.False) return v.GetBoolean();
        Bad<string>(name, v, "true or false");
        return null;
    }

    public int? Whole(string name, int min, int max) => (int?)Long(name, min, max);

    public long? Long(string name, long min, long max)
    {
        if (!Given(name, out var v)) return null;
        if (v.ValueKind == JsonValueKind.Number && v.TryGetInt64(out var i) && i >= min && i <= max) return i;
        Bad<string>(name, v, $"a whole number from {min} to {max}");
        return null;
    }

    public double? Number(string name, double min, double max)
    {
        if (!Given(name, out var v)) return null;
        if (v.ValueKind == JsonValueKind.Number && v.TryGetDouble(out var d) && d >= min && d <= max) return d;
        Bad<string>(name, v, string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {max}"));
        return null;
    }

    /// <returns>Null, for the caller to go on with.</returns>
    public T? Bad<T>(string name, JsonElement value, string right) where T : class
    {
        Report(name, $"{Show(value)} is not {right}.");
        return null;
    }

    public static string Show(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "...";
    }

    private static bool IsBlank(ReadOnlySpan<byte> rest) => rest.IndexOfAnyExcept(" \t\r\n"u8) < 0;

    private static string Kind(JsonElement e) => e.ValueKind.ToString().ToLowerInvariant();
}
