using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Api;
using MoDM.Gateway.Callers;
using MoDM.Mixture;

namespace MoDM.Gateway.Stories;

/// <summary>What is to be written on for one text.</summary>
/// <param name="Messages">For a model that chats.</param>
/// <param name="Plain">For a model that only ever writes on.</param>
internal sealed record StoryPrompt(IReadOnlyList<ChatMessage> Messages, string Plain);

/// <summary>A request for texts, and what is decided once for all of them.</summary>
internal sealed record StoryPlan
{
    private const int CharactersPerToken = 4;

    public required ModelMixture Mixture { get; init; }
    public required Caller Caller { get; init; }
    public required StoryRequest Request { get; init; }
    public required string Id { get; init; }

    /// <summary>Whom the request names. Who writes is decided for each text.</summary>
    public required StoryMember Member { get; init; }

    /// <summary>For its texts with the external model at a time.</summary>
    public SemaphoreSlim Places { get; } = new(8);
    public required long Seed { get; init; }
    public required int MaxTokens { get; init; }

    /// <summary>One for each text: all of the first prompt's, then the second's.</summary>
    public required IReadOnlyList<StoryPrompt> Texts { get; init; }

    /// <summary>The system messages are the caller's own, and not the gateway's.</summary>
    public bool HasOwnInstructions { get; init; }

    /// <summary>What of the request the one who writes has no use for; null: nothing.</summary>
    public string? Ignored(string route)
    {
        if (route != "large") return HasOwnInstructions && Request.Messages!.Any(m => m.Role is "system" or "developer") ? "system messages" : null;
        var extras = new[] { Request.TopK is null ? null : "top_k", Request.RepetitionPenalty is null ? null : "repetition_penalty" }.OfType<string>().ToList();
        return extras.Count == 0 ? null : string.Join(", ", extras);
    }

    /// <summary>Of what is left of a text, in texts of the mixture's usual length.</summary>
    public double Work(Begun begun) => TokensLeft(begun) / (double)Mixture.Spec.Steps;

    /// <summary>About so many tokens a text's prompt has.</summary>
    public int PromptTokens(int index) => Texts[index].Plain.Length / CharactersPerToken;

    /// <summary>What stands before a text in the answer.</summary>
    public string Echo(int index) => Request.Echo == true ? Request.Prompts[index / (Request.N ?? 1)] : "";

    /// <summary>For a model behind OpenAI's API.</summary>
    public byte[] ExternalBody(int index, ExternalModel model)
    {
        var body = Shared(index, model.Model);
        if (model.Api == ExternalApi.Chat)
            body["messages"] = new JsonArray([.. Texts[index].Messages.Select(m => (JsonNode)new JsonObject { ["role"] = m.Role, ["content"] = m.Content })]);
        else
            body["prompt"] = Texts[index].Plain;
        if (Request.User is { } user) body["user"] = user;
        body["stream_options"] = new JsonObject { ["include_usage"] = true };
        return JsonSerializer.SerializeToUtf8Bytes(body);
    }

    /// <summary>For a worker.</summary>
    public byte[] WorkerBody(int index, Begun begun)
    {
        var body = Shared(index, model: null);
        body["max_tokens"] = TokensLeft(begun);
        body["prompt"] = Texts[index].Plain + begun.Text;
        if (Request.TopK is { } k) body["top_k"] = k;
        if (Request.RepetitionPenalty is { } penalty) body["repetition_penalty"] = penalty;
        body["stream_options"] = new JsonObject { ["include_usage"] = true };
        return JsonSerializer.SerializeToUtf8Bytes(body);
    }

    private int TokensLeft(Begun begun) => Math.Max(1, MaxTokens - begun.Pieces);

    private JsonObject Shared(int index, string? model)
    {
        var body = new JsonObject { ["max_tokens"] = MaxTokens, ["stream"] = true, ["seed"] = unchecked(Seed + index) };
        if (model is not null) body["model"] = model;
        if (Request.Temperature is { } temperature) body["temperature"] = temperature;
        if (Request.TopP is { } p) body["top_p"] = p;
        if (Request.FrequencyPenalty is { } frequency) body["frequency_penalty"] = frequency;
        if (Request.PresencePenalty is { } presence) body["presence_penalty"] = presence;
        if (Request.Stop.Count > 0) body["stop"] = new JsonArray([.. Request.Stop.Select(s => (JsonNode)s)]);
        return body;
    }
}

/// <summary>What the external model has written of a text that a worker writes on.</summary>
/// <param name="Pieces">About as many tokens.</param>
/// <param name="By">Empty where nothing was written.</param>
internal readonly record struct Begun(string Text, int Pieces, string By)
{
    /// <summary>The worker read as a prompt what is part of the text.</summary>
    public TokenUsage? Count(TokenUsage? usage) => usage is null ? null
        : new TokenUsage(Math.Max(0, usage.PromptTokens - Pieces), usage.CompletionTokens + Pieces);
}

/// <summary>A piece of a text, and by whom and why.</summary>
internal readonly record struct StoryPiece(string Text, string Model, StoryProvenance Why);

/// <summary>A text that was written to its end.</summary>
/// <param name="Model">Both, where one wrote on what the other had begun.</param>
/// <param name="Usage">Null when a server did not count.</param>
internal sealed record WrittenStory(string Text, string FinishReason, string Model, StoryProvenance Why, TokenUsage? Usage);
