using System.Globalization;
using System.Net.Http.Json;
using MoDM.Api;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Load;

/// <summary>Asks a gateway for images, one a request, as any client would.</summary>
/// <param name="cache">The request's <c>cache</c> field; null leaves it out.</param>
internal sealed class GatewayClient(HttpClient http, string model, string? cache)
{
    /// <summary>Failures are answers too: a benchmark counts them, it does not stop at them.</summary>
    public async Task<Answer> DrawAsync(TraceEntry entry, CancellationToken cancel)
    {
        var request = new ImageRequest
        {
            Model = model,
            Prompt = entry.Prompt,
            N = 1,
            Size = "auto",
            ResponseFormat = "b64_json",
            Seed = entry.Seed,
            Cache = cache,
        };
        try
        {
            using var response = await http.PostAsJsonAsync("/v1/images/generations", request, ApiJson.Default.ImageRequest, cancel);
            if (!response.IsSuccessStatusCode)
                return Answer.Failed($"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancel)}");
            var body = await response.Content.ReadFromJsonAsync(ApiJson.Default.ImageResponse, cancel);
            if (body is not { Data: [{ B64Json: { } image }] })
                return Answer.Failed("200 without an image in data[0].b64_json");
            response.Headers.TryGetValues("Server-Timing", out var timing);
            return new Answer(null, image, body.Modm, ServerTiming(string.Join(",", timing ?? [])));
        }
        catch (Exception e) when (e is HttpRequestException or System.Text.Json.JsonException or FormatException)
        {
            return Answer.Failed(e.Message);
        }
    }

    /// <summary><c>embed;dur=1.8, lookup;dur=0.2</c> as names and milliseconds; what has no duration is left out.</summary>
    public static IReadOnlyDictionary<string, double> ServerTiming(string header)
    {
        var result = new Dictionary<string, double>();
        foreach (var metric in header.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = metric.Split(';', StringSplitOptions.TrimEntries);
            var duration = Array.Find(parts, p => p.StartsWith("dur=", StringComparison.Ordinal));
            if (duration is not null && double.TryParse(duration[4..], NumberStyles.Float, CultureInfo.InvariantCulture, out var ms))
                result[parts[0]] = ms;
        }
        return result;
    }
}
