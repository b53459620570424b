namespace MoDM.Mixture;

/// <summary>Whom a request for a text names.</summary>
public enum StoryMember { Mixture, External, Own }

/// <summary>Who writes: the external model, one of our own because the request named it, or one of our own instead.</summary>
public enum StoryRoute { Large, Small, Fallback }

/// <summary>How the external model stands.</summary>
/// <param name="MissingKey">Why there is no key to ask it with; null: there is one, or it wants none.</param>
/// <param name="SpentToday">Tokens.</param>
/// <param name="Rests">Why it is not asked for a while; null: it may be.</param>
/// <param name="SetAside">Tokens that the texts it writes now may cost at most.</param>
public readonly record struct ExternalState(string Name, string? MissingKey, long SpentToday, int TokensPerDay, string? Rests, long SetAside = 0);

/// <param name="Refused">It was named, and cannot be asked.</param>
public readonly record struct StoryDecision(StoryRoute Route, string Reason, bool Refused = false);

/// <summary>Which model writes: the external one first, unless there is a reason not to ask it.</summary>
public static class StoryPolicy
{
    /// <param name="external">Null: the mixture has none.</param>
    public static StoryDecision Decide(StoryMember asked, ExternalState? external)
    {
        if (asked == StoryMember.Own) return new(StoryRoute.Small, "the request named it");
        if (external is not { } model) return new(StoryRoute.Small, "the mixture has no external model");
        var why = model.MissingKey is { } missing ? $"there is no API key for {model.Name}: {missing}"
            : model.TokensPerDay > 0 && model.SpentToday + model.SetAside >= model.TokensPerDay ? Spent(model) : null;
        if (asked == StoryMember.External)
            return why is null ? new(StoryRoute.Large, "the request named it") : new(StoryRoute.Large, why, Refused: true);
        why ??= model.Rests;
        return why is null ? new(StoryRoute.Large, "the external model is preferred") : new(StoryRoute.Fallback, why);
    }

    private static string Spent(ExternalState model)
    {
        var more = model.SetAside > 0 ? $", {model.SetAside} more are set aside for what it writes" : "";
        return $"{model.Name} has used {model.SpentToday} tokens today{more}, and {model.TokensPerDay} are its budget";
    }
}
