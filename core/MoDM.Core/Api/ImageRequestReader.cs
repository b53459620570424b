using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace MoDM.Api;

/// <summary>
/// Reads an image request and names everything that is wrong with it at once: unknown fields, wrong types, values out
/// of bounds. What a particular model or mixture can do (sizes, cache) is the caller's to check.
/// </summary>
public static class ImageRequestReader
{
    public const int MaxPromptLength = 32_000;
    public const int MaxImages = 10;
    public const int MaxSteps = 1000;

    /// <summary>Fields that only one side understands; the other refuses them by name.</summary>
    public static readonly IReadOnlySet<string> GatewayOnly = new HashSet<string> { "cache" };
    public static readonly IReadOnlySet<string> WorkerOnly = new HashSet<string> { "skip_steps" };

    private static readonly string[] Fields =
    [
        "model", "prompt", "n", "size", "response_format", "output_format", "output_compression", "user", "stream",
        "partial_images", "negative_prompt", "seed", "num_inference_steps", "guidance_scale", "strength", "cache",
        "skip_steps",
    ];

    /// <summary>
    /// OpenAI fields whose default value changes nothing here, so that clients which always send them work; any other
    /// value cannot be honoured and is refused.
    /// </summary>
    private static readonly Dictionary<string, string[]> Tolerated = new()
    {
        ["quality"] = ["auto", "standard"],
        ["style"] = [],
        ["background"] = ["auto", "opaque"],
        ["moderation"] = ["auto"],
        ["input_fidelity"] = ["low"],
    };

    /// <param name="body">UTF-8 JSON.</param>
    /// <param name="refused">Fields that this endpoint does not have.</param>
    public static (ImageRequest? Request, ApiError? Error) ReadJson(ReadOnlySpan<byte> body, IReadOnlySet<string> refused)
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
        {
            return (null, ApiError.BadRequest(
                "body", $"is a JSON {Kind(root)}; send an object such as {{\"prompt\": \"a red kite\"}}."));
        }

