using System.Collections.Frozen;

namespace MoDM.Mixture;

/// <summary>What a word does in a prompt.</summary>
internal enum WordKind
{
    /// <summary>In no table: a thing, an action or a quality, by its place and ending.</summary>
    Unknown,
    /// <summary>Names what is in the picture; two of the same class that are no synonyms exclude each other.</summary>
    Content,
    /// <summary>As <see cref="Content"/>, and living: one more of them is another picture.</summary>
    Animal,
    /// <summary>Says how good or what kind of picture it is.</summary>
    Style,
    /// <summary>As <see cref="Style"/>, with the words before it: "soft rim lighting".</summary>
    Look,
    /// <summary>A quality that may come or go.</summary>
    Quality,
    /// <summary>Wearing, holding, is: between a thing and what it has.</summary>
    Light,
    Article, Link, Negator, Number, Ordinal, Unit, Colour, Shade, Side,
    /// <summary>After it a maker or a camera: "in the style of".</summary>
    Credit,
}

/// <param name="Key">The same for synonyms.</param>
/// <param name="Class">Words exclude each other within a class only.</param>
internal readonly record struct WordEntry(WordKind Kind, string Key, string Class = "", int Value = 0);

/// <summary>
/// The words that the guards know. In the tables a comma ends a group of synonyms and "_" joins a phrase. A word is looked up as it
/// stands, then by its stem.
/// </summary>
internal static class PromptVocabulary
{
    private static readonly Dictionary<string, WordEntry> Building = new(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, WordEntry> Words = Build();

    private static readonly FrozenSet<string> PhraseStarts =
        Words.Keys.Where(k => k.Contains(' ')).Select(k => k[..k.IndexOf(' ')]).ToFrozenSet(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, WordEntry>.AlternateLookup<ReadOnlySpan<char>> BySpan =
        Words.GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> StartsBySpan =
        PhraseStarts.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Words in "-less" that are no "without".</summary>
    public static FrozenSet<string> WholeLess { get; } = Set(
        "unless bless regardless nonetheless nevertheless doubtless endless timeless flawless seamless wireless priceless restless "
        + "fearless ruthless weightless countless boundless breathless helpless homeless hopeless reckless relentless merciless lawless "
        + "faultless matchless peerless tireless effortless limitless ageless thankless useless worthless careless painless senseless "
        + "harmless topless");

    /// <summary>Worn or used in pairs: "a pair of gloves" counts nothing.</summary>
    public static FrozenSet<string> Paired { get; } = Set(
        "glasses sunglasses goggles spectacles shoes boots sandals sneakers gloves socks pants jeans trousers shorts scissors headphones "
        + "earrings binoculars eyes wings hands skis pyjamas pajamas tongs");

    private static readonly FrozenSet<string> Natural = Set(
        "green:grass green:hill green:forest green:tree green:leaf green:field green:meadow green:jungle blue:sky blue:sea blue:water "
        + "blue:lake white:snow white:cloud gray:cloud gray:rain gray:storm gold:sand gold:dune gold:sun yellow:sun "
        + "red:canyon red:fire orange:fire");

    /// <summary>Most of them have this colour, said or not: "green hills".</summary>
    public static bool IsNatural(string colour, string noun) => Natural.Contains($"{colour}:{noun}");

    /// <summary>Nouns in "-ing" and "-ed", which otherwise end actions.</summary>
    public static FrozenSet<string> StillNouns { get; } = Set(
        "building buildings ceiling wedding string spring clothing lightning duckling sibling viking sterling pudding dumpling earring "
        + "sapling darling carving awning hundred bloodshed watershed");

    /// <returns>Kind <see cref="WordKind.Unknown"/> with its stem as key for a word in no table.</returns>
    /// <param name="word">Lower case.</param>
    public static WordEntry Find(ReadOnlySpan<char> word)
    {
        if (BySpan.TryGetValue(word, out var entry)) return entry;
        var stem = WordStem.Of(word);
        if (!BySpan.TryGetValue(stem, out entry)) return new WordEntry(WordKind.Unknown, stem);
        var action = word.EndsWith("ing") || word.EndsWith("ed"); // Parked is no park.
        return entry.Kind switch
        {
            WordKind.Content or WordKind.Animal => action ? new WordEntry(WordKind.Unknown, entry.Key) : entry,
            WordKind.Quality or WordKind.Style or WordKind.Look or WordKind.Unit => entry,
            _ => new WordEntry(WordKind.Unknown, stem),
        };
    }

    public static bool StartsPhrase(ReadOnlySpan<char> word) => StartsBySpan.Contains(word);

    public static bool TryPhrase(ReadOnlySpan<char> phrase, out WordEntry entry) => BySpan.TryGetValue(phrase, out entry);

    private static FrozenSet<string> Set(string words) => words.Split(' ').ToFrozenSet(StringComparer.Ordinal);

    private static FrozenDictionary<string, WordEntry> Build()
    {
        Numbers();
        foreach (var (kind, cls, words) in PromptWordTables.All)
        {
            foreach (var group in words.Split(','))
            {
                var names = group.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
                foreach (var name in names.Select(n => n.Replace('_', ' ')))
                    Building.TryAdd(name, new WordEntry(kind, HasSynonyms(kind) ? names[0].Replace('_', ' ') : name, cls));
            }
        }
        foreach (var (stem, entry) in Building.Where(e => !e.Key.Contains(' ')).Select(e => (WordStem.Of(e.Key), e.Value)).ToList())
            Building.TryAdd(stem, entry);
        return Building.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static void Numbers()
    {
        var small = ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
            + "nineteen").Split(' ');
        for (var i = 0; i < small.Length; i++) Number(small[i], i + 1);
        var tens = "twenty thirty forty fifty sixty seventy eighty ninety".Split(' ');
        for (var i = 0; i < tens.Length; i++) Number(tens[i], 20 + 10 * i);
        var ordinals = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".Split(' ');
        for (var i = 0; i < ordinals.Length; i++) Building[ordinals[i]] = new(WordKind.Ordinal, $"{i + 1}th");
        foreach (var (word, value) in new[]
        {
            ("single", 1), ("lone", 1), ("solitary", 1), ("both", 2), ("couple of", 2), ("pair of", 2), ("pairs of", 2), ("trio of", 3),
            ("quartet of", 4), ("dozen", 12), ("hundred", 100), ("thousand", 1000), ("dozen of", 12), ("half dozen", 6),
            ("half a dozen", 6),
        }) Number(word, value);

        static void Number(string word, int value) => Building[word] = new(WordKind.Number, word, "", value);
    }

    private static bool HasSynonyms(WordKind kind) =>
        kind is WordKind.Content or WordKind.Animal or WordKind.Colour or WordKind.Shade or WordKind.Side;
}
