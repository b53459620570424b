using System.Globalization;
using System.Text;

namespace MoDM.Bench.Scoring;

/// <summary>A part of speech in WordNet, and how its endings are taken off (WordNet manual, morphy(7WN), table of detachment rules).</summary>
/// <param name="Name">As in the names of its files.</param>
internal sealed record PartOfSpeech(string Name, (string Ending, string Instead)[] Endings)
{
    public static IReadOnlyList<PartOfSpeech> All { get; } =
    [
        new("noun", [("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y")]),
        new("verb", [("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")]),
        new("adj", [("er", ""), ("est", ""), ("er", "e"), ("est", "e")]),
        new("adv", []),
    ];
}

/// <summary>The index, data and exception files of one part of speech (WordNet manual, wndb(5WN)).</summary>
internal sealed class WordNetFile
{
    private readonly PartOfSpeech _part;
    private readonly Dictionary<string, int[]> _synsets;
    private readonly Dictionary<string, string[]> _exceptions;

    // Whole, since synsets are found by the offset of their line's first byte.
    private readonly byte[] _data;

    private WordNetFile(PartOfSpeech part, Dictionary<string, int[]> synsets, Dictionary<string, string[]> exceptions, byte[] data)
    {
        _part = part;
        _synsets = synsets;
        _exceptions = exceptions;
        _data = data;
    }

    public static WordNetFile Read(string folder, PartOfSpeech part)
    {
        // lemma pos synsets pointers [pointer...] senses tagged offset [offset...]; lines of the licence begin with a space.
        var synsets = File.ReadLines(Path.Combine(folder, $"index.{part.Name}")).Where(l => !l.StartsWith(' '))
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .ToDictionary(f => f[0], f => f[^Number(f[2])..].Select(Number).ToArray(), StringComparer.Ordinal);
        // form lemma [lemma...]; the last line of a form holds, as in nltk.
        var exceptions = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var line in File.ReadLines(Path.Combine(folder, $"{part.Name}.exc")))
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            exceptions[fields[0]] = fields[1..];
        }
        return new(part, synsets, exceptions, File.ReadAllBytes(Path.Combine(folder, $"data.{part.Name}")));
    }

    public IEnumerable<string> Synonyms(string word) =>
        Forms(word.ToLowerInvariant()).Distinct().Where(_synsets.ContainsKey).SelectMany(f => _synsets[f]).SelectMany(Lemmas);

    /// <summary>
    /// The word itself and its lemmas by the exceptions or, if it has none there, by one ending taken off: nltk's <c>synsets</c>
    /// since 3.9 (before, endings were taken off until a lemma was left).
    /// </summary>
    private IEnumerable<string> Forms(string word) =>
        (_exceptions.GetValueOrDefault(word) ?? _part.Endings.Where(e => word.EndsWith(e.Ending, StringComparison.Ordinal))
            .Select(e => word[..^e.Ending.Length] + e.Instead)).Prepend(word);

    private IEnumerable<string> Lemmas(int offset)
    {
        var end = Array.IndexOf(_data, (byte)'\n', offset);
        // offset file type words word id [word id...] ...; the number of words is hexadecimal.
        var fields = Encoding.UTF8.GetString(_data, offset, (end < 0 ? _data.Length : end) - offset).Split(' ');
        var words = int.Parse(fields[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        // An adjective may have its place behind it, as in "galore(ip)".
        return fields.Skip(4).Take(2 * words).Where((_, i) => i % 2 == 0).Select(w => w.Split('(')[0]).Where(w => !w.Contains('_'));
    }

    private static int Number(string field) => int.Parse(field, CultureInfo.InvariantCulture);
}
