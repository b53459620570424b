namespace MoDM.Bench.Scoring;

/// <summary>
/// Porter's stemmer (Porter 1980, "An algorithm for suffix stripping") with the departures of nltk 3.10.4's default mode:
/// a few irregular words, words of two letters stay, "-ied", "-ies" of four letters, a "y" after a consonant only,
/// "-alli", "-bli", "-fulli" and "-logi". The steps' numbers are the paper's.
/// </summary>
internal static class PorterStemmer
{
    private static readonly Dictionary<string, string> Irregular = new(StringComparer.Ordinal)
    {
        ["sky"] = "sky",
        ["skies"] = "sky",
        ["dying"] = "die",
        ["lying"] = "lie",
        ["tying"] = "tie",
        ["news"] = "news",
        ["inning"] = "inning",
        ["innings"] = "inning",
        ["outing"] = "outing",
        ["outings"] = "outing",
        ["canning"] = "canning",
        ["cannings"] = "canning",
        ["howe"] = "howe",
        ["proceed"] = "proceed",
        ["exceed"] = "exceed",
        ["succeed"] = "succeed",
    };

    private static readonly (string, string)[] DoubleSuffixes =
    [
        ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"), ("alli", "al"),
        ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"),
        ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"),
    ];

    private static readonly (string, string)[] MoreSuffixes =
        [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

    private static readonly (string, string)[] LastSuffixes =
    [
        .. new[]
        {
            "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti", "ous", "ive",
            "ize",
        }.Select(s => (s, "")),
    ];

    public static string Stem(string word)
    {
        word = word.ToLowerInvariant();
        if (Irregular.TryGetValue(word, out var irregular))
            return irregular;
        return word.Length <= 2 ? word : Step5(Step4(Step3(Step2(Step1c(Step1b(Step1a(word)))))));
    }

    private static string Step1a(string word) =>
        word.Length == 4 && Ends(word, "ies") ? word[..^1]
        : Replace(word, [("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")], _ => true);

    private static string Step1b(string word)
    {
        if (Ends(word, "ied"))
            return word.Length == 4 ? word[..^1] : word[..^2];
        if (Ends(word, "eed"))
            return Measure(word[..^3]) > 0 ? word[..^1] : word;
        var stem = Ends(word, "ed") ? word[..^2] : Ends(word, "ing") ? word[..^3] : "";
        if (!Enumerable.Range(0, stem.Length).Any(i => !IsConsonant(stem, i)))
            return word;
        if (Ends(stem, "at") || Ends(stem, "bl") || Ends(stem, "iz"))
            return stem + "e";
        if (stem.Length > 1 && stem[^1] == stem[^2] && IsConsonant(stem, stem.Length - 1))
            return stem[^1] is 'l' or 's' or 'z' ? stem : stem[..^1];
        return Measure(stem) == 1 && IsShort(stem) ? stem + "e" : stem;
    }

    private static string Step1c(string word) =>
        word.Length > 2 && Ends(word, "y") && IsConsonant(word, word.Length - 2) ? word[..^1] + "i" : word;

    private static string Step2(string word)
    {
        if (Ends(word, "alli") && Measure(word[..^4]) > 0)
            return Step2(word[..^2]);
        if (Ends(word, "logi"))
            return Measure(word[..^3]) > 0 ? word[..^1] : word;
        return Replace(word, DoubleSuffixes, stem => Measure(stem) > 0);
    }

    private static string Step3(string word) => Replace(word, MoreSuffixes, stem => Measure(stem) > 0);

    private static string Step4(string word) => Replace(
        word, LastSuffixes, stem => Measure(stem) > 1 && (!Ends(word, "ion") || stem[^1] is 's' or 't'));

    private static string Step5(string word)
    {
        if (Ends(word, "e") && Measure(word[..^1]) is var m && (m > 1 || m == 1 && !IsShort(word[..^1])))
            word = word[..^1];
        return Ends(word, "ll") && Measure(word[..^1]) > 1 ? word[..^1] : word;
    }

    /// <summary>The first suffix that the word has is the only one tried.</summary>
    private static string Replace(string word, (string Suffix, string Replacement)[] rules, Func<string, bool> holds)
    {
        foreach (var (suffix, replacement) in rules)
        {
            if (Ends(word, suffix))
                return word[..^suffix.Length] is var stem && holds(stem) ? stem + replacement : word;
        }
        return word;
    }

    /// <summary>The paper's m: how often a consonant follows a vowel.</summary>
    private static int Measure(string stem)
    {
        var m = 0;
        for (var i = 1; i < stem.Length; i++)
        {
            if (IsConsonant(stem, i) && !IsConsonant(stem, i - 1))
                m++;
        }
        return m;
    }

    /// <summary>The paper's *o, consonant-vowel-consonant at the end, the last not w, x or y; in nltk also a vowel and a consonant alone.</summary>
    private static bool IsShort(string stem) => stem.Length switch
    {
        < 2 => false,
        2 => !IsConsonant(stem, 0) && IsConsonant(stem, 1),
        var n => IsConsonant(stem, n - 3) && !IsConsonant(stem, n - 2) && IsConsonant(stem, n - 1) && stem[^1] is not ('w' or 'x' or 'y'),
    };

    private static bool IsConsonant(string word, int i) => word[i] switch
    {
        'a' or 'e' or 'i' or 'o' or 'u' => false,
        'y' => i == 0 || !IsConsonant(word, i - 1),
        _ => true,
    };

    private static bool Ends(string word, string suffix) => word.EndsWith(suffix, StringComparison.Ordinal);
}
