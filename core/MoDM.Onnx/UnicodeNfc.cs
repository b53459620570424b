using System.Globalization;
using System.Text;

namespace MoDM.Onnx;

/// <summary>
/// Unicode normalisation form C from a table of its own: <c>string.Normalize</c> returns its input unchanged when
/// globalization is invariant or ICU is missing, as it is in small container images, and tokens would then differ between
/// machines. Unicode Standard Annex 15; Hangul by arithmetic, section 3.12 of the standard.
/// </summary>
public static class UnicodeNfc
{
    private const int HangulBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7;
    private const int LCount = 19, VCount = 21, TCount = 28;

    private static readonly Lazy<Table> Data = new(Read);

    private sealed record Table(
        Dictionary<int, int> Classes, Dictionary<int, int[]> Parts, Dictionary<(int, int), int> Pairs);

    public static string Normalize(string text)
    {
        // Nothing below U+0300 combines with what stands before it.
        if (text.AsSpan().IndexOfAnyExceptInRange('\0', '\u02ff') < 0)
            return text;
        var table = Data.Value;
        var points = new List<int>(text.Length + 8);
        foreach (var rune in text.EnumerateRunes())
            Decompose(rune.Value, table, points);
        Order(points, table);
        Compose(points, table);
        return Text(points);
    }

    /// <summary>Form D: letters apart from their accents.</summary>
    public static string Decompose(string text)
    {
        var points = new List<int>(text.Length + 8);
        foreach (var rune in text.EnumerateRunes())
            Decompose(rune.Value, Data.Value, points);
        Order(points, Data.Value);
        return Text(points);
    }

    private static string Text(List<int> points)
    {
        var result = new StringBuilder(points.Count);
        foreach (var point in points)
            result.Append(new Rune(point).ToString());
        return result.ToString();
    }

    private static void Decompose(int point, Table table, List<int> into)
    {
        var s = point - HangulBase;
        if (s is >= 0 and < LCount * VCount * TCount)
        {
            into.Add(LBase + s / (VCount * TCount));
            into.Add(VBase + s % (VCount * TCount) / TCount);
            if (s % TCount > 0)
                into.Add(TBase + s % TCount);
        }
        else if (table.Parts.TryGetValue(point, out var parts))
        {
            foreach (var part in parts)
                Decompose(part, table, into);
        }
        else
        {
            into.Add(point);
        }
    }

    // Stable sort of each run of combining marks by class. Sorting a run at once keeps a hostile prompt of marks cheap.
    private static void Order(List<int> points, Table table)
    {
        for (var i = 0; i < points.Count;)
        {
            var end = i;
            while (end < points.Count && Class(points[end], table) != 0)
                end++;
            if (end - i > 1)
            {
                var run = points.GetRange(i, end - i).OrderBy(p => Class(p, table)).ToList();
                for (var k = 0; k < run.Count; k++)
                    points[i + k] = run[k];
            }
            i = Math.Max(end, i + 1);
        }
    }

    private static void Compose(List<int> points, Table table)
    {
        int starter = -1, kept = 0, last = -1;
        for (var i = 0; i < points.Count; i++)
        {
            var point = points[i];
            var c = Class(point, table);
            // Blocked when a mark of the same or a higher class stands between the starter and this one.
            if (starter >= 0 && (last < c || last == -1) && Pair(points[starter], point, table) is { } whole)
            {
                points[starter] = whole;
                continue;
            }
            if (c == 0)
            {
                starter = kept;
                last = -1;
            }
            else
            {
                last = c;
            }
            points[kept++] = point;
        }
        points.RemoveRange(kept, points.Count - kept);
    }

    private static int? Pair(int first, int second, Table table)
    {
        if (first - LBase is >= 0 and < LCount && second - VBase is >= 0 and < VCount)
            return HangulBase + ((first - LBase) * VCount + (second - VBase)) * TCount;
        if (first - HangulBase is >= 0 and < LCount * VCount * TCount && (first - HangulBase) % TCount == 0
            && second - TBase is > 0 and < TCount)
            return first + (second - TBase);
        return table.Pairs.TryGetValue((first, second), out var whole) ? whole : null;
    }

    private static int Class(int point, Table table) => table.Classes.GetValueOrDefault(point);

    private static Table Read()
    {
        using var stream = typeof(UnicodeNfc).Assembly.GetManifestResourceStream("nfc.txt")!;
        using var reader = new StreamReader(stream);
        var table = new Table([], [], []);
        while (reader.ReadLine() is { } line)
        {
            if (line[0] == '#')
                continue;
            var words = line[2..].Split(' ', '-');
            var numbers = Array.ConvertAll(words, w => int.Parse(w, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            if (line[0] == 'C')
            {
                for (var p = numbers[1]; p <= numbers[^1]; p++)
                    table.Classes[p] = numbers[0];
                continue;
            }
            table.Parts[numbers[0]] = numbers[1..];
            if (line[0] == 'P')
                table.Pairs[(numbers[1], numbers[2])] = numbers[0];
        }
        return table;
    }
}
