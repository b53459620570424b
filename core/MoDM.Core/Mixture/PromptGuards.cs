namespace MoDM.Mixture;

/// <summary>What a cached image's prompt is compared by, word by word, since an embedder's similarity does not tell it.</summary>
public enum PromptGuard { Negation, Number, Colour, Side, Text, Name }

/// <param name="Reason">
/// For whoever asked: it quotes words of the asked prompt only, since the cached one may be somebody else's.
/// </param>
public readonly record struct GuardVerdict(PromptGuard Guard, string Reason);

/// <summary>
/// Whether a picture of one prompt may stand in for a picture of another, by their words: CLIP takes "a cat without a hat" for
/// "a cat with a hat" (Yuksekgonul et al. 2023, arXiv 2210.01936). A guard that fires in doubt costs a drawing, one that does not
/// a wrong picture. English; of other languages only words that differ are seen. Time and memory grow linearly with the prompts.
/// </summary>
public static class PromptGuards
{
    private const int LongestQuote = 60;

    public static readonly IReadOnlyList<PromptGuard> All = Enum.GetValues<PromptGuard>();

    /// <returns>The first guard that fires, in the order of <see cref="All"/>; null: none.</returns>
    /// <param name="on">The guards to ask.</param>
    public static GuardVerdict? Check(string asked, string cached, IReadOnlyCollection<PromptGuard> on)
    {
        if (on.Count == 0 || asked == cached) return null;
        var (ours, theirs) = (PromptScene.Read(asked), PromptScene.Read(cached));
        foreach (var guard in All)
            if (on.Contains(guard) && Fires(guard, asked, ours, theirs) is { } reason)
                return new GuardVerdict(guard, $"{guard.ToString().ToLowerInvariant()}: {reason}");
        return null;
    }

    private static string? Fires(PromptGuard guard, string asked, PromptScene ours, PromptScene theirs) => guard switch
    {
        PromptGuard.Negation => Negation(asked, ours, theirs),
        PromptGuard.Number => Number(asked, ours, theirs),
        PromptGuard.Colour => Colour(asked, ours, theirs),
        PromptGuard.Side => Side(asked, ours, theirs),
        PromptGuard.Text => Text(asked, ours, theirs),
        _ => Name(asked, ours, theirs),
    };

    private static string? Negation(string asked, PromptScene ours, PromptScene theirs)
    {
        foreach (var (key, (at, isStyle)) in ours.Negated)
            if (Contradicts(key, isStyle, theirs)) return $"the cached image's prompt does not go without {Quote(asked, at)}";
        foreach (var (key, (_, isStyle)) in theirs.Negated)
            if (Contradicts(key, isStyle, ours)) return "the cached image's prompt goes without something that this one does not";
        return null;

        // "no watermark" says how good a picture is to be, unless the other prompt wants one.
        static bool Contradicts(string key, bool isStyle, PromptScene other) =>
            !other.Negated.ContainsKey(key) && (!isStyle || other.Affirmed.Contains(key));
    }

    private static string? Number(string asked, PromptScene ours, PromptScene theirs)
    {
        foreach (var (key, tally) in ours.Tallies)
            if (Differs(tally, theirs.Tallies.GetValueOrDefault(key)))
                return $"{Quote(asked, tally.At)} is not what the cached image's prompt says";
        foreach (var (key, tally) in theirs.Tallies)
            if (Differs(tally, ours.Tallies.GetValueOrDefault(key)))
                return "the cached image's prompt says how many of something, and this one does not";
        foreach (var (key, at) in ours.Numerals)
            if (!theirs.Numerals.ContainsKey(key)) return $"{Quote(asked, at)} is not in the cached image's prompt";
        return theirs.Numerals.Keys.All(ours.Numerals.ContainsKey) ? null : "the cached image's prompt has a number that this one has not";

        // "a cat" is not "cats"; "cat", "the cat" may be.
        static bool Differs(Tally a, Tally b) => a.Exact != b.Exact
            || a.Exact == 0 && (a.One && !a.Plural && b.Plural && !b.Singular || b.One && !b.Plural && a.Plural && !a.Singular);
    }

