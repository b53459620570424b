using System.Globalization;

namespace MoDM.Bench.Cache;

/// <param name="Kind">What differs, or how it was reworded.</param>
internal sealed record PromptPair(string Kind, string Asked, string Cached);

/// <summary>
/// Pairs of prompts to try content guards on: decisive ones, of which a picture for one is wrong for the other, and paraphrases, of
/// which it is right. The same seed gives the same pairs; the kinds take turns.
/// </summary>
internal sealed class PromptPairs
{
    private readonly PairVocabulary _words;
    private readonly Random _random;

    private PromptPairs(PairVocabulary words, int seed) => (_words, _random) = (words, new Random(seed));

    public static IReadOnlyList<PromptPair> Decisive(PairVocabulary words, int seed, int count)
    {
        var pairs = new PromptPairs(words, seed);
        (string, Func<Wording>)[] kinds =
        [
            ("negation", pairs.Negation), ("count", pairs.Count), ("colour", pairs.Colour), ("subject", pairs.Subject),
            ("side", pairs.Side),
            ("text", pairs.Text),
        ];
        return pairs.Take(kinds, count);
    }

    public static IReadOnlyList<PromptPair> Paraphrases(PairVocabulary words, int seed, int count)
    {
        var pairs = new PromptPairs(words, seed);
        (string, Func<Wording>)[] kinds =
        [
            ("order", pairs.Order), ("synonym", () => pairs.Framed("a {A} {p}", "a {B} {p}", pairs._words.Synonyms)),
            ("mood", () => pairs.Framed("a {A} {S}", "a {B} {S}", pairs._words.Moods)), ("article", pairs.Article),
            ("tags added", pairs.TagsAdded), ("tags changed", pairs.TagsChanged),
            ("medium", () => pairs.Framed("{A}", "{B}", pairs._words.Media)),
            ("voice", () => pairs.Framed("{A}", "{B}", pairs._words.Voices)), ("punctuation", pairs.Punctuation), ("case", pairs.Case),
            ("spelling", () => pairs.Framed("{s} and {A}", "{s} and {B}", pairs._words.Spellings)),
            ("numeral", () => pairs.Framed("{A} {M} {p}", "{B} {M} {p}", pairs._words.Counts)),
            ("time", () => pairs.Framed("{s} {p} {A}", "{s} {p} {B}", pairs._words.Times)),
            ("negation", () => pairs.Framed("{A}", "{B}", pairs._words.SameNegations)), ("contraction", pairs.Contraction),
        ];
        return pairs.Take(kinds, count);
    }

    private List<PromptPair> Take((string Kind, Func<Wording> Make)[] kinds, int count)
    {
        var pairs = new List<PromptPair>(count);
        while (pairs.Count < count)
        {
            var (kind, make) = kinds[pairs.Count % kinds.Length];
            var (a, b) = make();
            pairs.Add(_random.Next(2) == 0 ? new PromptPair(kind, a, b) : new PromptPair(kind, b, a));
        }
        return pairs;
    }

    // Decisive pairs

    private Wording Negation()
    {
        var form = Pick(_words.Negations);
        return Nuisance(Framed(form.A, form.B));
    }

    private Wording Count()
    {
        var (n, m) = Two(_words.Counts);
        var form = _random.Next(3);
        return Nuisance(form switch
        {
            0 => Framed($"{Say(n)} {{M}}", $"{Say(m)} {{M}}"),
            1 => Framed("{s}", $"{Say(n)} {{M}}"),
            _ => Framed($"{{s2}} with {Say(n)} {{O}}", $"{{s2}} with {Say(m)} {{O}}"),
        });

        string Say(Wording number) => _random.Next(2) == 0 ? number.A : number.B;
    }

    private Wording Colour()
    {
        var (c, d) = Two(_words.Colours);
        return Nuisance(_random.Next(5) switch
        {
            0 => Framed($"{A(c)} {{S}} and {A(d)} {{o}}", $"{A(d)} {{S}} and {A(c)} {{o}}"),
            1 => Framed($"{{s}} with {A(c)} {{o}}", $"{{s}} with {A(d)} {{o}}"),
            2 => Framed("{s}", $"{A(c)} {{S}}"),
            3 => Framed($"{{s}} with {c} {{O}}", $"{{s}} with {d} {{O}}"),
            _ => Framed($"{A(c)} {{S}}", $"{A(d)} {{S}}"),
        });
    }

    private Wording Subject() => Nuisance(_random.Next(3) switch
    {
        0 => Framed("{s}", "{s2}"),
        1 => Framed("{s} with a {o}", "{s2} with a {o}"),
        _ => Framed("{s} and {s3}", "{s} and {s2}"),
    });

    private Wording Side()
    {
        var (a, b) = Pick(_words.Sides);
        return Nuisance(_random.Next(2) == 0
            ? Framed($"{{s}} {a} {{s2}}", $"{{s}} {b} {{s2}}")
            : Framed($"{{s}} {a} {{s2}}", $"{{s2}} {a} {{s}}"));
    }

    private Wording Text()
    {
        var (q, r) = Two(_words.Texts);
        var frame = Pick(_words.TextFrames);
        var made = Fill(frame);
        return Nuisance(new Wording(made.Replace("{q}", q, StringComparison.Ordinal), made.Replace("{q}", r, StringComparison.Ordinal)));
    }

