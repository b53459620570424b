namespace MoDM.Mixture;

/// <summary>A rough stem: the same for the forms of one word, mostly another for another word. It is compared, never shown.</summary>
internal static class WordStem
{
    private const int Shortest = 3;

    private static readonly string[] Qualities =
    [
        "y", "ful", "ous", "ive", "al", "ic", "less", "ble", "ent", "ant", "ish", "some", "est", "esque", "ern", "ian", "ese", "ing", "ed",
    ];

    /// <param name="word">Lower case.</param>
    public static string Of(ReadOnlySpan<char> word)
    {
        if (word.Length <= Shortest) return word.ToString();
        word = Cut(word, word.EndsWith("ies") ? 3 : IsPlural(word) ? EndsInEs(word) ? 2 : 1 : 0);
        word = Cut(word, word.EndsWith("ing") || word.EndsWith("iest") ? word.EndsWith("iest") ? 4 : 3 : word.EndsWith("ied") ? 3
            : word.EndsWith("ed") && !word.EndsWith("eed") ? 2 : 0);
        word = Cut(word, word[^1] is 'e' or 'y' or 'i' ? 1 : 0);
        while (word.Length > Shortest && word[^1] == word[^2]) word = word[..^1];
        if (word[^1] == 'v') return $"{word[..^1]}f"; // Wolves.
        return word.EndsWith("our") && word.Length > 4 ? $"{word[..^3]}or" : word.ToString();
    }

    /// <summary>By its ending; irregular plurals are in the vocabulary's groups or no plurals to us.</summary>
    /// <param name="word">Lower case.</param>
    public static bool IsPlural(ReadOnlySpan<char> word) =>
        word is "men" or "women" or "people" or "children" or "mice" or "geese" or "feet" or "teeth" or "oxen" or "cacti"
        || word.Length > Shortest && word[^1] == 's' && word[^2] is not ('s' or 'u' or 'i')
            && word is not ("canvas" or "lens" or "atlas" or "christmas" or "woods" or "stairs" or "glasses"
                or "pants" or "jeans" or "trousers" or "clothes" or "series" or "species");

    /// <summary>As verbs and adverbs end.</summary>
    public static bool EndsAsAction(ReadOnlySpan<char> word) => word.Length > 4
        && (word.Length > 5 && word.EndsWith("ing") || word.EndsWith("ed") && !word.EndsWith("eed") || word.EndsWith("ly"))
        && !PromptVocabulary.StillNouns.Contains(word.ToString());

    /// <summary>As adjectives end.</summary>
    public static bool EndsAsQuality(ReadOnlySpan<char> word)
    {
        if (word.Length <= Shortest) return false;
        foreach (var ending in Qualities)
            if (word.EndsWith(ending)) return true;
        return false;
    }

    private static bool EndsInEs(ReadOnlySpan<char> word) => word.EndsWith("ches") || word.EndsWith("shes") || word.EndsWith("xes")
        || word.EndsWith("sses") || word.EndsWith("zes");

    private static ReadOnlySpan<char> Cut(ReadOnlySpan<char> word, int count) => word.Length - count >= Shortest ? word[..^count] : word;
}
