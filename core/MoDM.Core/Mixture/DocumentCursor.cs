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
/// </summary>
internal sealed class DocumentCursor(JsonElement? value, string path, List<MixtureProblem> problems)
{
    private readonly HashSet<string> _asked = [];

    public string Path => path;

    public bool Has(string name) => Find(name) is not null;

    public DocumentCursor Object(string name, bool required = true)
    {
        if (Find(name) is not { } child)
        {
            if (required) Report(name, "is missing.");
            return new DocumentCursor(null, At(name), problems);
        }
        if (child.ValueKind == JsonValueKind.Object) return new DocumentCursor(child, At(name), problems);
        Report(name, $"is {Show(child)}; a mapping of fields belongs here.");
        return new DocumentCursor(null, At(name), problems);
    }

    public IReadOnlyList<DocumentCursor> List(string name)
    {
        if (Find(name) is not { } child) return [];
        if (child.ValueKind == JsonValueKind.Array)
            return [.. child.EnumerateArray().Select((item, i) => new DocumentCursor(item, $"{At(name)}[{i}]", problems))];
        Report(name, $"is {Show(child)}; a list belongs here.");
        return [];
    }

    public string Text(string name, string? fallback = null, Func<string, string?>? wrong = null)
    {
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
        if (wrong?.Invoke(text) is { } message) Report(name, $"is \"{text}\"; {message}");
        return text;
    }

    public int Whole(string name, int min, int max, int? fallback = null)
    {
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

    public double Number(string name, double min, double max, double? fallback = null)
    {
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

    public T OneOf<T>(string name, T fallback) where T : struct, Enum => OneOf(name, fallback, Enum.GetValues<T>());

    /// <param name="why">Why no other value of the type can be chosen.</param>
    public T OneOf<T>(string name, T fallback, IReadOnlyList<T> choices, string why = "") where T : struct, Enum
    {
        if (Find(name) is not { } child) return fallback;
        foreach (var choice in choices)
        {
            if (child.ValueKind == JsonValueKind.String && child.GetString() == choice.ToString()) return choice;
        }
        Report(name, $"is {Show(child)}; {string.Join(" or ", choices)} belongs here{why}.");
        return fallback;
    }

    /// <summary>A duration such as 500ms, 30s, 2m or 1h.</summary>
    public TimeSpan Duration(string name, TimeSpan min, TimeSpan max, TimeSpan fallback)
    {
        if (Find(name) is not { } child) return fallback;
        if (child.ValueKind == JsonValueKind.String && ParseDuration(child.GetString()!) is { } d && d >= min && d <= max) return d;
        Report(name, $"is {Show(child)}; a duration from {min.TotalSeconds}s to {max.TotalSeconds}s "
            + "such as 500ms, 30s, 2m or 1h belongs here.");
        return fallback;
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
