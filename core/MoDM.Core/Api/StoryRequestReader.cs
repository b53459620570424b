using System.Text.Json;

namespace MoDM.Api;

/// <summary>
/// Reads the bodies of <c>/v1/completions</c> and <c>/v1/chat/completions</c> and names everything that is wrong with them at once.
/// What a particular model can do (its name, the tokens of a prompt) is the caller's to check.
/// </summary>
public static class StoryRequestReader
{
    /// <summary>Characters of all prompts or messages of a request.</summary>
    public const int MaxCharacters = 100_000;
    public const int MaxPrompts = 64;
    public const int MaxChoices = 16;
    public const int MaxTokens = 8192;
    public const int MaxStops = 4;
    public const int MaxStopLength = 200;
    public const int MaxSentences = 10;

    private static readonly string[] Shared =
    [
        "model", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options", "stop", "seed", "frequency_penalty",
        "presence_penalty", "user", "top_k", "repetition_penalty",
    ];

    private static readonly string[] CompletionFields = ["prompt", "echo", .. Shared];
    private static readonly string[] ChatFields = ["messages", "max_completion_tokens", .. Shared];

    private static readonly string[] EndingFields =
        ["prompt", "sentences", "model", "illustrate", "stream", "seed", "temperature", "top_p", "user"];
    private static readonly Dictionary<string, string[]> NothingTolerated = [];

    /// <summary>
    /// OpenAI fields whose default value changes nothing here, so that clients which always send them work; any other value
    /// cannot be honoured and is refused.
    /// </summary>
    private static readonly Dictionary<string, string[]> CompletionTolerated = new()
    {
        ["best_of"] = ["1"],
        ["logprobs"] = [],
        ["logit_bias"] = ["{}"],
        ["suffix"] = ["\"\""],
    };

    private static readonly Dictionary<string, string[]> ChatTolerated = new()
    {
        ["logprobs"] = ["false"],
        ["top_logprobs"] = [],
        ["logit_bias"] = ["{}"],
        ["modalities"] = ["[\"text\"]"],
        ["response_format"] = ["{\"type\":\"text\"}"],
        ["service_tier"] = ["\"auto\"", "\"default\""],
        ["store"] = ["false"],
        ["metadata"] = ["{}"],
        ["tools"] = ["[]"],
        ["tool_choice"] = ["\"none\"", "\"auto\""],
        ["parallel_tool_calls"] = ["true", "false"],
    };

    private static readonly HashSet<string> Nothing = [];

    /// <param name="body">UTF-8 JSON.</param>
    public static (StoryRequest? Request, ApiError? Error) ReadCompletion(ReadOnlySpan<byte> body) => FieldReader.ReadJson<StoryRequest>(
        body, "{\"prompt\": \"Mia had a red kite.\"}", (fields, problems) =>
        {
            var read = new FieldReader(fields, problems, Nothing);
            read.CheckNames(CompletionFields, CompletionTolerated);
            var request = ReadShared(read) with
            {
                Prompts = Prompts(read),
                MaxTokens = read.Whole("max_tokens", 1, MaxTokens),
                Echo = read.Flag("echo"),
            };
            return problems.Count == 0 ? (request, null) : (null, ApiError.BadRequest(problems));
        });

    /// <param name="body">UTF-8 JSON.</param>
    public static (StoryRequest? Request, ApiError? Error) ReadChat(ReadOnlySpan<byte> body) => FieldReader.ReadJson<StoryRequest>(
        body, "{\"messages\": [{\"role\": \"user\", \"content\": \"Mia had a red kite.\"}]}", (fields, problems) =>
        {
            var read = new FieldReader(fields, problems, Nothing);
            read.CheckNames(ChatFields, ChatTolerated);
            var (old, current) = (read.Whole("max_tokens", 1, MaxTokens), read.Whole("max_completion_tokens", 1, MaxTokens));
            if (old is not null && current is not null && old != current)
                read.Report("max_completion_tokens", "and max_tokens say the same thing; send one of them.");
            var messages = ChatReader.Messages(read);
            var request = ReadShared(read) with
            {
                Messages = messages,
                Prompts = ChatReader.Prompt(messages) is { Length: > 0 } prompt ? [prompt] : [],
                MaxTokens = current ?? old,
            };
            return problems.Count == 0 ? (request, null) : (null, ApiError.BadRequest(problems));
        });

    /// <param name="body">UTF-8 JSON.</param>
    public static (EndingRequest? Request, ApiError? Error) ReadEnding(ReadOnlySpan<byte> body) => FieldReader.ReadJson<EndingRequest>(
        body, "{\"prompt\": \"Mia had a red kite.\", \"sentences\": 2}", (fields, problems) =>
        {
            var read = new FieldReader(fields, problems, Nothing);
            read.CheckNames(EndingFields, NothingTolerated);
            var prompt = read.Given("prompt", out var value) && value.ValueKind != JsonValueKind.String
                ? read.Bad<string>("prompt", value, "a string") ?? "" : read.Given("prompt", out value) ? value.GetString()! : "";
            if (!TooLong(read, "prompt", prompt.Length))
            {
                if (string.IsNullOrWhiteSpace(prompt) && !read.Reported("prompt")) read.Report("prompt", "is missing or empty; send the beginning of a story.");
                CheckText(read, "prompt", prompt);
            }
            var request = new EndingRequest
            {
                Prompt = prompt,
                Sentences = read.Whole("sentences", 1, MaxSentences),
                Model = read.Text("model", 200),
                Illustrate = read.Flag("illustrate"),
                Stream = read.Flag("stream"),
                Seed = read.Long("seed", long.MinValue, long.MaxValue),
                Temperature = read.Number("temperature", 0, 2),
                TopP = read.Number("top_p", 0, 1),
                User = read.Text("user", 200),
            };
            return problems.Count == 0 ? (request, null) : (null, ApiError.BadRequest(problems));
        });

