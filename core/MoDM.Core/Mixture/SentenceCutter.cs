namespace MoDM.Mixture;

/// <summary>
/// Lets so many whole sentences of a text pass that comes in pieces, and nothing after them. A sentence ends with . ! ? or …,
/// closing quotes and brackets included, before white space or the text's end, where that is no abbreviation or initial.
/// </summary>
public sealed class SentenceCutter(int sentences)
{
    private static readonly HashSet<string> Abbreviations = new(StringComparer.OrdinalIgnoreCase)
        { "mr", "mrs", "ms", "dr", "st", "prof", "sr", "jr", "vs", "etc", "e.g", "i.e", "no", "mt" };

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
        var last = Ends(text, ended: true).LastOrDefault();
        if (last > 0) return text[..last].Trim();
        var blank = text.LastIndexOf(' ');
        return (wordsEnd || blank <= 0 ? text : text[..blank]).Trim();
    }

    private string Pass(bool ended)
    {
        var from = _passed;
        var ends = Ends(_text, ended).ToList();
        Sentences = Math.Min(ends.Count, sentences);
        _passed = Done ? ends[sentences - 1] : ended ? _text.Length : Math.Max(from, Undecided());
        return _text[from.._passed];
    }

    /// <summary>Where the marks begin that may or may not be a sentence's end, since what follows them has not come.</summary>
    private int Undecided()
    {
        var i = _text.Length;
        while (i > 0 && IsCloser(_text[i - 1])) i--;
        var marks = i;
        while (marks > 0 && IsMark(_text[marks - 1])) marks--;
        return marks < i ? marks : _text.Length;
    }

    private static IEnumerable<int> Ends(string text, bool ended)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!IsMark(text[i])) continue;
            var start = i;
            while (i + 1 < text.Length && IsMark(text[i + 1])) i++;
            var end = i + 1;
            while (end < text.Length && IsCloser(text[end])) end++;
            if (end == text.Length ? !ended : !char.IsWhiteSpace(text[end])) continue;
            if (i == start && text[i] == '.' && IsAbbreviation(text, i)) continue;
            yield return end;
            i = end - 1;
        }
    }

    private static bool IsAbbreviation(string text, int dot)
    {
        var start = dot;
        while (start > 0 && (char.IsLetter(text[start - 1]) || text[start - 1] == '.')) start--;
        var word = text[start..dot];
        return Abbreviations.Contains(word) || word is [>= 'A' and <= 'Z' and not 'I'] && dot + 1 < text.Length;
    }

    private static bool IsMark(char c) => c is '.' or '!' or '?' or '\u2026';

    private static bool IsCloser(char c) => c is '"' or '\'' or ')' or ']' or '\u201d' or '\u2019' or '\u00bb';
}
