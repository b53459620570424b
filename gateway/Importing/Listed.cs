namespace MoDM.Gateway.Importing;

/// <summary>A picture that is to be imported, and what is said of it.</summary>
/// <param name="Path">Where its file is.</param>
/// <param name="Prompt">Null: it is in a .txt file beside the picture.</param>
/// <param name="Model">Null, as with the rest: not said.</param>
internal sealed record Picture(string Path, string? Prompt)
{
    public string? NegativePrompt { get; init; }
    public string? Model { get; init; }
    public long? Seed { get; init; }
    public int? Steps { get; init; }
    public string? User { get; init; }
}

/// <summary>Why a picture cannot be imported.</summary>
/// <param name="Kind">By which such are counted.</param>
/// <param name="Detail">What is wrong with this one, to follow its place.</param>
internal sealed record Unfit(string Kind, string Detail);

/// <summary>One item of the list: a picture, or why there is none.</summary>
/// <param name="Place">For whoever has to mend it: a line's number, or a picture's path.</param>
/// <param name="Path">The picture that it is about, when that much is known.</param>
internal readonly record struct Listed(string Place, string? Path, Picture? Picture, Unfit? Unfit);
