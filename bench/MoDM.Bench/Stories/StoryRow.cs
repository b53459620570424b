using System.Text.Json;

namespace MoDM.Bench.Stories;

/// <summary>A beginning and endings that people (or the generator of the data) gave it.</summary>
/// <param name="Ending">Of a model, when the file has it already; null: still to be written.</param>
internal sealed record StoryRow(string Prompt, IReadOnlyList<string> References, string? Ending)
{
    /// <summary>
    /// JSON lines with "prompt" and "reference" (a text or several); "ending" is a model's. Without "reference", "ending" is the
    /// reference, as data for training has it. Other fields are left alone.
    /// </summary>
    /// <exception cref="InvalidDataException">A line is none of this; it is named.</exception>
    public static IReadOnlyList<StoryRow> Read(string file)
    {
        var rows = new List<StoryRow>();
        foreach (var (line, number) in File.ReadLines(file).Select((l, i) => (l, i + 1)).Where(l => l.l.Length > 0))
        {
            try
            {
                using var json = JsonDocument.Parse(line);
                rows.Add(Of(json.RootElement));
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
            {
                throw new InvalidDataException($"{file}, line {number}: {e.Message} An object with texts \"prompt\" and \"reference\" belongs there.");
            }
        }
        return rows.Count > 0 ? rows : throw new InvalidDataException($"{file} has no lines.");
    }

    private static StoryRow Of(JsonElement row)
    {
        var (prompt, ending) = (row.GetProperty("prompt").GetString()!, row.TryGetProperty("ending", out var e) ? e.GetString() : null);
        if (string.IsNullOrWhiteSpace(prompt)) throw new KeyNotFoundException("The prompt is empty.");
        if (!row.TryGetProperty("reference", out var reference))
            return new StoryRow(prompt, [ending ?? throw new KeyNotFoundException("There is neither \"reference\" nor \"ending\".")], null);
        return new StoryRow(prompt, reference.ValueKind == JsonValueKind.Array ? [.. reference.EnumerateArray().Select(r => r.GetString()!)] : [reference.GetString()!], ending);
    }
}
