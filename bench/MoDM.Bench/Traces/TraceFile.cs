using System.Text.Json;

namespace MoDM.Bench.Traces;

/// <summary>A user's own trace: a JSON object a line, with <c>prompt</c> and, if it likes, <c>at</c> in seconds.</summary>
internal static class TraceFile
{
    public static (IReadOnlyList<TraceEntry> Trace, IReadOnlyList<string> Problems) Read(IEnumerable<string> lines, int seed)
    {
        var trace = new List<TraceEntry>();
        var problems = new List<string>();
        foreach (var (number, line) in lines.Index().Where(l => !string.IsNullOrWhiteSpace(l.Item)))
        {
            if (ReadLine(line) is var (prompt, at))
                trace.Add(new TraceEntry(prompt, TraceGenerator.SeedOf(seed, trace.Count), At: at));
            else
                problems.Add($"line {number + 1} is not {{\"prompt\": \"...\"}} with, optionally, \"at\": seconds.");
        }
        for (var i = 1; i < trace.Count; i++)
        {
            if (trace[i].At < trace[i - 1].At)
                problems.Add($"prompt {i + 1} is at {trace[i].At}, before the one above it; order the lines by time.");
        }
        return (trace, problems);
    }

    private static (string Prompt, double? At)? ReadLine(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("prompt", out var prompt)
                || prompt.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(prompt.GetString()))
                return null;
            if (!root.TryGetProperty("at", out var at))
                return (prompt.GetString()!, null);
            return at.ValueKind == JsonValueKind.Number && at.GetDouble() >= 0 ? (prompt.GetString()!, at.GetDouble()) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