    private static string? Colour(string asked, PromptScene ours, PromptScene theirs)
    {
        var lacking = ours.Colours.Where(c => !theirs.Colours.ContainsKey(c.Key)).ToList();
        var extra = theirs.Colours.Keys.Where(c => !ours.Colours.ContainsKey(c)).ToList();
        var swapped = IsNew(lacking.ConvertAll(c => c.Key), theirs) && IsNew(extra, ours);
        foreach (var ((noun, colour), at) in lacking)
            if (swapped || IsDecisive(noun, colour, theirs))
                return $"{Quote(asked, at)} is elsewhere or missing in the cached image's prompt";
        return extra.Exists(c => IsDecisive(c.Noun, c.Colour, ours))
            ? "the cached image's prompt has a colour that this one has not" : null;

        static bool IsNew(List<(string Noun, string Colour)> colours, PromptScene other)
        {
            var known = other.Colours.Keys.Select(c => c.Colour).ToHashSet();
            return colours.Exists(c => !known.Contains(c.Colour));
        }

        // On one side only: of a thing that both have, of hair and eyes, which go without saying, or of the whole picture.
        static bool IsDecisive(string noun, string colour, PromptScene other) =>
            noun.Length == 0 ? colour == PromptScene.Monochrome
            : (noun is "hair" or "eye" || other.Keys.Contains(noun))
                && (other.Coloured.Contains(noun) || !PromptVocabulary.IsNatural(colour, noun));
    }

    private static string? Side(string asked, PromptScene ours, PromptScene theirs)
    {
        if (PromptSides.Contradiction(ours, theirs) is { } side)
            return $"{Quote(asked, side.At)} is not so in the cached image's prompt";
        return PromptSides.Contradiction(theirs, ours) is null
            ? null : "the cached image's prompt says on which side something is, and this one does not";
    }

    private static string? Text(string asked, PromptScene ours, PromptScene theirs)
    {
        foreach (var (text, at) in ours.Texts)
            if (!theirs.Texts.ContainsKey(text)) return $"the text {Quote(asked, at)} is not that of the cached image's prompt";
        return theirs.Texts.Keys.All(ours.Texts.ContainsKey) ? null : "the cached image's prompt has a text that this one has not";
    }

    /// <summary>Either prompt has something that the other lacks and that excludes it: a swap. More words on one side are none.</summary>
    private static string? Name(string asked, PromptScene ours, PromptScene theirs)
    {
        var lacking = Absent(ours, theirs);
        var extra = Absent(theirs, ours);
        var classes = extra.GroupBy(e => e.Class).ToDictionary(g => g.Key, g => (Firm: g.Any(e => e.Firm), Named: g.Any(e => e.Named)));
        foreach (var m in lacking)
            if (m.Animal || classes.TryGetValue(m.Class, out var other) && (m.Firm && other.Firm || m.Named || other.Named))
                return $"{Quote(asked, m.At)} is not in the cached image's prompt";
        return extra.Exists(e => e.Animal) ? "the cached image's prompt has an animal that this one has not" : null;
    }

    /// <summary>What one prompt mentions and the other does not have in any form.</summary>
    private static List<Mention> Absent(PromptScene scene, PromptScene other)
    {
        var absent = scene.Mentions.FindAll(m => !other.Keys.Contains(m.Key));
        if (absent.Count == 0) return absent;
        var joined = other.JoinedKeys();
        return absent.FindAll(m => !joined.Contains(m.Key));
    }

    private static string Quote(string asked, Range at)
    {
        var text = asked[at];
        if (text.Length <= LongestQuote) return $"\"{text}\"";
        var end = char.IsHighSurrogate(text[LongestQuote - 1]) ? LongestQuote - 1 : LongestQuote;
        return $"\"{text.AsSpan(0, end)}\u2026\"";
    }
}
