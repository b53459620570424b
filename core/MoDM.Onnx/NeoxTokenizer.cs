using System.Text;
using System.Text.Json;

namespace MoDM.Onnx;

/// <summary>
/// GPT-NeoX's tokenizer (Black et al. 2022) from a <c>tokenizer.json</c>, as the tokenizers library runs it: added tokens are cut
/// out, the rest is brought to NFC, gets a space in front where the file wants one, is split by GPT-2's pattern and encoded
/// by byte pairs. No begin token is added. Safe for concurrent use.
/// </summary>
public sealed class NeoxTokenizer
{
    private static readonly string[] Contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    private readonly BytePairs _pairs;
    private readonly AddedToken[] _raw, _normalized;
    private readonly HashSet<int> _special;
    private readonly bool _prefixSpace;
    private readonly byte[]?[] _bytes;

    private NeoxTokenizer(BytePairs pairs, AddedToken[] added, bool prefixSpace)
    {
        (_pairs, _prefixSpace) = (pairs, prefixSpace);
        (_raw, _normalized) = ([.. added.Where(a => !a.Normalized)], [.. added.Where(a => a.Normalized)]);
        _special = [.. added.Where(a => a.Special).Select(a => a.Id)];
        _bytes = new byte[]?[Math.Max(pairs.Count, added.Select(a => a.Id + 1).DefaultIfEmpty().Max())];
        for (var id = 0; id < _bytes.Length; id++)
            _bytes[id] = pairs.Bytes(id);
        foreach (var token in added)
            _bytes[token.Id] = Encoding.UTF8.GetBytes(token.Text);
    }

    /// <summary>Ids are below it; a model may have more, which stand for nothing.</summary>
    public int Count => _bytes.Length;

    /// <exception cref="ModelException">The file is missing, or of another kind of tokenizer.</exception>
    public static NeoxTokenizer Load(string folder)
    {
        var file = Path.Combine(folder, "tokenizer.json");
        var root = JsonFile.Read(file);
        Require(file, "normalizer", Part(root, "normalizer"), "NFC");
        RequireNothingAdded(file, Part(root, "post_processor"));
        Require(file, "decoder", Part(root, "decoder"), "ByteLevel");
        var splitting = Part(root, "pre_tokenizer");
        Require(file, "pre_tokenizer", splitting, "ByteLevel");
        if (splitting.TryGetProperty("use_regex", out var regex) && regex.ValueKind == JsonValueKind.False)
            throw new ModelException($"{file}: pre_tokenizer.use_regex is false; only GPT-2's pattern is supported.");
        var model = Part(root, "model");
        Require(file, "model", model, "BPE");
        foreach (var name in new[] { "byte_fallback", "ignore_merges" })
        {
            if (model.TryGetProperty(name, out var flag) && flag.ValueKind == JsonValueKind.True)
                throw new ModelException($"{file}: model.{name} is true; only false is supported.");
        }
        var prefix = splitting.TryGetProperty("add_prefix_space", out var space) && space.ValueKind == JsonValueKind.True;
        return new NeoxTokenizer(
            BytePairs.Read(file, model), AddedToken.Read(file, root, UnicodeNfc.Normalize), prefix);
    }

    public int[] Encode(string text)
    {
        var ids = new List<int>();
        foreach (var (raw, token) in AddedToken.Split(text, _raw))
        {
            if (token is { } id)
            {
                ids.Add(id);
                continue;
            }
            foreach (var (piece, inner) in AddedToken.Split(UnicodeNfc.Normalize(raw), _normalized))
            {
                if (inner is { } innerId)
                    ids.Add(innerId);
                else
                    AddWords(_prefixSpace && piece[0] != ' ' ? " " + piece : piece, ids);
            }
        }
        return [.. ids];
    }

    /// <summary>The token of a text that is one token, such as the end of a text; null when it is none.</summary>
    public int? Id(string token) => Array.Find([.. _raw, .. _normalized], a => a.Text == token)?.Id ?? _pairs.Id(token);

