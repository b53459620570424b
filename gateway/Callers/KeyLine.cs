using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace MoDM.Gateway.Callers;

/// <summary>One key as its file has it, and nobody's secret: a line of JSON.</summary>
/// <param name="Sha256">
/// Of the key, 64 hexadecimal digits. Slow hashes protect passwords, which can be guessed; a key is 256 random bits, so a fast
/// one gives nothing away and costs nothing on each request.
/// </param>
/// <param name="Rate">Images a minute; null: as many as there is room for.</param>
/// <param name="Burst">Images at once; a minute's worth when it is not said.</param>
internal sealed partial record KeyLine(string Name, string Tenant, string Sha256, double? Rate, int? Burst, double Weight, bool Admin)
{
    public const double LeastWeight = 0.01, MostWeight = 100, MostRate = 1_000_000;
    public const int MostBurst = 1_000_000;
    public const string NameRule = "1 to 63 letters, digits, dots, underscores and hyphens";
    private static readonly string[] Fields = ["name", "tenant", "sha256", "rate", "burst", "weight", "admin"];

    [JsonIgnore]
    public int BurstInForce => Burst ?? Math.Max(1, (int)Math.Ceiling(Rate ?? 1));

    public static bool IsName(string text) => NamePattern().IsMatch(text);

    public string ToJson() => JsonSerializer.Serialize(this, KeyJson.Default.KeyLine);

    /// <summary>What is wrong is told without what is there: it might be a key.</summary>
    public static (KeyLine? Line, IReadOnlyList<string> Problems) Read(string text)
    {
        JsonElement json;
        try
        {
            json = JsonElement.Parse(text);
        }
        catch (JsonException)
        {
            return (null, ["is not a JSON object"]);
        }
        if (json.ValueKind != JsonValueKind.Object) return (null, ["is not a JSON object"]);
        var problems = new List<string>();
        if (json.EnumerateObject().Any(p => !Fields.Contains(p.Name)))
            problems.Add($"has a field that is not known here; there are {string.Join(", ", Fields)}");
        var name = Text("name", IsName, NameRule);
        var tenant = Text("tenant", IsName, NameRule);
        var sha256 = Text("sha256", t => HashPattern().IsMatch(t), "64 hexadecimal digits");
        var rate = Number("rate", 0.001, MostRate);
        var burst = Number("burst", 1, MostBurst);
        if (burst is { } b && b != Math.Floor(b)) problems.Add("burst has to be a whole number");
        if (burst is not null && Has("rate") is null) problems.Add("burst goes with a rate");
        var weight = Number("weight", LeastWeight, MostWeight) ?? 1;
        if (Has("admin") is { } admin && admin.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) problems.Add("admin has to be true or false");
        return problems.Count > 0 ? (null, problems)
            : (new KeyLine(name!, tenant!, sha256!.ToLowerInvariant(), rate, (int?)burst, weight, Has("admin") is { ValueKind: JsonValueKind.True }), []);

        JsonElement? Has(string field) => json.TryGetProperty(field, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

        string? Text(string field, Func<string, bool> isRight, string rule)
        {
            if (Has(field) is { ValueKind: JsonValueKind.String } value && value.GetString() is { } said && isRight(said)) return said;
            problems.Add($"{field} has to be {rule}");
            return null;
        }

        double? Number(string field, double min, double max)
        {
            if (Has(field) is not { } value) return null;
            if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= min && number <= max) return number;
            problems.Add(FormattableString.Invariant($"{field} has to be a number from {min} to {max}"));
            return null;
        }
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\\z")]
    private static partial Regex NamePattern();

    [GeneratedRegex("^[0-9A-Fa-f]{64}\\z")]
    private static partial Regex HashPattern();
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(KeyLine))]
internal sealed partial class KeyJson : JsonSerializerContext;