    /// <summary>Reports a text that no story begins with.</summary>
    /// <param name="where">Its field.</param>
    internal static void CheckText(FieldReader read, string where, string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]) && text[i] is not ('\n' or '\t' or '\r'))
            {
                read.Report(where, $"has the control character U+{(int)text[i]:X4} at position {i}; send text, with \\n, \\t and \\r at most.");
                return;
            }
        }
    }

    internal static bool TooLong(FieldReader read, string field, int characters)
    {
        if (characters > MaxCharacters)
            read.Report(field, $"has {characters} characters; at most {MaxCharacters} are taken.");
        return characters > MaxCharacters;
    }

    private static StoryRequest ReadShared(FieldReader read)
    {
        var stream = read.Flag("stream");
        return new StoryRequest
        {
            Model = read.Text("model", 200),
            Temperature = read.Number("temperature", 0, 2),
            TopP = read.Number("top_p", 0, 1),
            N = read.Whole("n", 1, MaxChoices),
            Stream = stream,
            IncludeUsage = IncludesUsage(read, stream == true),
            Stop = Stops(read),
            Seed = read.Long("seed", long.MinValue, long.MaxValue),
            FrequencyPenalty = read.Number("frequency_penalty", -2, 2),
            PresencePenalty = read.Number("presence_penalty", -2, 2),
            User = read.Text("user", 200),
            TopK = read.Whole("top_k", -1, 1_000_000),
            RepetitionPenalty = read.Number("repetition_penalty", 0.1, 10),
        };
    }

    private static List<string> Prompts(FieldReader read)
    {
        var prompts = new List<string>();
        if (!read.Given("prompt", out var value))
        {
            read.Report("prompt", "is missing; send the beginning of a story.");
        }
        else if (value.ValueKind == JsonValueKind.String)
        {
            prompts.Add(value.GetString()!);
        }
        else if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String))
        {
            prompts.AddRange(value.EnumerateArray().Select(v => v.GetString()!));
            if (prompts.Count is 0 or > MaxPrompts)
                read.Report("prompt", $"has {prompts.Count} prompts; 1 to {MaxPrompts} are taken.");
        }
        else
        {
            read.Bad<string>("prompt", value, "a string or an array of strings; tokens are not taken, send text");
        }
        if (TooLong(read, "prompt", prompts.Sum(p => p.Length)))
            return prompts;
        for (var i = 0; i < prompts.Count; i++)
        {
            var where = value.ValueKind == JsonValueKind.Array ? $"prompt[{i}]" : "prompt";
            if (string.IsNullOrWhiteSpace(prompts[i]))
                read.Report(where, "is empty; send the beginning of a story.");
            else
                CheckText(read, where, prompts[i]);
        }
        return prompts;
    }

    private static List<string> Stops(FieldReader read)
    {
        if (!read.Given("stop", out var value))
            return [];
        JsonElement[] list = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        if (Array.Exists(list, v => v.ValueKind != JsonValueKind.String))
        {
            read.Bad<string>("stop", value, "a string or an array of strings");
            return [];
        }
        if (list.Length > MaxStops)
            read.Report("stop", $"has {list.Length} strings; at most {MaxStops} are taken.");
        List<string> stops = [.. list.Select(v => v.GetString()!)];
        if (stops.Exists(s => s.Length is 0 or > MaxStopLength))
            read.Report("stop", $"has a string that is empty or longer than {MaxStopLength} characters.");
        return stops;
    }

    private static bool IncludesUsage(FieldReader read, bool stream)
    {
        if (!read.Given("stream_options", out var value))
            return false;
        if (value.ValueKind != JsonValueKind.Object)
        {
            read.Bad<string>("stream_options", value, "an object such as {\"include_usage\": true}");
            return false;
        }
        if (!stream)
            read.Report("stream_options", "needs \"stream\": true.");
        var include = false;
        foreach (var option in value.EnumerateObject())
        {
            var flag = option.Value.ValueKind is JsonValueKind.True or JsonValueKind.False;
            if (option.Name == "include_usage" && flag)
                include = option.Value.GetBoolean();
            // Padding against guesses from the length of chunks: nothing to leave out here.
            else if (option.Name != "include_obfuscation" || option.Value.ValueKind != JsonValueKind.False)
                read.Report($"stream_options.{option.Name}", $"{FieldReader.Show(option.Value)} cannot be honoured here; it has include_usage, true or false.");
        }
        return include;
    }
}
