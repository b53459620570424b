using System.Text.Json;
using System.Text.Json.Serialization;

namespace MoDM.Api;

/// <summary>
/// Body of <c>POST /v1/completions</c> and <c>POST /v1/chat/completions</c>, as the OpenAI API names its fields; what is null
/// was not sent.
/// </summary>
public sealed record StoryRequest
{
    public string? Model { get; init; }

    /// <summary>What is to be written on; of a chat, one prompt made of its messages.</summary>
    public IReadOnlyList<string> Prompts { get; init; } = [];

    /// <summary>The messages are made from an <see cref="EndingRequest"/>.</summary>
    public bool IsEnding { get; init; }

    /// <summary>Of a chat only, as they came.</summary>
    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    /// <summary><c>max_tokens</c>, or a chat's <c>max_completion_tokens</c>.</summary>
    public int? MaxTokens { get; init; }
    public double? Temperature { get; init; }
    public double? TopP { get; init; }

    /// <summary>Texts of each prompt.</summary>
    public int? N { get; init; }
    public bool? Stream { get; init; }
    public bool IncludeUsage { get; init; }
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Text i of a request has the seed <c>seed + i</c>; chance comes from that number alone.</summary>
    public long? Seed { get; init; }

    /// <summary>The prompt stands before the text in the answer.</summary>
    public bool? Echo { get; init; }
    public double? FrequencyPenalty { get; init; }
    public double? PresencePenalty { get; init; }
    public string? User { get; init; }

    // Extras, named as other servers of language models name them.

    /// <summary>0 and -1 mean all tokens.</summary>
    public int? TopK { get; init; }
    public double? RepetitionPenalty { get; init; }
}

/// <param name="Role"><c>system</c>, <c>developer</c>, <c>user</c> or <c>assistant</c>.</param>
public sealed record ChatMessage(string Role, string Content);

public sealed record TokenUsage(int PromptTokens, int CompletionTokens)
{
    public int TotalTokens => PromptTokens + CompletionTokens;
}

/// <summary>Usage in a stream that includes it: null in all chunks but the last, and written as null there.</summary>
[JsonConverter(typeof(UsageSlotJson))]
public sealed record UsageSlot(TokenUsage? Usage);

/// <summary>Answer of <c>/v1/completions</c>, and each chunk of its stream.</summary>
public sealed record CompletionResponse
{
    public required string Id { get; init; }
    public string Object { get; } = "text_completion";

    /// <summary>Unix seconds.</summary>
    public required long Created { get; init; }
    public required string Model { get; init; }
    public required IReadOnlyList<CompletionChoice> Choices { get; init; }

    /// <summary>Absent in a stream that does not include it.</summary>
    public UsageSlot? Usage { get; init; }
}

/// <param name="FinishReason"><c>stop</c>, <c>length</c> or <c>content_filter</c>; null in a stream as long as the text goes on.</param>
public sealed record CompletionChoice(
    string Text, int Index, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FinishReason)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Logprobs { get; }
}

/// <summary>Answer of <c>/v1/chat/completions</c>, and each chunk of its stream.</summary>
public sealed record ChatResponse
{
    public required string Id { get; init; }

    /// <summary><c>chat.completion</c> or <c>chat.completion.chunk</c>.</summary>
    public required string Object { get; init; }
    public required long Created { get; init; }
    public required string Model { get; init; }
    public required IReadOnlyList<ChatChoice> Choices { get; init; }
    public UsageSlot? Usage { get; init; }
}

/// <param name="Message">Of an answer at once.</param>
/// <param name="Delta">Of a chunk: the role first, then what was added, at last nothing.</param>
public sealed record ChatChoice(
    int Index, ChatText? Message, ChatText? Delta, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FinishReason)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Logprobs { get; }
}

public sealed record ChatText(string? Role, string? Content);

/// <summary>Body of <c>POST /v1/stories/endings</c>.</summary>
public sealed record EndingRequest
{
    public string Prompt { get; init; } = "";

    /// <summary>1 to 10; 1 by default.</summary>
    public int? Sentences { get; init; }
    public string? Model { get; init; }

    /// <summary>An image of the ending, by the image mixture.</summary>
    public bool? Illustrate { get; init; }
    public bool? Stream { get; init; }
    public long? Seed { get; init; }
    public double? Temperature { get; init; }
    public double? TopP { get; init; }
    public string? User { get; init; }
}

/// <summary>Why a text is by whom it is.</summary>
/// <param name="Route"><c>large</c>, <c>small</c> or <c>fallback</c>.</param>
public sealed record StoryProvenance(string Route, string Reason);

/// <summary>Answer of <c>/v1/stories/endings</c>, and the data of its stream's <c>story.ending.completed</c>.</summary>
public sealed record EndingResponse
{
    /// <summary>In a stream only.</summary>
    public string? Type { get; init; }
    public required string Id { get; init; }
    public string Object { get; } = "story.ending";
    public required long Created { get; init; }

    /// <summary>That wrote it; both, where one wrote on what the other had begun.</summary>
    public required string Model { get; init; }

    /// <summary>Whole sentences, without white space around.</summary>
    public required string Ending { get; init; }

    /// <summary>As many as it has, which may be fewer than were asked for.</summary>
    public required int Sentences { get; init; }

    /// <summary><c>stop</c>, <c>length</c> when the model came to no end, or <c>content_filter</c>.</summary>
    public required string FinishReason { get; init; }
    public required long Seed { get; init; }
    public TokenUsage? Usage { get; init; }
    public required StoryProvenance Modm { get; init; }
    public EndingImage? Image { get; init; }
}

/// <summary>What was added to an ending.</summary>
public sealed record EndingDelta(string Type, string Delta);

/// <summary>An ending's picture, or why there is none.</summary>
/// <param name="Type">In a stream only: <c>story.image.completed</c> or <c>story.image.failed</c>.</param>
/// <param name="Modm">The image mixture's account of it.</param>
public sealed record EndingImage(string? Type, string? B64Json, JsonElement? Modm, ApiError? Error);

internal sealed class UsageSlotJson : JsonConverter<UsageSlot>
{
    public override UsageSlot Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(JsonSerializer.Deserialize(ref reader, ApiJson.Default.TokenUsage));

    public override void Write(Utf8JsonWriter writer, UsageSlot value, JsonSerializerOptions options)
    {
        if (value.Usage is { } usage)
            JsonSerializer.Serialize(writer, usage, ApiJson.Default.TokenUsage);
        else
            writer.WriteNullValue();
    }
}
