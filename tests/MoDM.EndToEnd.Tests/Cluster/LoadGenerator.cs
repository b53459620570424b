using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Onnx;

namespace MoDM.EndToEnd.Tests.Cluster;

/// <summary>Asks a gateway (or a worker) for images until it is stopped, and looks at every answer.</summary>
public sealed class LoadGenerator : IAsyncDisposable
{
    private const int Pixels = 128;

    private static readonly string[] Subjects = ["lighthouse", "sailing boat", "mountain", "house", "tree", "castle", "balloon", "cactus"];
    private static readonly string[] Times = ["at dawn", "at noon", "at sunset", "at night", "in winter", "in the rain"];
    private static readonly string[] Styles = ["", "a watercolour of ", "a postcard of ", "a drawing of "];

    private readonly HttpClient _http;
    private readonly Func<int, JsonObject> _request;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _failures = [];
    private readonly List<double> _seconds = [];
    private readonly Task _running;
    private int _next = -1, _inFlight;

    private LoadGenerator(Uri address, Func<int, JsonObject>? request, Func<LoadGenerator, Task> run)
    {
        // Short-lived connections, as many clients have: otherwise all of them would stay with one pod.
        _http = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(5) })
        {
            BaseAddress = address,
            Timeout = TimeSpan.FromMinutes(5),
        };
        _request = request ?? Postcard;
        _running = run(this);
    }

    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>What has been answered so far.</summary>
    public LoadResult Result
    {
        get
        {
            lock (_lock) return new LoadResult(_seconds.Count, new Dictionary<string, int>(_failures), [.. _seconds.Order()]);
        }
    }

    /// <summary>So many clients, each with its next request as soon as it has an answer.</summary>
    /// <param name="request">The body of the n-th request; null: a postcard of 192 different ones, each with another seed.</param>
    public static LoadGenerator Closed(Uri address, int clients, Func<int, JsonObject>? request = null) =>
        new(address, request, load => Task.WhenAll(Enumerable.Range(0, clients).Select(_ => load.ClientAsync())));

    /// <summary>So many requests a second, whether or not there are answers.</summary>
    public static LoadGenerator Open(Uri address, double perSecond, Func<int, JsonObject>? request = null) =>
        new(address, request, load => load.ArrivalsAsync(perSecond));

    /// <summary>No more requests; waits for the answers that are due.</summary>
    public async Task<LoadResult> StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
        return Result;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _http.CancelPendingRequests();
        await _running;
        _http.Dispose();
        _stop.Dispose();
    }

    public static JsonObject Postcard(int n) => new()
    {
        ["prompt"] = $"{Styles[n / 48 % 4]}{Subjects[n % 8]} {Times[n / 8 % 6]}",
        ["n"] = 1,
        ["seed"] = n,
    };

    private async Task ClientAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            if (!await AskAsync()) await PauseAsync(TimeSpan.FromMilliseconds(200));
        }
    }

    private async Task ArrivalsAsync(double perSecond)
    {
        var start = Stopwatch.GetTimestamp();
        var asked = new List<Task>();
        while (!_stop.IsCancellationRequested)
        {
            asked.Add(AskAsync());
            await PauseAsync(TimeSpan.FromSeconds(asked.Count / perSecond) - Stopwatch.GetElapsedTime(start));
        }
        await Task.WhenAll(asked);
    }

    private async Task<bool> AskAsync()
    {
        var start = Stopwatch.GetTimestamp();
        Interlocked.Increment(ref _inFlight);
        string? failure;
        try
        {
            failure = await TryAsync(_request(Interlocked.Increment(ref _next)));
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            failure = $"{e.GetType().Name}: {e.InnerException?.Message ?? e.Message}";
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
        lock (_lock)
        {
            if (failure is null) _seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            else _failures[failure] = _failures.GetValueOrDefault(failure) + 1;
        }
        return failure is null;
    }

    private async Task<string?> TryAsync(JsonObject request)
    {
        using var answer = await _http.PostAsJsonAsync("/v1/images/generations", request);
        var text = await answer.Content.ReadAsStringAsync();
        if (!answer.IsSuccessStatusCode) return $"{(int)answer.StatusCode}: {text}";
        try
        {
            var images = JsonNode.Parse(text)!["data"]!.AsArray();
            if (images.Count != ((int?)request["n"] ?? 1)) return $"200: {images.Count} images";
            for (var i = 0; i < images.Count; i++)
            {
                // As the worker says that it drew: nobody gets another one's.
                if ((int?)request["seed"] + i is { } seed && (long?)images[i]!["seed"] != seed) return $"200: {images[i]!["seed"]} is not the seed {seed}";
                var pixels = RgbImage.Decode(Convert.FromBase64String((string)images[i]!["b64_json"]!));
                if (pixels.Width != Pixels || pixels.Height != Pixels) return $"200: {pixels.Width} x {pixels.Height} pixels";
            }
            return null;
        }
        catch (Exception e) when (e is not HttpRequestException)
        {
            return $"200, but no image: {e.Message}";
        }
    }

    private async Task PauseAsync(TimeSpan time)
    {
        if (time > TimeSpan.Zero) await Task.Delay(time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}

/// <summary>What came of a load.</summary>
/// <param name="Failures">How often, by status and text.</param>
/// <param name="Seconds">How long the good answers took, in order of size.</param>
public sealed record LoadResult(int Succeeded, IReadOnlyDictionary<string, int> Failures, IReadOnlyList<double> Seconds)
{
    public int Failed => Failures.Values.Sum();

    /// <summary>NaN when nothing succeeded.</summary>
    public double Percentile(double percent) =>
        Seconds.Count == 0 ? double.NaN : Seconds[Math.Clamp((int)Math.Ceiling(percent / 100 * Seconds.Count) - 1, 0, Seconds.Count - 1)];

    public override string ToString() =>
        $"{Succeeded} images, median {Percentile(50):F2} s, 95 % within {Percentile(95):F2} s; {Failed} failures"
        + string.Concat(Failures.Select(f => $"\n  {f.Value} x {f.Key}"));
}
