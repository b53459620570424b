using System.Security.Cryptography;
using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>A request that this worker can serve, with every default filled in.</summary>
/// <param name="Prompts">Tokens of each, and whether its text goes without white space at its start.</param>
internal sealed record StoryPlan(
    StoryRequest Request, string Model, long Seed, int Count, int MaxTokens, SamplingRule Rule, IReadOnlyList<(int[] Ids, bool TrimStart)> Prompts)
{
    public bool Chat => Request.Messages is not null;

    public int PromptTokens => Prompts.Sum(p => p.Ids.Length);

    /// <summary>Texts of all prompts; text i is number i % Count of prompt i / Count.</summary>
    public int Choices => Prompts.Count * Count;

    /// <summary>OpenAI's form of it.</summary>
    public string Id { get; } = (Request.Messages is null ? "cmpl-" : "chatcmpl-") + RandomNumberGenerator.GetHexString(24, lowercase: true);

    /// <summary>A base model has no use for instructions.</summary>
    public bool IgnoresSystem => Request.Messages?.Any(m => m.Role is "system" or "developer") == true;

    public static (StoryPlan? Plan, ApiError? Error) Make(
        StoryRequest request, WorkerOptions options, StoryDefaults defaults, NeoxTokenizer tokenizer, Func<long> randomSeed)
    {
        if (request.Model is { } model && model != options.Name)
        {
            var reason = $"This worker serves \"{options.Name}\", not \"{model}\".";
            return (null, ApiError.NotFound(reason, "model", "model_not_found"));
        }
        var problems = new List<FieldProblem>();
        var prompts = new List<(int[], bool)>();
        for (var i = 0; i < request.Prompts.Count; i++)
        {
            // A blank at the end would be a token of its own, which keeps the model from beginning its word with one.
            var prompt = request.Prompts[i].TrimEnd();
            var ids = tokenizer.Encode(prompt);
            if (ids.Length > options.MaxPromptTokens)
            {
                var field = request.Messages is not null ? "messages" : request.Prompts.Count > 1 ? $"prompt[{i}]" : "prompt";
                problems.Add(new(field, $"has {ids.Length} tokens; at most {options.MaxPromptTokens} are read."));
            }
            prompts.Add((ids, request.Messages is not null || prompt.Length < request.Prompts[i].Length));
        }
        if (problems.Count > 0)
            return (null, ApiError.BadRequest(problems));
        var rule = new SamplingRule(
            request.Temperature ?? defaults.Rule.Temperature,
            Math.Max(request.TopK ?? defaults.Rule.TopK, 0),
            request.TopP ?? defaults.Rule.TopP,
            request.RepetitionPenalty ?? defaults.Rule.RepetitionPenalty,
            request.FrequencyPenalty ?? 0,
            request.PresencePenalty ?? 0);
        return (new StoryPlan(
            request, options.Name, request.Seed ?? randomSeed(), request.N ?? 1, request.MaxTokens ?? defaults.MaxTokens, rule, prompts), null);
    }

    /// <summary>One task a prompt.</summary>
    /// <param name="progress">Text's index in the request, and what was added to it.</param>
    public IReadOnlyList<StoryTask> Tasks(Action<int, string>? progress, CancellationToken cancelled) =>
    [
        .. Prompts.Select((prompt, p) => new StoryTask
        {
            Prompt = prompt.Ids,
            Count = Count,
            Seed = unchecked(Seed + p * Count),
            Rule = Rule,
            MaxTokens = MaxTokens,
            Stops = Request.Stop,
            TrimStart = prompt.TrimStart,
            Progress = progress is null ? null : (i, text) => progress(p * Count + i, text),
            Cancelled = cancelled,
        }),
    ];

    public StoryAnswers Answers(long created) => new(Id, Model, created, Request.IncludeUsage);

    public TokenUsage Usage(IReadOnlyList<Story> stories) => new(PromptTokens, stories.Sum(s => s.Tokens));

    /// <summary>OpenAI's word for why a text ended.</summary>
    public static string Reason(Story story) => story.End == StoryEnd.Stop ? "stop" : "length";

    /// <summary>What stands before a text in the answer.</summary>
    public string Echo(int choice) => Request.Echo == true ? Request.Prompts[choice / Count] : "";
}
