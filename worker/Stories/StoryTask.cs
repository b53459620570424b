namespace MoDM.Worker.Stories;

/// <summary>A prompt to be written on, once or more often.</summary>
internal sealed record StoryTask
{
    /// <summary>Tokens, at least one.</summary>
    public required int[] Prompt { get; init; }

    /// <summary>Texts of it; the prompt is read once for all.</summary>
    public int Count { get; init; } = 1;

    /// <summary>Text i has the seed Seed + i, and is the same alone.</summary>
    public required long Seed { get; init; }

    public required SamplingRule Rule { get; init; }

    /// <summary>The most tokens of a text, the end token counted.</summary>
    public required int MaxTokens { get; init; }

    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>The text goes without white space at its start.</summary>
    public bool TrimStart { get; init; }

    /// <summary>Text's index and what was added to it; called on the writing thread.</summary>
    public Action<int, string>? Progress { get; init; }

    public CancellationToken Cancelled { get; init; }
}

internal enum StoryEnd
{
    /// <summary>By the end token or a stop string.</summary>
    Stop,

    /// <summary>By the limit of tokens.</summary>
    Length,
}

/// <param name="Tokens">All that were chosen, the end token too.</param>
internal sealed record Story(string Text, int Tokens, StoryEnd End);
