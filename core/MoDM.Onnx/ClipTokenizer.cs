using System.Text;
using System.Text.Json;

namespace MoDM.Onnx;

/// <summary>What a text encoder reads of a prompt.</summary>
/// <param name="Ids">Start token, text, end token, then padding up to the length that the model reads.</param>
/// <param name="Length">How many of <paramref name="Ids"/> are not padding.</param>
/// <param name="Total">How many tokens the whole text has, with start and end; above Ids.Length the rest was cut off.</param>
/// <param name="FirstLost">The first token that was cut off, as the vocabulary writes it; null when nothing was.</param>
public sealed record ClipTokens(int[] Ids, int Length, int Total, string? FirstLost)
{
    public bool Truncated => Total > Ids.Length;
}

/// <summary>
/// CLIP's tokenizer, as transformers' CLIPTokenizer (5.x) defines it: NFC, white space to blanks, lower case, split into
/// words, digits and signs, byte-level byte-pair encoding with <c>&lt;/w&gt;</c> at each word's end.
/// </summary>
public sealed class ClipTokenizer
{
    private static readonly string[] Contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    private readonly BytePairs _pairs;
    private readonly AddedToken[] _added;
    private readonly int _start, _end, _pad;

    private ClipTokenizer(BytePairs pairs, AddedToken[] added, int maxLength, int start, int end, int pad)
    {
        (_pairs, _added, MaxLength) = (pairs, added, maxLength);
        (_start, _end, _pad) = (start, end, pad);
    }

    /// <summary>Tokens that the model reads, start and end token included.</summary>
    public int MaxLength { get; }

    /// <summary>Reads vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json.</summary>
    /// <exception cref="ModelException">A file is missing or does not fit.</exception>
    public static ClipTokenizer Load(string folder)
    {
        var config = JsonFile.Read(Path.Combine(folder, "tokenizer_config.json"));
        var pairs = BytePairs.Load(folder);
        var names = new[] { "bos_token", "eos_token", "pad_token", "unk_token" };
        var file = Path.Combine(folder, "special_tokens_map.json");
        var special = File.Exists(file) ? JsonFile.Read(file) : config;
        var texts = Array.ConvertAll(names, n => Content(special, n) ?? Content(config, n) ?? "<|endoftext|>");
        var ids = Array.ConvertAll(texts, t => pairs.Id(t) ?? throw new ModelException(
            $"{folder}/vocab.json: has no entry for the special token \"{t}\"."));
        var max = config.TryGetProperty("model_max_length", out var m) && m.TryGetInt32(out var length) && length >= 2
            ? length
            : throw new ModelException($"{folder}/tokenizer_config.json: model_max_length is missing or below 2; CLIP has 77.");
        return new ClipTokenizer(pairs, AddedToken.Read(folder, config, texts.Zip(ids)), max, ids[0], ids[1], ids[2]);
    }

    /// <summary>False for texts so short that it needs no counting: a token is at least a character of ASCII.</summary>
    public bool MayTruncate(string text) => text.Length > MaxLength - 2 || !Ascii.IsValid(text);

    public ClipTokens Encode(string text)
    {
        var all = new List<int> { _start };
        foreach (var (raw, token) in AddedToken.Split(text, _added.Where(a => !a.Normalized)))
        {
            if (token is { } id)
            {
                all.Add(id);
                continue;
            }
            foreach (var (piece, inner) in AddedToken.Split(Normalize(raw), _added.Where(a => a.Normalized)))
            {
                if (inner is { } innerId)
                    all.Add(innerId);
                else
                    AddWords(piece, all);
            }
        }
        all.Add(_end);
        var ids = new int[MaxLength];
        Array.Fill(ids, _pad);
        var length = Math.Min(all.Count, MaxLength);
        all.CopyTo(0, ids, 0, length);
        ids[length - 1] = _end;
        return new ClipTokens(ids, length, all.Count, all.Count > MaxLength ? _pairs.Text(all[MaxLength - 1]) : null);
    }

    internal static string Normalize(string text)
    {
        text = UnicodeNfc.Normalize(text);
        var result = new StringBuilder(text.Length);
        var blank = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
            {
                if (!blank)
                    result.Append(' ');
                blank = true;
                continue;
            }
            blank = false;
            // The one character whose lower case is two: capital i with dot above (Unicode's SpecialCasing.txt).
            if (rune.Value == 0x130)
                result.Append("i\u0307");
            else
                result.Append(Rune.ToLowerInvariant(rune).ToString());
        }
        return result.ToString();
    }

    // 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ over code points; .NET's regex sees UTF-16 halves.
    private void AddWords(string text, List<int> into)
    {
        for (var i = 0; i < text.Length;)
        {
            var length = 0;
            foreach (var contraction in Contractions)
            {
                if (text.AsSpan(i).StartsWith(contraction, StringComparison.Ordinal))
                {
                    length = contraction.Length;
                    break;
                }
            }
            if (length == 0)
            {
                var kind = CharacterKind.Of(text, i, out length);
                if (kind == 'Z')
                {
                    i += length;
                    continue;
                }
                while (kind != 'N' && i + length < text.Length && CharacterKind.Of(text, i + length, out var next) == kind)
                    length += next;
            }
            _pairs.Encode(text.AsSpan(i, length), into);
            i += length;
        }
    }

    private static string? Content(JsonElement map, string name) =>
        !map.TryGetProperty(name, out var value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : value.ValueKind == JsonValueKind.Object && value.TryGetProperty("content", out var c) ? c.GetString() : null;
}
