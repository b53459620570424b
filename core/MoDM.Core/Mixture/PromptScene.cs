namespace MoDM.Mixture;

/// <param name="Firm">Names what is in the picture; not firm: a quality, which an unnamed synonym may say too.</param>
/// <param name="Named">Capitalised within a sentence.</param>
internal readonly record struct Mention(string Key, string Class, Range At, bool Firm, bool Named, bool Animal);

/// <summary>How often a thing is said to be there; a bare noun sets a flag only.</summary>
internal readonly record struct Tally(int Exact, bool One, bool Singular, bool Plural, Range At);

/// <param name="Axis">Its opposite has the same.</param>
/// <param name="Of">What it is relative to, or what stands there when it is relative to the picture.</param>
/// <param name="Of2">The word before it, where that says what it is.</param>
/// <param name="What">What stands there; empty when that was not said before.</param>
internal readonly record struct Relation(string Direction, string Axis, string Of, string Of2, string What, Range At)
{
    /// <summary>"in" and "on" differ from their opposites only.</summary>
    public bool IsVague => Axis.Length == 0;
}

/// <summary>
/// What a prompt says of its picture, as far as <see cref="PromptGuards"/> compare it. A shallow reading, not a parse: a chunk is a
/// run of words without punctuation, articles, prepositions and auxiliary verbs, and its last thing is its head.
/// </summary>
internal sealed class PromptScene
{
    public const string Monochrome = "black-and-white";

    private readonly PromptWords _text;
    private readonly List<PromptWord> _words;

    private PromptScene(PromptWords text) => (_text, _words) = (text, text.Words);