    /// <summary>Whether a token marks something and is no text.</summary>
    public bool IsSpecial(int id) => _special.Contains(id);

    /// <summary>A token's bytes, which may be part of a character only; none for an id that the vocabulary lacks.</summary>
    public ReadOnlySpan<byte> Bytes(int id) => id >= 0 && id < _bytes.Length ? _bytes[id] : default;

    /// <summary>The text of tokens; bytes that are no UTF-8 become U+FFFD.</summary>
    public string Decode(IEnumerable<int> ids, bool skipSpecial = false)
    {
        using var bytes = new MemoryStream();
        foreach (var id in ids)
        {
            if (!skipSpecial || !IsSpecial(id))
                bytes.Write(Bytes(id));
        }
        return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

    // GPT-2's pattern, over code points (.NET's regex sees UTF-16 halves):
    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
    private void AddWords(string text, List<int> into)
    {
        for (var i = 0; i < text.Length;)
        {
            var length = WordLength(text, i);
            _pairs.Encode(text.AsSpan(i, length), into);
            i += length;
        }
    }

    private static int WordLength(string text, int from)
    {
        foreach (var contraction in Contractions)
        {
            if (text.AsSpan(from).StartsWith(contraction, StringComparison.Ordinal))
                return contraction.Length;
        }
        var at = from;
        var kind = CharacterKind.Of(text, at, out var length);
        // One blank belongs to the word after it.
        if (text[at] == ' ' && at + 1 < text.Length && CharacterKind.Of(text, at + 1, out var after) is not 'Z' and var next)
            (kind, at, length) = (next, at + 1, after);
        var last = at;
        at += length;
        while (at < text.Length && CharacterKind.Of(text, at, out length) == kind)
        {
            last = at;
            at += length;
        }
        // White space before a word leaves its last character to that word, or to stand alone.
        return (kind == 'Z' && at < text.Length && last > from ? last : at) - from;
    }

    private static JsonElement Part(JsonElement root, string name) => root.TryGetProperty(name, out var part) ? part : default;

    private static string Type(JsonElement part) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var type) ? type.ToString() : "missing";

    private static void Require(string file, string name, JsonElement part, string type)
    {
        if (Type(part) is var found && found != type)
            throw new ModelException($"{file}: {name} is {found}; supported is {type}, as GPT-NeoX has it.");
    }

    /// <summary>ByteLevel moves offsets only; transformers saves a template of the text alone where no token is to be added.</summary>
    private static void RequireNothingAdded(string file, JsonElement part)
    {
        if (part.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null || Type(part) == "ByteLevel")
            return;
        if (Type(part) == "Sequence" && Part(part, "processors") is { ValueKind: JsonValueKind.Array } inner)
        {
            foreach (var one in inner.EnumerateArray())
                RequireNothingAdded(file, one);
            return;
        }
        if (Type(part) != "TemplateProcessing" || Part(part, "single") is not { ValueKind: JsonValueKind.Array } single)
            throw new ModelException($"{file}: post_processor is {Type(part)}; supported are ByteLevel and a template of the text alone, as GPT-NeoX has them.");
        var pieces = single.EnumerateArray().Select(PieceName).ToList();
        if (pieces is not ["A"])
            throw new ModelException($"{file}: post_processor.single is {string.Join(' ', pieces)}; only A, the text without tokens around it, is supported.");
    }

    /// <summary>Of a template: {"Sequence": {"id": "A"}} or {"SpecialToken": {"id": "[CLS]"}}.</summary>
    private static string PieceName(JsonElement piece)
    {
        if (piece.ValueKind != JsonValueKind.Object) return piece.ToString();
        var kind = piece.EnumerateObject().FirstOrDefault();
        var id = kind.Value.ValueKind == JsonValueKind.Object ? Part(kind.Value, "id").ToString() : "";
        return kind.Name == "Sequence" ? id : $"{kind.Name} {id}";
    }
}