        try
        {
            var fields = new Dictionary<string, JsonElement>();
            var problems = new List<FieldProblem>();
            foreach (var property in root.EnumerateObject())
            {
                if (!fields.TryAdd(property.Name, property.Value))
                    problems.Add(new(property.Name, "is given twice."));
            }
            return Read(fields, refused, problems);
        }
        // Escapes such as \ud800 are JSON, but no text; they show when a name or value is read.
        catch (InvalidOperationException)
        {
            return (null, ApiError.BadRequest("body", "holds half a surrogate pair, which is not valid Unicode text."));
        }
    }

    /// <summary>The same rules for form fields, whose values are all text.</summary>
    public static (ImageRequest? Request, ApiError? Error) ReadForm(
        IEnumerable<KeyValuePair<string, string>> form, IReadOnlySet<string> refused)
    {
        var fields = new Dictionary<string, JsonElement>();
        var problems = new List<FieldProblem>();
        foreach (var (name, text) in form)
        {
            if (!fields.TryAdd(name, FormValue(name, text)))
                problems.Add(new(name, "is given twice."));
        }
        return Read(fields, refused, problems);
    }

    /// <summary>WIDTHxHEIGHT, or null when the text is not such a size.</summary>
    public static (int Width, int Height)? ParseSize(string text)
    {
        var parts = text.Split('x');
        return parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var w)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var h) ? (w, h) : null;
    }

    private static (ImageRequest?, ApiError?) Read(
        Dictionary<string, JsonElement> fields, IReadOnlySet<string> refused, List<FieldProblem> problems)
    {
        foreach (var (name, value) in fields)
        {
            if (Tolerated.TryGetValue(name, out var harmless))
            {
                var changesNothing = value.ValueKind == JsonValueKind.Null
                    || value.ValueKind == JsonValueKind.String && harmless.Contains(value.GetString());
                if (!changesNothing)
                    problems.Add(new(name, $"{Show(value)} cannot be honoured here; leave it out."));
            }
            else if (!Fields.Contains(name) || refused.Contains(name))
            {
                var known = string.Join(", ", Fields.Where(f => !refused.Contains(f)));
                problems.Add(new(name, $"is not a field of this endpoint; it has {known}."));
            }
        }

        var request = new ImageRequest
        {
            Model = Text("model", 200),
            Prompt = Text("prompt", MaxPromptLength),
            N = Whole("n", 1, MaxImages),
            Size = Text("size", 20),
            ResponseFormat = OneOf("response_format", "b64_json", "url"),
            OutputFormat = OneOf("output_format", "png", "webp", "jpeg"),
            OutputCompression = Whole("output_compression", 0, 100),
            User = Text("user", 200),
            Stream = Flag("stream"),
            PartialImages = Whole("partial_images", 0, 3),
            NegativePrompt = Text("negative_prompt", MaxPromptLength),
            Seed = Long("seed", 0, long.MaxValue - MaxImages),
            NumInferenceSteps = Whole("num_inference_steps", 1, MaxSteps),
            GuidanceScale = Number("guidance_scale", 0, 100),
            Strength = Number("strength", 0.001, 1),
            Cache = OneOf("cache", "auto", "bypass", "refresh"),
            SkipSteps = Whole("skip_steps", 0, MaxSteps - 1),
        };
        if (request.Prompt is null && !problems.Exists(p => p.Field == "prompt"))
            problems.Add(new("prompt", "is missing; say what to draw."));
        else if (request.Prompt is not null && string.IsNullOrWhiteSpace(request.Prompt))
            problems.Add(new("prompt", "is empty; say what to draw."));
        if (request.Size is { } size && size != "auto" && ParseSize(size) is null && !problems.Exists(p => p.Field == "size"))
            problems.Add(new("size", $"\"{size}\" is not WIDTHxHEIGHT, as in \"512x512\", or \"auto\"."));
        if (request is { OutputCompression: not null, OutputFormat: null or "png" })
            problems.Add(new("output_compression", "goes with output_format webp or jpeg; png has no losses to set."));
        if (request.PartialImages is > 0 && request.Stream != true)
            problems.Add(new("partial_images", "needs \"stream\": true."));
        if (request is { Strength: not null, SkipSteps: not null })
            problems.Add(new("skip_steps", "and strength say the same thing; send one of them."));
        return problems.Count == 0 ? (request, null) : (null, ApiError.BadRequest(problems));

        string? Text(string name, int max)
        {
            if (!Given(name, out var v)) return null;
            if (v.ValueKind != JsonValueKind.String) return Bad<string>(name, v, "a string");
            string text;
            try { text = v.GetString()!; }
            catch (InvalidOperationException) { return Bad<string>(name, v, "valid Unicode text"); }
            if (text.Length <= max) return text;
            problems.Add(new(name, $"has {text.Length} characters; at most {max} are taken."));
            return null;
        }

        string? OneOf(string name, params string[] allowed)
        {
            if (!Given(name, out var v)) return null;
            return v.ValueKind == JsonValueKind.String && allowed.Contains(v.GetString())
                ? v.GetString() : Bad<string>(name, v, $"one of {string.Join(", ", allowed)}");
        }

        bool? Flag(string name)
        {
            if (!Given(name, out var v)) return null;
            if (v.ValueKind is JsonValueKind.True or JsonValueKind.False) return v.GetBoolean();
            Bad<string>(name, v, "true or false");
            return null;
        }

        int? Whole(string name, int min, int max) => (int?)Long(name, min, max);

        long? Long(string name, long min, long max)
        {
            if (!Given(name, out var v)) return null;
            if (v.ValueKind == JsonValueKind.Number && v.TryGetInt64(out var i) && i >= min && i <= max) return i;
            Bad<string>(name, v, $"a whole number from {min} to {max}");
            return null;
        }

        double? Number(string name, double min, double max)
        {
            if (!Given(name, out var v)) return null;
            if (v.ValueKind == JsonValueKind.Number && v.TryGetDouble(out var d) && d >= min && d <= max) return d;
            Bad<string>(name, v, string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {max}"));
            return null;
        }

        bool Given(string name, out JsonElement value) =>
            fields.TryGetValue(name, out value) && value.ValueKind != JsonValueKind.Null && !refused.Contains(name);

        T? Bad<T>(string name, JsonElement value, string right) where T : class
        {
            problems.Add(new(name, $"{Show(value)} is not {right}."));
            return null;
        }
    }

    /// <summary>Form text as the JSON value that the field wants: numbers and flags unquoted where they can be read.</summary>
    private static JsonElement FormValue(string name, string text)
    {
        var typed = name is "n" or "output_compression" or "stream" or "partial_images" or "seed" or "num_inference_steps"
            or "guidance_scale" or "strength" or "skip_steps";
        if (typed && (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _) || text is "true" or "false"))
        {
            try
            {
                using var parsed = JsonDocument.Parse(text);
                return parsed.RootElement.Clone();
            }
            catch (JsonException)
            {
                // A number that JSON does not know (such as "NaN" or "+1") stays text, and is refused by name.
            }
        }
        return JsonSerializer.SerializeToElement(text, JsonText.Default.String);
    }

    private static bool IsBlank(ReadOnlySpan<byte> rest) => rest.IndexOfAnyExcept(" \t\r\n"u8) < 0;

    private static string Kind(JsonElement e) => e.ValueKind.ToString().ToLowerInvariant();

    private static string Show(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "...";
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class JsonText : System.Text.Json.Serialization.JsonSerializerContext;
