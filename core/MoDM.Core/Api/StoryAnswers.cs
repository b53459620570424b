namespace MoDM.Api;

/// <param name="Reason"><c>stop</c>, <c>length</c> or <c>content_filter</c>.</param>
public readonly record struct WrittenText(string Text, string Reason);

/// <summary>OpenAI's words for what was written: whole answers, and chunks of a stream.</summary>
/// <param name="includeUsage">Chunks have a usage, which is null in all but the last.</param>
public sealed class StoryAnswers(string id, string model, long created, bool includeUsage)
{
    public CompletionResponse Completion(IReadOnlyList<WrittenText> texts, TokenUsage? usage) =>
        Chunk([.. texts.Select((t, i) => new CompletionChoice(t.Text, i, t.Reason))], usage is null ? null : new UsageSlot(usage));

    public ChatResponse Chat(IReadOnlyList<WrittenText> texts, TokenUsage? usage) => Chat(
        "chat.completion", [.. texts.Select((t, i) => new ChatChoice(i, new("assistant", t.Text), null, t.Reason))],
        usage is null ? null : new UsageSlot(usage));

    /// <param name="reason">At the text's end.</param>
    public CompletionResponse CompletionChunk(int choice, string text, string? reason) =>
        Chunk([new CompletionChoice(text, choice, reason)], NoUsage);

    public ChatResponse ChatChunk(int choice, ChatText delta, string? reason) =>
        Chat("chat.completion.chunk", [new ChatChoice(choice, null, delta, reason)], NoUsage);

    /// <summary>The last chunk of a stream that includes usage; it has no choices.</summary>
    public CompletionResponse CompletionUsage(TokenUsage usage) => Chunk([], new(usage));

    public ChatResponse ChatUsage(TokenUsage usage) => Chat("chat.completion.chunk", [], new(usage));

    private UsageSlot? NoUsage => includeUsage ? new(null) : null;

    private CompletionResponse Chunk(IReadOnlyList<CompletionChoice> choices, UsageSlot? usage) =>
        new() { Id = id, Created = created, Model = model, Choices = choices, Usage = usage };

    private ChatResponse Chat(string kind, IReadOnlyList<ChatChoice> choices, UsageSlot? usage) =>
        new() { Id = id, Object = kind, Created = created, Model = model, Choices = choices, Usage = usage };
}