    /// <summary>One in three has words more that change nothing.</summary>
    private Wording Nuisance(Wording pair) => _random.Next(3) == 0 ? pair with { B = $"{pair.B}, {Pick(_words.Tags)}" } : pair;

    // Paraphrases

    private Wording Order()
    {
        var (place, tail) = (Pick(_words.Places), Pick(_words.Tails));
        var tags = tail.Split(", ");
        var turned = string.Join(", ", tags.Reverse());
        return _random.Next(3) switch
        {
            0 => Both($"{{s}} {place}, {tail}", $"{place}, {{s}}, {tail}"),
            1 => Both($"{{s}} {place}, {tail}", $"{{s}} {place}, {turned}"),
            _ => Both($"{{s}} and {{s2}} {place}", $"{{s2}} and {{s}} {place}"),
        };
    }

    private Wording Article() => _random.Next(3) switch
    {
        0 => Framed("{s}", "the {S}"),
        1 => Framed("{s}", "{S}"),
        _ => Framed("{s} with a {o}", "the {S} with the {o}"),
    };

    private Wording TagsAdded()
    {
        var core = Fill(_random.Next(2) == 0 ? "{s} {p}" : "{s} with a {o} {p}");
        var (one, two) = Two(_words.Tags);
        return new(core, _random.Next(2) == 0 ? $"{core}, {one}, {two}" : $"{one}, {core}, {Pick(_words.Tails)}");
    }

    private Wording TagsChanged()
    {
        var core = Fill("{s} {p}");
        var (one, two) = Two(_words.Tags);
        return _random.Next(2) == 0 ? new($"{core}, {one}", $"{core}, {two}") : new($"{core}, {one}, {two}", $"{two}, {core}");
    }

    private Wording Punctuation()
    {
        var text = Framed("{s}", "{s}").A;
        return new(text, _random.Next(3) switch
        {
            0 => text.Replace(", ", "; ", StringComparison.Ordinal) + ".",
            1 => text.Replace(", ", " , ", StringComparison.Ordinal) + "!",
            _ => text.Replace(", ", ",", StringComparison.Ordinal).Replace(" ", "  ", StringComparison.Ordinal),
        });
    }

    private Wording Case()
    {
        var text = Framed("{s}", "{s}").A;
        return new(text, _random.Next(3) switch
        {
            0 => text.ToUpperInvariant(),
            1 => CultureInfo.InvariantCulture.TextInfo.ToTitleCase(text),
            _ => text.ToLowerInvariant(),
        });
    }

    private Wording Contraction() => _random.Next(3) switch
    {
        0 => Framed("{s} that is near a {o}", "{s} that's near a {o}"),
        1 => Framed("it is {s}", "it\u2019s {s}"),
        _ => Framed("{s} that is not near a {o}", "{s} that isn't near a {o}"),
    };

    // Filling

    private Wording Framed(string a, string b, Wording[] wordings)
    {
        var (x, y) = Pick(wordings);
        return Framed(a.Replace("{A}", x, StringComparison.Ordinal), b.Replace("{B}", y, StringComparison.Ordinal));
    }

    /// <summary>Both in the same frame, with the same words in their slots.</summary>
    private Wording Framed(string a, string b)
    {
        var frame = Pick(_words.Frames);
        return Both(frame.Replace("{x}", a, StringComparison.Ordinal), frame.Replace("{x}", b, StringComparison.Ordinal));
    }

    private string Fill(string text) => Both(text, text).A;

    private Wording Both(string a, string b)
    {
        var (s, s2) = Two(_words.Subjects);
        Noun s3;
        do s3 = Pick(_words.Subjects); while (s3 == s || s3 == s2);
        var thing = Pick(_words.Things);
        var (place, tail) = (Pick(_words.Places), Pick(_words.Tails));
        return new(With(a), With(b));

        string With(string text) => AnBeforeVowel(text
            .Replace("{s}", A(s.One), StringComparison.Ordinal).Replace("{S}", s.One, StringComparison.Ordinal)
            .Replace("{s2}", A(s2.One), StringComparison.Ordinal).Replace("{s3}", A(s3.One), StringComparison.Ordinal)
            .Replace("{M}", s.Many, StringComparison.Ordinal).Replace("{o}", thing.One, StringComparison.Ordinal)
            .Replace("{O}", thing.Many, StringComparison.Ordinal).Replace("{p}", place, StringComparison.Ordinal)
            .Replace("{t}", tail, StringComparison.Ordinal));
    }

    private static string A(string noun) => $"a {noun}";

    private static string AnBeforeVowel(string text)
    {
        foreach (var vowel in "aeiou")
            text = text.Replace($" a {vowel}", $" an {vowel}", StringComparison.Ordinal);
        return text.StartsWith("a ", StringComparison.Ordinal) && text.Length > 2 && "aeiou".Contains(text[2]) ? "an" + text[1..] : text;
    }

    private T Pick<T>(IReadOnlyList<T> among) => among[_random.Next(among.Count)];

    private (T, T) Two<T>(IReadOnlyList<T> among)
    {
        var first = _random.Next(among.Count);
        return (among[first], among[(first + 1 + _random.Next(among.Count - 1)) % among.Count]);
    }
}