    /// <summary>Of all words, whatever they do.</summary>
    public HashSet<string> Keys { get; } = new(StringComparer.Ordinal);
    public List<Mention> Mentions { get; } = [];
    public Dictionary<string, Tally> Tallies { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, Range> Numerals { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, (Range At, bool IsStyle)> Negated { get; } = new(StringComparer.Ordinal);
    public HashSet<string> Affirmed { get; } = new(StringComparer.Ordinal);
    public Dictionary<(string Noun, string Colour), Range> Colours { get; } = [];
    public HashSet<string> Coloured { get; } = new(StringComparer.Ordinal);
    public List<Relation> Relations { get; } = [];
    public Dictionary<string, Range> Texts => _text.Texts;

    // Where the reading is
    private bool _negated, _negatedSome, _one, _pair, _credit, _predicate, _determined, _shown, _tail, _inTail;
    private int _count, _countAt;
    private string _noun = "", _segmentNoun = "";
    private Relation? _pending;
    private readonly List<(string Colour, Range At)> _colours = [];

    public static PromptScene Read(string prompt)
    {
        var scene = new PromptScene(PromptWords.Read(prompt));
        for (var i = 0; i < scene._words.Count;) i = scene.Step(i);
        scene.BindColours(scene._noun);
        return scene;
    }

    /// <summary>Words written as one elsewhere: "light house".</summary>
    public HashSet<string> JoinedKeys()
    {
        var joined = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 1; i < _words.Count; i++)
        {
            var a = _text.Of(_words[i - 1]);
            var b = _text.Of(_words[i]);
            if (!_words[i].Break && a.Length + b.Length < 40) joined.Add(PromptVocabulary.Find(string.Concat(a, b)).Key);
        }
        return joined;
    }

    /// <returns>The word to read next.</returns>
    private int Step(int i)
    {
        var word = _words[i];
        if (word.Break || i == 0) BeginSegment(i);
        switch (word.Kind)
        {
            case WordKind.Article:
                (_one, _determined, _credit) = (_text.Of(word) is "a" or "an", true, _credit && _text.Of(word) is "the");
                (_count, _countAt) = (0, word.Start);
                return i + 1;
            case WordKind.Negator when word.Entry.Class.Length > 0:
                Keys.Add(word.Entry.Class);
                Negated.TryAdd(word.Entry.Class, (word.Start..word.End, false));
                return i + 1;
            case WordKind.Negator:
                (_negated, _negatedSome, _predicate) = (true, false, false);
                return i + 1;
            case WordKind.Link or WordKind.Light:
                Link(i);
                return i + 1;
            case WordKind.Number:
                return ReadNumber(i);
            case WordKind.Ordinal:
                if (!_credit && !_negated) Numerals.TryAdd(word.Key, word.Start..word.End);
                return i + 1;
            case WordKind.Side:
                return ReadSide(i);
            case WordKind.Credit:
                _credit = true;
                return i + 1;
            case WordKind.Unit:
                _count = 0;
                return i + 1;
            default:
                return NegatesItself(i) ?? ReadChunk(i);
        }
    }

    private void BeginSegment(int i)
    {
        ReadTail(i);
        _negated = _credit = _predicate = false;
        ForgetDeterminer();
        _segmentNoun = "";
    }

    /// <summary>
    /// In a tail of style words, "..., octane render, quixel megascans, wlop", an unknown word is as likely one more of them: from the
    /// first segment of mostly style after what the picture shows, in segments without articles, places and known things.
    /// </summary>
    private void ReadTail(int i)
    {
        var (style, unknown, content) = (0, 0, false);
        for (var first = i; i < _words.Count && (i == first || !_words[i].Break); i++)
        {
            var kind = _words[i].Kind;
            if (kind is WordKind.Style or WordKind.Look) style++;
            if (kind is WordKind.Unknown) unknown++;
            content |= kind is WordKind.Content or WordKind.Animal or WordKind.Article or WordKind.Negator or WordKind.Number
                    or WordKind.Side
                || kind == WordKind.Link && _text.Of(_words[i]) is not ("and" or "of" or "on" or "by");
        }
        _inTail = _shown && !content && (_tail || style > unknown);
        _tail |= _inTail && style > unknown;
        _shown |= content || unknown > 0;
    }

    private void ForgetDeterminer() => (_one, _pair, _determined, _count) = (false, false, false, 0);

    private void Link(int i)
    {
        var link = _text.Of(_words[i]);
        if (_negated && _negatedSome && link is not "or") _negated = false;
        if (link is "by" && i + 1 < _words.Count && !_words[i + 1].Break) _credit = IsMaker(i);
        else if (link is not ("and" or "of")) _credit = false;
        if (link is not "of") ForgetDeterminer();
        _predicate = link is "is" or "are" or "was" or "were" or "looks" or "look" or "be" or "being";
        if (link is "in" or "on" && !_negated)
            _pending ??= new Relation(link is "in" ? "inside" : "above", "", "", "", _segmentNoun, default);
    }

    /// <summary>"by Rembrandt", but not "by a lake", "by two men" or "carried by children".</summary>
    private bool IsMaker(int by)
    {
        var before = by > 0 ? _words[by - 1] : default;
        return _words[by + 1].Kind is WordKind.Unknown or WordKind.Style
            && (by == 0 || before.Kind == WordKind.Style || before.Kind != WordKind.Light && !IsAction(before));
    }

    private int ReadNumber(int i)
    {
        var start = _words[i].Start;
        var value = 0;
        for (var first = i; i < _words.Count && _words[i].Kind == WordKind.Number && (i == first || !_words[i].Break); i++)
        {
            var n = _words[i].Entry.Value;
            value = (int)Math.Min(1_000_000_000L, n is 12 or 100 or 1000 && value > 0 ? (long)value * n : (long)value + n);
            _pair |= _text.Of(_words[i]).StartsWith("pair");
        }
        var ended = i == _words.Count || _words[i].Break || _words[i].Kind is WordKind.Link or WordKind.Negator or WordKind.Light;
        if (_negated || _credit || i < _words.Count && _words[i].Kind == WordKind.Unit) return i;
        if (ended)
        {
            var version = start > 0 && i > 1 && _words[i - 2].Kind is WordKind.Style or WordKind.Look; // Unreal Engine 5.
            if (value > 1 && !version) Numerals.TryAdd($"{value}", start.._words[i - 1].End);
            return i;
        }
        if (_words[i].Joined) // Two-headed.
            Count(_words[i].Key, value, start.._words[i].End, plural: false);
        else (_count, _countAt, _one, _determined) = (value, start, value == 1, true);
        return i;
    }

    private int ReadSide(int i)
    {
        var word = _words[i];
        var next = i + 1;
        while (next < _words.Count && !_words[next].Break && IsPlaceWord(_text.Of(_words[next]))) next++;
        var has = next < _words.Count && !_words[next].Break;
        var of = has && _text.Of(_words[next]) is "of" or "to" or "from";
        var absolute = word.Entry.Class is "across" or "compass" or "height" && !of
            && (!has || next > i + 1 || !IsChunkWord(_words[next]) && _words[next].Kind != WordKind.Article);
        ForgetDeterminer();
        if (_negated) return next;
        var relation = new Relation(word.Key, word.Entry.Class, "", "", _segmentNoun, word.Start..word.End);
        if (absolute && _segmentNoun.Length > 0) Relations.Add(relation with { Of = _segmentNoun, What = "" });
        else _pending = relation;
        return of ? next + 1 : next;
    }

    private static bool IsPlaceWord(ReadOnlySpan<char> word) =>
        word is "side" or "half" or "corner" or "edge" or "part" or "end" or "left" or "right";

    /// <summary>"hatless", "cloud-free".</summary>
    private int? NegatesItself(int i)
    {
        var word = _text.Of(_words[i]);
        var free = i + 1 < _words.Count && _words[i + 1].Joined && _text.Of(_words[i + 1]) is "free";
        var less = word.Length > 6 && word.EndsWith("less") && _words[i].Kind == WordKind.Unknown
            && !PromptVocabulary.WholeLess.Contains(word.ToString());
        if (!free && !less) return null;
        var entry = free ? _words[i].Entry : PromptVocabulary.Find(word[..^4]);
        Keys.Add(entry.Key);
        Negated.TryAdd(entry.Key, (_words[i].Start.._words[i].End, false));
        return i + (free ? 2 : 1);
    }

    private static bool IsChunkWord(PromptWord word) => word.Kind is WordKind.Unknown or WordKind.Content or WordKind.Animal
        or WordKind.Style or WordKind.Look or WordKind.Quality or WordKind.Colour or WordKind.Shade;

    private int ReadChunk(int start)
    {
        var end = start + 1;
        while (end < _words.Count && !_words[end].Break && IsChunkWord(_words[end]) && !BeginsAction(end)) end++;
        var head = Head(start, end);
        var last = _words[end - 1];
        var key = head >= 0 ? _words[head].Key : last.Key;
        var styled = last.Kind == WordKind.Look || _credit;

        for (var i = start; i < end; i++) ReadWord(i, start, end, head, styled);
        if (_negated) Negate(key, _words[head >= 0 ? head : end - 1]);
        else if (head >= 0 && !styled) ReadTally(key, head);
        if (_pending is { } relation && !(head < 0 && last.Kind is WordKind.Colour or WordKind.Shade)) Relate(relation, head, start, key);
        ReadColours(start, end, head);
        if (head >= 0 && !styled && !_negated) _noun = _segmentNoun = key;
        ForgetDeterminer();
        _predicate = false;
        return end;
    }

    /// <returns>The last thing, else the last word that is content; negative for none.</returns>
    private int Head(int start, int end)
    {
        for (var i = end - 1; i >= start; i--)
            if (IsThing(_words[i])) return i;
        for (var i = end - 1; i >= start; i--)
            if (_words[i] is { Kind: WordKind.Content, Entry.Class: "sky" or "season" or "group" }) return i;
        // An orange, two oranges.
        var isFruit = end - start == 1 && _words[start] is { Kind: WordKind.Colour, Key: "orange" } && _determined;
        return isFruit && !MoreColoursFollow(end) ? start : -1;
    }

    /// <summary>"two women | drinking coffee", but "a snow-covered hill".</summary>
    private bool BeginsAction(int i) => !_words[i].Joined
        && (_words[i].Entry.Class == "pose" || _words[i].Kind == WordKind.Unknown && IsAction(_words[i]))
        && IsThing(_words[i - 1]);

    private bool IsThing(PromptWord word) => word is { Kind: WordKind.Animal } or { Kind: WordKind.Content, Entry.Class: "" }
        || word.Kind == WordKind.Unknown && !IsAction(word);

    private bool IsAction(PromptWord word) => WordStem.EndsAsAction(_text.Of(word));

    private void ReadWord(int i, int start, int end, int head, bool styled)
    {
        var word = _words[i];
        Keys.Add(word.Key);
        if (!_negated) Affirmed.Add(word.Key);
        if (word.Kind is WordKind.Style or WordKind.Look or WordKind.Shade or WordKind.Colour && i != head) return;
        var known = word.Kind is WordKind.Content or WordKind.Animal;
        var isLetter = word.Kind == WordKind.Unknown && word.End - word.Start == 1 && char.IsAscii(_text.Folded[word.Start]);
        if (!known && !_credit && styled || isLetter) return;
        var bare = end - start == 1 && !_determined && start > 0;
        var mayBeQuality = WordStem.EndsAsQuality(_text.Of(word));
        var firm = known || _credit || !_inTail && (i == head && !((bare || _predicate && !_determined) && mayBeQuality)
            || i < head && word.Kind == WordKind.Unknown && !IsAction(word) && !mayBeQuality);
        var animal = word.Kind == WordKind.Animal && !_negated;
        Mentions.Add(new Mention(word.Key, _credit ? "credit" : word.Entry.Class, word.Start..word.End, firm, word.Capital, animal));
    }

    private void Negate(string key, PromptWord word)
    {
        _negatedSome = true;
        Negated.TryAdd(key, (word.Start..word.End, word.Kind is WordKind.Style or WordKind.Look));
    }

    private void ReadTally(string key, int head)
    {
        var word = _words[head];
        var plural = !_text.Of(word).Contains(' ') && WordStem.IsPlural(_text.Of(word)); // The northern lights are one.
        var counted = _count > 1 && !(_pair && PromptVocabulary.Paired.Contains(_text.Of(word).ToString()));
        if (counted) Count(key, _count, _countAt..word.End, plural);
        else
        {
            var old = Tallies.GetValueOrDefault(key);
            Tallies[key] = new Tally(old.Exact, old.One || _one && !plural, old.Singular || !plural, old.Plural || plural,
                old.Exact > 0 ? old.At : _one ? _countAt..word.End : word.Start..word.End);
        }
    }

    private void Count(string key, int value, Range at, bool plural)
    {
        var old = Tallies.GetValueOrDefault(key);
        if (value > old.Exact) Tallies[key] = old with { Exact = value, Plural = old.Plural || plural, At = at };
    }

    private void Relate(Relation relation, int head, int start, string key)
    {
        var before = head > start && _words[head - 1].Kind is WordKind.Content or WordKind.Animal or WordKind.Unknown
            ? _words[head - 1].Key : "";
        // "on a rainy day" is no place.
        if (head >= 0 && !(relation.IsVague && _words[head].Entry.Class is "sky" or "season"))
            Relations.Add(relation with { Of = key, Of2 = before });
        _pending = null;
    }

    // Colours

    private void ReadColours(int start, int end, int head)
    {
        for (var i = start; i < end; i++)
        {
            if (_words[i].Kind != WordKind.Colour || i == head) continue;
            var shaded = i > start && _words[i - 1].Kind == WordKind.Shade;
            var name = shaded ? $"{_words[i - 1].Key} {_words[i].Key}" : _words[i].Key;
            var at = _words[shaded ? i - 1 : i].Start.._words[i].End;
            if (name == Monochrome) // A black and white cat, or a picture in black and white.
            {
                if (head < 0) Bind("", (name, at));
                else _colours.AddRange([("black", at), ("white", at)]);
                continue;
            }
            // Red-haired.
            if (i + 1 < end && _words[i + 1].Kind == WordKind.Content && _text.Of(_words[i + 1]).EndsWith("ed"))
                Bind(_words[i + 1].Key, (name, at));
            else _colours.Add((name, at));
        }
        if (_colours.Count == 0 || head < 0 && MoreColoursFollow(end)) return;
        BindColours(head >= 0 ? _words[head].Key : _words[end - 1].Kind is WordKind.Style or WordKind.Look ? "" : _noun);
    }

    private bool MoreColoursFollow(int i)
    {
        if (i < _words.Count && _words[i].Kind == WordKind.Link && _text.Of(_words[i]) is "and" or "or") i++;
        return i < _words.Count && _words[i].Kind is WordKind.Colour or WordKind.Shade;
    }

    private void BindColours(string noun)
    {
        foreach (var colour in _colours) Bind(noun, colour);
        _colours.Clear();
    }

    private void Bind(string noun, (string Name, Range At) colour)
    {
        Coloured.Add(noun);
        Colours.TryAdd((noun, colour.Name), colour.At);
    }
}
