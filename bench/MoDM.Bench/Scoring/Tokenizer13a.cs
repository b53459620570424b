using System.Text.RegularExpressions;

namespace MoDM.Bench.Scoring;

/// <summary>
/// The tokens of WMT's mteval-v13a.pl, as BLEU's default in sacrebleu 2.6.0: symbols stand alone, full stops and commas
/// too unless within a number, hyphens after a digit. Case and letters of all scripts stay as they are.
/// </summary>
internal static partial class Tokenizer13a
{
    public static string[] Tokenize(string text)
    {
        var line = text.TrimEnd().Replace("<skipped>", "", StringComparison.Ordinal)
            .Replace("-\n", "", StringComparison.Ordinal).Replace('\n', ' ')
            .Replace("&quot;", "\"", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal)
            .Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal);
        // Spaces around: a mark at either end has a neighbour that is no digit.
        line = Symbol().Replace($" {line} ", " $0 ");
        line = MarkAfterNonDigit().Replace(line, "$1 $2 ");
        line = MarkBeforeNonDigit().Replace(line, " $1 $2");
        line = HyphenAfterDigit().Replace(line, "$1 $2 ");
        return line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    // All of ASCII's symbols but the apostrophe, the comma, the hyphen and the full stop.
    [GeneratedRegex(@"[!-&(-+/:-@\[-`{-~]")]
    private static partial Regex Symbol();

    [GeneratedRegex("([^0-9])([.,])")]
    private static partial Regex MarkAfterNonDigit();

    [GeneratedRegex("([.,])([^0-9])")]
    private static partial Regex MarkBeforeNonDigit();

    [GeneratedRegex("([0-9])(-)")]
    private static partial Regex HyphenAfterDigit();
}
