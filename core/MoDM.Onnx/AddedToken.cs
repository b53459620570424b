using System.Globalization;
using System.Text.Json;

namespace MoDM.Onnx;

/// <summary>A token that is found in the text as it stands, before words are split.</summary>
/// <param name="Normalized">Whether it is looked for in the normalised text rather than in the raw one.</param>
internal sealed record AddedToken(string Text, int Id, bool Normalized)
{
    /// <summary>It marks something, such as a text's end, and is no part of the text.</summary>
    public bool Special { get; init; }

    /// <summary>Those of <c>added_tokens_decoder</c>, and the special tokens that it leaves out.</summary>
    public static AddedToken[] Read(string folder, JsonElement config, IEnumerable<(string Text, int Id)> special)
    {
        var result = new List<AddedToken>();
        if (config.TryGetProperty("added_tokens_decoder", out var decoder) && decoder.ValueKind == JsonValueKind.Object)
        {
            foreach (var entry in decoder.EnumerateObject())
            {
                var id = int.Parse(entry.Name, CultureInfo.InvariantCulture);
                result.Add(Entry($"{folder}/tokenizer_config.json: added_tokens_decoder.{id}", entry.Value, id, ClipTokenizer.Normalize));
            }
        }
        foreach (var (text, id) in special)
        {
            if (!result.Exists(t => t.Id == id))
                result.Add(new(ClipTokenizer.Normalize(text), id, true));
        }
        return [.. result.OrderByDescending(t => t.Text.Length)];
    }

    /// <summary>The <c>added_tokens</c> of a tokenizer.json.</summary>
    public static AddedToken[] Read(string file, JsonElement tokenizer, Func<string, string> normalize)
    {
        if (!tokenizer.TryGetProperty("added_tokens", out var list) || list.ValueKind != JsonValueKind.Array)
            return [];
        return [.. list.EnumerateArray().Select(Of).OrderByDescending(t => t.Text.Length)];

        AddedToken Of(JsonElement entry) => entry.TryGetProperty("id", out var number) && number.TryGetInt32(out var id)
            ? Entry($"{file}: added_tokens {id}", entry, id, normalize)
            : throw new ModelException($"{file}: an entry of added_tokens has no id.");
    }

    /// <summary>Cuts a text at the tokens in it, leftmost first, longest first; each piece has either text or an id.</summary>
    public static IEnumerable<(string Text, int? Id)> Split(string text, IEnumerable<AddedToken> tokens)
    {
        var list = tokens.ToArray();
        var from = 0;
        for (var i = 0; i < text.Length; i++)
        {
            var found = Array.Find(list, t => string.CompareOrdinal(text, i, t.Text, 0, t.Text.Length) == 0);
            if (found is null)
                continue;
            if (i > from)
                yield return (text[from..i], null);
            yield return (found.Text, found.Id);
            i += found.Text.Length - 1;
            from = i + 1;
        }
        if (from < text.Length)
            yield return (text[from..], null);
    }

    private static AddedToken Entry(string where, JsonElement entry, int id, Func<string, string> normalize)
    {
        foreach (var name in new[] { "lstrip", "rstrip", "single_word" })
        {
            if (Flag(entry, name))
                throw new ModelException($"{where}.{name} is true; only false is supported.");
        }
        var text = entry.GetProperty("content").GetString()!;
        var normalized = Flag(entry, "normalized");
        return new(normalized ? normalize(text) : text, id, normalized) { Special = Flag(entry, "special") };
    }

    private static bool Flag(JsonElement entry, string name) =>
        entry.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;
}
