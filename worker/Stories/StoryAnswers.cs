using MoDM.Api;

namespace MoDM.Worker.Stories;

/// <summary>OpenAI's words for what was written: whole answers, and chunks of a stream.</summary>
internal sealed class StoryAnswers(StoryPlan plan, long created)
{
    public CompletionResponse Completion(IReadOnlyList<Story> stories) => Completion(
        [.. stories.Select((s, i) => new CompletionChoice(plan.Echo(i) + s.Text, i, Reason(s)))], new(Usage(stories)));

    public ChatResponse Chat(IReadOnlyList<Story> stories) => Chat(
        "chat.completion", [.. stories.Select((s, i) => new ChatChoice(i, new("assistant", s.Text), null, Reason(s)))], new(Usage(stories)));

    /// <param name="story">At the text's end.</param>
    public CompletionResponse CompletionChunk(int choice, string text, Story? story) => Completion(
        [new CompletionChoice(text, choice, story is null ? null : Reason(story))], NoUsage);

    public ChatResponse ChatChunk(int choice, ChatText delta, Story? story) => Chat(
        "chat.completion.chunk", [new ChatChoice(choice, null, delta, story is null ? null : Reason(story))], NoUsage);

    /// <summary>The last chunk of a stream that includes usage; it has no choices.</summary>
    public CompletionResponse CompletionUsage(IReadOnlyList<Story> stories) => Completion([], new(Usage(stories)));

    public ChatResponse ChatUsage(IReadOnlyList<Story> stories) => Chat("chat.completion.chunk", [], new(Usage(stories)));

    private UsageSlot? NoUsage => plan.Request.IncludeUsage ? new(null) : null;

    private TokenUsage Usage(IReadOnlyList<Story> stories) => new(plan.PromptTokens, stories.Sum(s => s.Tokens));

    private static string Reason(Story story) => story.End == StoryEnd.Stop ? "stop" : "length";

    private CompletionResponse Completion(IReadOnlyList<CompletionChoice> choices, UsageSlot? usage) =>
        new() { Id = plan.Id, Created = created, Model = plan.Model, Choices = choices, Usage = usage };

    private ChatResponse Chat(string kind, IReadOnlyList<ChatChoice> choices, UsageSlot? usage) =>
        new() { Id = plan.Id, Object = kind, Created = created, Model = plan.Model, Choices = choices, Usage = usage };
}
