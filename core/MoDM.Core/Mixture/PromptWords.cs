using System.Buffers;
using System.Globalization;

namespace MoDM.Mixture;

/// <summary>A word, or a phrase that the vocabulary takes for one.</summary>
/// <param name="Start">In UTF-16 units of the prompt; <paramref name="End"/> is exclusive.</param>
/// <param name="Break">Punctuation stands before it.</param>
/// <param name="Joined">A hyphen joins it to the word before.</param>
/// <param name="Capital">It begins with a capital, and no sentence does with it.</param>
internal readonly record struct PromptWord(int Start, int End, WordEntry Entry, bool Break, bool Joined, bool Capital)
{
    public WordKind Kind => Entry.Kind;
    public string Key => Entry.Key;
}

/// <summary>Cuts a prompt into words, and takes out the text that is to be written in the picture. One pass, linear time.</summary>
internal sealed class PromptWords
{
    private const int LongestPhrase = 3;
    private static readonly string[] Ratios = ["16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "1:1", "21:9", "4:5", "5:4", "2:1", "1:2"];

    private static readonly SearchValues<char> Quotes = SearchValues.Create("\"\u201c\u201d\u201e\u00ab\u00bb");

    private readonly string _prompt;
    private readonly List<PromptWord> _raw = [];

    private PromptWords(string prompt)
    {
        _prompt = prompt;
        // Both ways, so that a letter whose capital has another small letter is the same however the prompt is cased.
        Folded = prompt.ToUpperInvariant().ToLowerInvariant().Replace('\u2019', '\'');
    }

    /// <summary>Small letters, each where it is in the prompt.</summary>
    public string Folded { get; }

    public List<PromptWord> Words { get; } = [];

    /// <summary>What is to be written in the picture, by its folded words.</summary>
    public Dictionary<string, Range> Texts { get; } = new(StringComparer.Ordinal);

    public static PromptWords Read(string prompt)
    {
        var words = new PromptWords(prompt);
        words.Scan();
        words.JoinPhrases();
        return words;
    }

    public ReadOnlySpan<char> Of(PromptWord word) => Folded.AsSpan(word.Start, word.End - word.Start);

    private void Scan()
    {
        var (brk, joined, sentence) = (true, false, true);
        var (noDouble, noSingle) = (IsQuotedWhole(), false);
        for (var i = 0; i < Folded.Length;)
        {
            var c = Folded[i];
            if (IsWordPart(c))
            {
                var end = WordEnd(i);
                AddWord(i, end, brk, joined, char.IsUpper(_prompt[i]) && !sentence);
                (brk, joined, sentence) = (false, end < Folded.Length && Folded[end] == '-', false);
                i = end;
                continue;
            }
            if (QuoteEnd(i, ref noDouble, ref noSingle) is var close and > 0)
            {
                AddText(i + 1, close);
                (brk, joined, i) = (true, false, close + 1);
                continue;
            }
            brk |= IsPunctuation(c, i);
            sentence |= c is '.' or '!' or '?';
            joined &= c == '-';
            i++;
        }
    }

    private bool IsPunctuation(char c, int at) =>
        !(char.IsWhiteSpace(c) || c is '_' or '&' or '\'' or '*' or '/'
            || c == '-' && at > 0 && at + 1 < Folded.Length && IsWordPart(Folded[at - 1]) && IsWordPart(Folded[at + 1]));

    /// <summary>Emoji are words too.</summary>
    private static bool IsWordPart(char c) => char.IsLetterOrDigit(c) || char.IsSurrogate(c)
        || char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    private int WordEnd(int start)
    {
        var end = start + 1;
        var digits = char.IsAsciiDigit(Folded[start]);
        for (; end < Folded.Length; end++)
        {
            var c = Folded[end];
            if (IsWordPart(c)) continue;
            if (end + 1 == Folded.Length || !IsWordPart(Folded[end + 1])) break;
            var inNumber = digits && c is '.' or ',' or ':' && char.IsAsciiDigit(Folded[end - 1]) && char.IsAsciiDigit(Folded[end + 1]);
            if (!(c == '\'' && char.IsLetter(Folded[end - 1])) && !(inNumber && digits)) break;
        }
        return end;
    }

    private void AddWord(int start, int end, bool brk, bool joined, bool capital)
    {
        var word = Folded.AsSpan(start, end - start);
        if (char.IsAsciiDigit(word[0]))
        {
            AddDigits(start, end, brk, joined);
            return;
        }
        if (word.EndsWith("n't"))
        {
            _raw.Add(new(start, end, new WordEntry(WordKind.Negator, "not"), brk, joined, false));
            return;
        }
        var apostrophe = word.LastIndexOf('\'');
        if (apostrophe > 0 && word.Length - apostrophe <= 3) end = start + apostrophe; // 's, 're, 'll.
        word = Folded.AsSpan(start, end - start);
        var option = IsOption(start) && word is not "no";
        _raw.Add(new(start, end, option ? new WordEntry(WordKind.Unit, "option") : PromptVocabulary.Find(word), brk, joined, capital));
    }

    /// <summary>"3", "1,000", "1st", "1920s", "8k", "16:9", "2girls".</summary>
    private void AddDigits(int start, int end, bool brk, bool joined)
    {
        var word = Folded.AsSpan(start, end - start);
        var digits = 0;
        while (digits < word.Length && !char.IsLetter(word[digits])) digits++;
        var number = word[..digits];
        var rest = word[digits..];
        // A weight, "(word:1.2)", an option's value or an aperture is about the picture, not in it.
        var aside = start > 0 && Folded[start - 1] is ':' or '/' || _raw.Count > 0 && IsOption(_raw[^1].Start)
            || Ratios.Contains(number.ToString());
        var whole = int.TryParse(number, NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out var value);
        var entry = aside ? new WordEntry(WordKind.Unit, "aside")
            : rest is "s" or "st" or "nd" or "rd" or "th" ? new WordEntry(WordKind.Ordinal, rest is "s" ? word.ToString() : $"{number}th")
            : rest.Length > 0 && rest.Length < 3 || PromptVocabulary.Find(rest).Kind == WordKind.Unit ? new WordEntry(WordKind.Unit, "unit")
            : !whole || value is > 999 and < 2200 // A year, mostly.
                ? new WordEntry(WordKind.Ordinal, whole ? $"{value}" : number.ToString())
            : new WordEntry(WordKind.Number, "digits", "", value);
        _raw.Add(new(start, rest.Length >= 3 ? start + digits : end, entry, brk, joined, false));
        if (rest.Length >= 3 && entry.Kind != WordKind.Unit)
            _raw.Add(new(start + digits, end, PromptVocabulary.Find(rest), false, false, false));
    }

    /// <summary>"--ar 16:9"</summary>
    private bool IsOption(int start) => start >= 2 && Folded[start - 1] == '-' && Folded[start - 2] == '-';

    // Text in the picture

    /// <returns>Where the quotation that begins here ends; 0 for none.</returns>
    private int QuoteEnd(int at, ref bool noDouble, ref bool noSingle)
    {
        var c = Folded[at];
        var isDouble = Quotes.Contains(c);
        var isSingle = c is '\'' or '\u2018' && at + 1 < Folded.Length && !char.IsWhiteSpace(Folded[at + 1])
            && (at == 0 || !char.IsLetterOrDigit(Folded[at - 1]));
        if (isDouble && noDouble || isSingle && noSingle || !isDouble && !isSingle) return 0;
        for (var i = at + 1; i < Folded.Length; i++)
        {
            if (isDouble ? Quotes.Contains(Folded[i])
                : Folded[i] == '\'' && !char.IsWhiteSpace(Folded[i - 1])
                    && (i + 1 == Folded.Length || !char.IsLetterOrDigit(Folded[i + 1])))
                return i;
        }
        if (isDouble) noDouble = true; else noSingle = true; // Looked for once, so that a prompt full of quotes stays linear.
        return 0;
    }

    /// <summary>Quotes around the whole prompt quote nothing.</summary>
    private bool IsQuotedWhole()
    {
        var text = Folded.AsSpan().Trim();
        return text.Length > 1 && Quotes.Contains(text[0]) && Quotes.Contains(text[^1]) && text[1..^1].IndexOfAny(Quotes) < 0;
    }

    private void AddText(int start, int end)
    {
        var words = Folded[start..end].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var text = string.Join(' ', words).Trim('.', ',', '!', '?', ';', ':', '-', '\'', ' ');
        if (text.Length > 0) Texts.TryAdd(text, start..end);
    }

    /// <summary>"a sign that says open": the words until punctuation or a place.</summary>
    /// <returns>How many words of <see cref="_raw"/> from this one are the text.</returns>
    private int TextAfter(int i)
    {
        var says = Of(_raw[i]) is "says" or "saying" or "reads" or "spelling" or "spells";
        var name = Of(_raw[i]) is "named" or "called" or "titled" or "labeled" or "labelled" or "entitled";
        var first = i + 1;
        if (!says && !name || first == _raw.Count || _raw[first].Break) return 0;
        if (Of(_raw[i]) is "reads" or "called" && _raw[first].Kind == WordKind.Article) return 0;
        var end = first;
        while (end < _raw.Count && !_raw[end].Break && !(name && end > first)
            && (_raw[end].Kind is not (WordKind.Side or WordKind.Light) && !IsPlaceLink(Of(_raw[end])) || end == first && says)) end++;
        if (end > first) AddText(_raw[first].Start, _raw[end - 1].End);
        return end - first;
    }

    private static bool IsPlaceLink(ReadOnlySpan<char> word) =>
        word is "in" or "on" or "at" or "with" or "by" or "near" or "beside" or "next" or "and" or "amid" or "aboard";

    private void JoinPhrases()
    {
        for (var i = 0; i < _raw.Count;)
        {
            var length = PhraseLength(i, out var entry);
            Words.Add(length == 1 ? _raw[i] : _raw[i] with { End = _raw[i + length - 1].End, Entry = entry });
            i += length == 1 ? 1 + TextAfter(i) : length;
        }
    }

    private int PhraseLength(int i, out WordEntry entry)
    {
        entry = default;
        if (!PromptVocabulary.StartsPhrase(Of(_raw[i]))) return 1;
        Span<char> phrase = stackalloc char[48];
        for (var length = LongestPhrase; length > 1; length--)
        {
            var used = 0;
            var fits = i + length <= _raw.Count;
            for (var j = i; fits && j < i + length; j++)
            {
                var word = Of(_raw[j]);
                fits = (j == i || !_raw[j].Break) && used + word.Length + 1 <= phrase.Length;
                if (!fits) break;
                if (j > i) phrase[used++] = ' ';
                word.CopyTo(phrase[used..]);
                used += word.Length;
            }
            if (fits && PromptVocabulary.TryPhrase(phrase[..used], out entry)) return length;
        }
        return 1;
    }
}
