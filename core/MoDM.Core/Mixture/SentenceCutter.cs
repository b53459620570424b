using System.Globalization;
using System.Text;

namespace MoDM.Mixture;

/// <summary>
/// Lets so many whole sentences of a text pass that comes in pieces, and nothing after them. A sentence ends with . ! ? … ؟ or ।,
/// closing quotes and brackets included, before white space or the text's end; with 。！ or ？ before anything. It goes on where
/// that is an abbreviation or initial with more text behind it, and where a small letter follows a closing quote or bracket.
/// </summary>
public sealed class SentenceCutter(int sentences)
{
    private static readonly HashSet<string> Abbreviations = new(StringComparer.OrdinalIgnoreCase)
        { "mr", "mrs", "ms", "dr", "st", "prof", "sr", "jr", "vs", "etc", "e.g", "i.e", "mt" };

    private string _text = "";
    private int _passed;

    /// <summary>Whole sentences so far; the last one counts once what follows it, or the end, has been seen.</summary>
    public int Sentences { get; private set; }

    public bool Done => Sentences >= sentences;

    /// <summary>What has passed.</summary>
    public string Text => _text[.._passed];

    /// <returns>What may be shown of it now; held back until a sentence's end can be told.</returns>
    public string Add(string piece)
    {
        if (Done) return "";
        _text += piece;
        return Pass(ended: false);
    }

    /// <summary>Nothing more comes.</summary>
    /// <returns>What had been held back.</returns>
    public string End() => Done ? "" : Pass(ended: true);

    /// <summary>The text without a sentence that was begun and not ended; a text without a whole one keeps its whole words.</summary>
    /// <param name="wordsEnd">The text ended by itself, so that its last word is whole.</param>
    public string Whole(bool wordsEnd)
    {
        var text = Text.TrimEnd();
        var last = Scan(text, ended: true).Ends.LastOrDefault();
        return (last > 0 ? text[..last] : wordsEnd ? text : text[..WordsEnd(text)]).Trim();
    }

    private string Pass(bool ended)
    {
        var from = _passed;
        var (ends, undecided) = Scan(_text, ended);
        Sentences = Math.Min(ends.Count, sentences);
        _passed = Done ? ends[sentences - 1] : undecided;
        return _text[from.._passed];
    }

    /// <summary>
    /// Where sentences end, and where the marks begin of which nobody can tell yet (the text's length: none). What is decided stays
    /// so whatever follows.
    /// </summary>
    private static (List<int> Ends, int Undecided) Scan(string text, bool ended)
    {
        var ends = new List<int>();
        for (var i = 0; i < text.Length; i++)
        {
            if (!IsMark(text[i])) continue;
            var start = i;
            while (i + 1 < text.Length && IsMark(text[i + 1])) i++;
            var (mark, end) = (i, i + 1);
            while (end < text.Length && IsCloser(text[end])) end++;
            var (next, closed) = (end, end > mark + 1);
            while (next < text.Length && char.IsWhiteSpace(text[next])) next++;
            var abbreviated = mark == start && text[mark] == '.' && IsAbbreviation(text, mark);
            if (next == text.Length)
            {
                if (!ended && (next == end || closed || abbreviated)) return (ends, start);
                ends.Add(end);
            }
            else if (next > end ? !abbreviated && !(closed && char.IsLower(text[next])) : IsWide(text[mark]) && !(closed && char.IsLetter(text[next])))
            {
                ends.Add(end);
            }
            i = end - 1;
        }
        return (ends, text.Length);
    }

    private static bool IsAbbreviation(string text, int dot)
    {
        var start = dot;
        while (start > 0 && (char.IsLetter(text[start - 1]) || text[start - 1] == '.')) start--;
        var word = text[start..dot];
        return Abbreviations.Contains(word) || word is [>= 'A' and <= 'Z' and not 'I'];
    }

    /// <summary>Without the last word, or the last character of a script that has no blanks between words; all where nothing would be left.</summary>
    private static int WordsEnd(string text)
    {
        var characters = StringInfo.ParseCombiningCharacters(text);
        for (var i = characters.Length - 1; i > 0; i--)
        {
            var rune = Rune.TryGetRuneAt(text, characters[i], out var whole) ? whole : Rune.ReplacementChar;
            if (Rune.IsWhiteSpace(rune)) return characters[i];
            if (HasNoBlanks(rune.Value)) return i + 1 < characters.Length ? characters[i + 1] : characters[i];
        }
        return text.Length;
    }

    private static bool IsMark(char c) => c is '.' or '!' or '?' or '\u2026' or '\u061f' or '\u0964' || IsWide(c);

    /// <summary>。！？</summary>
    private static bool IsWide(char c) => c is '\u3002' or '\uff01' or '\uff1f';

    private static bool IsCloser(char c) =>
        c is '"' or '\'' or ')' or ']' or '\u201d' or '\u2019' or '\u00bb' or '\u300d' or '\u300f' or '\uff09';

    /// <summary>Thai, Lao, Tibetan, Burmese; Khmer; kana; Han.</summary>
    private static bool HasNoBlanks(int rune) =>
        rune is >= 0x0e00 and <= 0x109f or >= 0x1780 and <= 0x17ff or >= 0x3001 and <= 0x30ff or >= 0x3400 and <= 0x9fff or >= 0xf900 and <= 0xfaff or >= 0x20000 and <= 0x3ffff;
}
