using System.Globalization;
using System.Text.Json;

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
        ["quality"] = ["\"auto\"", "\"standard\""],
        ["style"] = [],
        ["background"] = ["\"auto\"", "\"opaque\""],
        ["moderation"] = ["\"auto\""],
        ["input_fidelity"] = ["\"low\""],
    };

    /// <param name="body">UTF-8 JSON.</param>
    /// <param name="refused">Fields that this endpoint does not have.</param>
    public static (ImageRequest? Request, ApiError? Error) ReadJson(ReadOnlySpan<byte> body, IReadOnlySet<string> refused) =>
        FieldReader.ReadJson<ImageRequest>(
            body, "{\"prompt\": \"a red kite\"}", (fields, problems) => Read(fields, refused, problems));

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
        var read = new FieldReader(fields, problems, refused);
        read.CheckNames(Fields, Tolerated);
        var request = new ImageRequest
        {
            Model = read.Text("model", 200),
            Prompt = read.Text("prompt", MaxPromptLength),
            N = read.Whole("n", 1, MaxImages),
            Size = read.Text("size", 20),
            ResponseFormat = read.OneOf("response_format", "b64_json", "url"),
            OutputFormat = read.OneOf("output_format", "png", "webp", "jpeg"),
            OutputCompression = read.Whole("output_compression", 0, 100),
            User = read.Text("user", 200),
            Stream = read.Flag("stream"),
            PartialImages = read.Whole("partial_images", 0, 3),
            NegativePrompt = read.Text("negative_prompt", MaxPromptLength),
            Seed = read.Long("seed", 0, long.MaxValue - MaxImages),
            NumInferenceSteps = read.Whole("num_inference_steps", 1, MaxSteps),
            GuidanceScale = read.Number("guidance_scale", 0, 100),
            Strength = read.Number("strength", 0.001, 1),
            Cache = read.OneOf("cache", "auto", "bypass", "refresh"),
            SkipSteps = read.Whole("skip_steps", 0, MaxSteps - 1),
        };
        if (request.Prompt is null && !read.Reported("prompt"))
            problems.Add(new("prompt", "is missing; say what to draw."));
        else if (request.Prompt is not null && string.IsNullOrWhiteSpace(request.Prompt))
            problems.Add(new("prompt", "is empty; say what to draw."));
        if (request.Size is { } size && size != "auto" && ParseSize(size) is null && !read.Reported("size"))
            problems.Add(new("size", $"\"{size}\" is not WIDTHxHEIGHT, as in \"512x512\", or \"auto\"."));
        if (request is { OutputCompression: not null, OutputFormat: null or "png" })
            problems.Add(new("output_compression", "goes with output_format webp or jpeg; png has no losses to set."));
        if (request.PartialImages is > 0 && request.Stream != true)
            problems.Add(new("partial_images", "needs \"stream\": true."));
        if (request is { Strength: not null, SkipSteps: not null })
            problems.Add(new("skip_steps", "and strength say the same thing; send one of them."));
        return problems.Count == 0 ? (request, null) : (null, ApiError.BadRequest(problems));
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
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class JsonText : System.Text.Json.Serialization.JsonSerializerContext;
