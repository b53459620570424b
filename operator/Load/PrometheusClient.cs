using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;

namespace MoDM.Operator.Load;

/// <summary>The query part of Prometheus' HTTP API. It returns what it got or why it got nothing, and never throws for that.</summary>
internal sealed class PrometheusClient(HttpMessageInvoker http, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(10);

    /// <summary>Queries that an address leaves without an answer, one after the other, before it counts as silent.</summary>
    private const int Patience = 2;

    /// <summary>Of a silent address all are told at once, and one asks now and then: each that waits keeps others from being looked at.</summary>
    private readonly ConcurrentDictionary<string, (int Times, long Since, string Why)> _unanswered = new();

    public static PrometheusClient Create(TimeProvider time) => new(new HttpMessageInvoker(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        ConnectTimeout = AnswerWithin,
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2),
    }), time);

    /// <param name="query">An instant query; a selector with a range gives each series' points.</param>
    /// <returns>The series, and Prometheus' own time.</returns>
    public async Task<Reading<(IReadOnlyList<Series> Series, double Now)>> QueryAsync(string prometheus, string query, CancellationToken cancel)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timeout.CancelAfter(AnswerWithin);
        var address = $"{prometheus.TrimEnd('/')}/api/v1/query";
        if (_unanswered.TryGetValue(address, out var silent) && silent.Times >= Patience
            && (time.GetElapsedTime(silent.Since) < AskAgainAfter || !_unanswered.TryUpdate(address, silent with { Since = time.GetTimestamp() }, silent)))
            return Unknown(silent.Why);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, address)
            {
                Content = new FormUrlEncodedContent([KeyValuePair.Create("query", query)]),
            };
            using var response = await http.SendAsync(request, timeout.Token);
            _unanswered.TryRemove(address, out _);
            if (!response.IsSuccessStatusCode) return Unknown($"{address} answered {(int)response.StatusCode}");
            await using var body = await response.Content.ReadAsStreamAsync(timeout.Token);
            using var json = await JsonDocument.ParseAsync(body, default, timeout.Token);
            var now = (response.Headers.Date ?? time.GetUtcNow()).ToUnixTimeMilliseconds() / 1000.0;
            return new Reading<(IReadOnlyList<Series>, double)>.Known((Read(json.RootElement), now));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            var why = $"{address} did not answer within {AnswerWithin.TotalSeconds:0} s";
            _unanswered.AddOrUpdate(address, _ => (1, time.GetTimestamp(), why), (_, before) => (before.Times + 1, time.GetTimestamp(), why));
            return Unknown(why);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return Unknown($"{address} cannot be reached: {e.Message}");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return Unknown($"{address} answered what is not Prometheus' format: {e.Message}");
        }
    }

    public void Dispose() => http.Dispose();

    private static Reading<(IReadOnlyList<Series>, double)>.Unknown Unknown(string why) => new(why);

    private static List<Series> Read(JsonElement root)
    {
        if (root.GetProperty("status").GetString() != "success")
            throw new FormatException(root.TryGetProperty("error", out var error) ? error.GetString() : "no success");
        var series = new List<Series>();
        foreach (var one in root.GetProperty("data").GetProperty("result").EnumerateArray())
        {
            var labels = one.GetProperty("metric").EnumerateObject().ToDictionary(l => l.Name, l => l.Value.GetString() ?? "");
            List<(double, double)> points = one.TryGetProperty("values", out var values)
                ? [.. values.EnumerateArray().Select(Point)] : [Point(one.GetProperty("value"))];
            if (points.Count > 0) series.Add(new Series(labels, points));
        }
        return series;
    }

    private static (double At, double Value) Point(JsonElement pair) => (pair[0].GetDouble(), Number(pair[1].GetString()!));

    private static double Number(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };
}
