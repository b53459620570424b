using System.Text;
using System.Text.Json;

namespace MoDM.Onnx;

/// <summary>
/// Byte-level byte-pair encoding (Sennrich et al. 2016, with GPT-2's alphabet of 256 visible characters for the bytes):
/// the pair of the lowest rank is joined first, the leftmost of equals, until no pair of the list is left.
/// </summary>
internal sealed class BytePairs
{
    private const string WordEnd = "</w>";

    private readonly Dictionary<string, int> _vocabulary;
    private readonly Dictionary<int, string> _texts;
    private readonly Dictionary<(int Left, int Right), (int Rank, int Joined)> _merges;

    // The token of each byte within a word, and at its end.
    private readonly int[] _inner = new int[256];
    private readonly int[] _last = new int[256];
    private readonly Dictionary<char, int> _bytes = [];

    /// <param name="file">The vocabulary's, for messages.</param>
    /// <param name="merges">Two tokens each, lowest rank first.</param>
    /// <param name="wordEnd">What the vocabulary writes after the last byte of a word; empty where words have no mark.</param>
    private BytePairs(string file, Dictionary<string, int> vocabulary, IEnumerable<string[]> merges, string wordEnd)
    {
        _vocabulary = vocabulary;
        _texts = vocabulary.ToDictionary(v => v.Value, v => v.Key);
        _merges = [];
        foreach (var parts in merges)
        {
            if (parts.Length != 2 || Id(parts[0]) is not { } left || Id(parts[1]) is not { } right
                || Id(parts[0] + parts[1]) is not { } joined)
            {
                throw new ModelException($"{file}: the merge \"{string.Join(' ', parts)}\" does not join two of its entries to a third.");
            }
            _merges.TryAdd((left, right), (_merges.Count, joined));
        }
        foreach (var (value, character) in Alphabet())
        {
            _inner[value] = Required(file, character.ToString());
            _last[value] = Required(file, character + wordEnd);
            _bytes[character] = value;
        }
    }

    /// <summary>CLIP's vocab.json and merges.txt, whose words end in <c>&lt;/w&gt;</c>.</summary>
    public static BytePairs Load(string folder)
    {
        var vocabularyFile = Path.Combine(folder, "vocab.json");
        var mergesFile = Path.Combine(folder, "merges.txt");
        if (!File.Exists(mergesFile))
            throw new ModelException($"{mergesFile}: is missing.");
        var lines = File.ReadAllLines(mergesFile).Where(l => l.Length > 0 && !l.StartsWith("#version", StringComparison.Ordinal));
        return new BytePairs(
            vocabularyFile, Vocabulary(vocabularyFile, JsonFile.Read(vocabularyFile)), lines.Select(l => l.Split(' ')), WordEnd);
    }

    /// <summary>The <c>model</c> of a tokenizer.json, without marks at words' ends. Merges are "a b" or ["a", "b"].</summary>
    public static BytePairs Read(string file, JsonElement model)
    {
        if (!model.TryGetProperty("vocab", out var vocabulary) || vocabulary.ValueKind != JsonValueKind.Object
            || !model.TryGetProperty("merges", out var merges) || merges.ValueKind != JsonValueKind.Array)
        {
            throw new ModelException($"{file}: model has no vocab and merges.");
        }
        var pairs = merges.EnumerateArray().Select(m => m.ValueKind == JsonValueKind.Array
            ? [.. m.EnumerateArray().Select(e => e.ToString())] : m.ToString().Split(' '));
        return new BytePairs(file, Vocabulary(file, vocabulary), pairs, "");
    }

    public int Count => _vocabulary.Count;

    public int? Id(string token) => _vocabulary.TryGetValue(token, out var id) ? id : null;

    public string? Text(int id) => _texts.GetValueOrDefault(id);

    /// <summary>The bytes that a token stands for; null when it has characters outside the alphabet, or there is no such id.</summary>
    public byte[]? Bytes(int id) => Text(id) is { } text && text.All(_bytes.ContainsKey)
        ? [.. text.Select(c => (byte)_bytes[c])] : null;

    /// <summary>Appends the tokens of one word. n log n in its length: a word may be as long as the longest prompt.</summary>
    public void Encode(ReadOnlySpan<char> word, List<int> into)
    {
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(word.Length)];
        var count = Encoding.UTF8.GetBytes(word, bytes);
        var symbols = new int[count];
        var next = new int[count];
        var previous = new int[count];
        for (var i = 0; i < count; i++)
            (symbols[i], next[i], previous[i]) = (i == count - 1 ? _last[bytes[i]] : _inner[bytes[i]], i + 1, i - 1);

        var queue = new PriorityQueue<(int At, int Left, int Right), (int Rank, int At)>();
        for (var i = 0; i + 1 < count; i++)
            Offer(i);
        while (queue.TryDequeue(out var pair, out _))
        {
            var (at, left, right) = pair;
            var other = next[at];
            // Entries whose parts have been joined with others meanwhile are stale.
            if (symbols[at] != left || other >= count || symbols[other] != right)
                continue;
            symbols[at] = _merges[(left, right)].Joined;
            symbols[other] = -1;
            next[at] = next[other];
            if (next[at] < count)
                previous[next[at]] = at;
            Offer(at);
            if (previous[at] >= 0)
                Offer(previous[at]);
        }
        foreach (var symbol in symbols)
        {
            if (symbol >= 0)
                into.Add(symbol);
        }

        void Offer(int at)
        {
            var other = next[at];
            if (other < count && _merges.TryGetValue((symbols[at], symbols[other]), out var merge))
                queue.Enqueue((at, symbols[at], symbols[other]), (merge.Rank, at));
        }
    }

    private static Dictionary<string, int> Vocabulary(string file, JsonElement root)
    {
        var vocabulary = new Dictionary<string, int>();
        foreach (var entry in root.EnumerateObject())
        {
            vocabulary[entry.Name] = entry.Value.ValueKind == JsonValueKind.Number && entry.Value.TryGetInt32(out var id)
                ? id : throw new ModelException($"{file}: \"{entry.Name}\" has no whole number.");
        }
        return vocabulary;
    }

    private int Required(string file, string token) => Id(token)
        ?? throw new ModelException($"{file}: has no entry \"{token}\"; a byte-level vocabulary has all 256 bytes.");

    // GPT-2's table: printable bytes stand for themselves, the rest are numbered from U+0100.
    private static IEnumerable<(int Value, char Character)> Alphabet()
    {
        var free = 256;
        for (var b = 0; b < 256; b++)
        {
            var printable = b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            yield return (b, printable ? (char)b : (char)free++);
        }
    }
}
