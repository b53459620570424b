using System.Text.Json;
using MoDM.Api;

namespace MoDM.Gateway.Importing;

/// <summary>Reads a line of JSON about one picture. Fields that are not of interest here are left alone.</summary>
internal sealed class PictureLine
{
    private const int MaxName = 200;
    private const int MaxPath = 4096;

    private readonly JsonElement _fields;
    private readonly List<string> _problems = [];

    private PictureLine(JsonElement fields) => _fields = fields;

    /// <param name="folder">That paths are relative to.</param>
    public static Listed Read(string place, string text, string folder)
    {
        // What a lenient reader of UTF-8 puts where it is none.
        if (text.Contains('\uFFFD')) return Bad(place, null, "is not valid UTF-8.");
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.ValueKind == JsonValueKind.Object ? new PictureLine(json.RootElement).Read(place, folder)
                : Bad(place, null, "is not a JSON object, such as {\"file_name\": \"kite.png\", \"prompt\": \"a red kite\"}.");
        }
        catch (JsonException e)
        {
            return Bad(place, null, $"is not valid JSON: {e.Message}");
        }
        catch (InvalidOperationException)
        {
            return Bad(place, null, "holds half a surrogate pair, which is not valid Unicode text.");
        }
    }

    private Listed Read(string place, string folder)
    {
        var name = Text(["image", "file_name"], MaxPath);
        if (name?.Contains('\0') == true) _problems.Add("file_name holds a zero, which no path does.");
        var path = string.IsNullOrEmpty(name) || _problems.Count > 0 ? null : Path.GetFullPath(name, folder);
        var prompt = Text(["prompt", "text"], ImageRequestReader.MaxPromptLength);
        var picture = new Picture(path ?? "", prompt)
        {
            NegativePrompt = Text(["negative_prompt"], ImageRequestReader.MaxPromptLength),
            Model = Text(["model"], MaxName),
            Seed = Whole("seed", 0, long.MaxValue),
            Steps = (int?)Whole("steps", 1, ImageRequestReader.MaxSteps),
            User = Text(["user"], MaxName),
        };
        if (_problems.Count > 0) return Bad(place, path, string.Join(' ', _problems));
        if (string.IsNullOrEmpty(name)) return Bad(place, path, "names no picture; say which in file_name.");
        return string.IsNullOrWhiteSpace(prompt)
            ? new Listed(place, path, null, new Unfit("no prompt", "has no prompt; say in prompt what the picture shows."))
            : new Listed(place, path, picture, null);
    }

    private static Listed Bad(string place, string? path, string why) => new(place, path, null, new Unfit("bad line", why));

    private string? Text(IEnumerable<string> names, int max)
    {
        foreach (var name in names)
        {
            if (!_fields.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) continue;
            if (value.ValueKind != JsonValueKind.String)
                _problems.Add($"{name} is {Show(value)}, not a string.");
            else if (value.GetString()!.Length is var length && length > max)
                _problems.Add($"{name} has {length} characters; at most {max} are taken.");
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        return null;
    }

    private long? Whole(string name, long min, long max)
    {
        if (!_fields.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= min && number <= max) return number;
        _problems.Add($"{name} is {Show(value)}, not a whole number from {min} to {max}.");
        return null;
    }

    private static string Show(JsonElement value) => value.GetRawText() is { Length: > 60 } text ? text[..60] + "..." : value.GetRawText();
}
