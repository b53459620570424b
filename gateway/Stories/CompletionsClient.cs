using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using MoDM.Api;
using MoDM.Gateway.Forwarding;

namespace MoDM.Gateway.Stories;

/// <summary>One text to be written by whoever speaks OpenAI's API: a worker of ours or somebody else's model.</summary>
/// <param name="Path">Of the API, such as <c>/v1/completions</c>, below <paramref name="Server"/>.</param>
/// <param name="Key">Sent as a bearer token, and said nowhere.</param>
/// <param name="FirstWithin">How long it may say nothing until its first words.</param>
/// <param name="NextWithin">And between two of them.</param>
/// <param name="AllWithin">And how long it may take for everything.</param>
internal sealed record TextCall(
    Uri Server, string Path, byte[] Body, string? Key, TimeSpan FirstWithin, TimeSpan NextWithin, TimeSpan AllWithin);

/// <summary>How a call ended. What it wrote until then has been handed on.</summary>
internal sealed record TextResult(WorkerOutcome Outcome)
{
    /// <summary><c>stop</c>, <c>length</c> or <c>content_filter</c>, of a completed text.</summary>
    public string FinishReason { get; init; } = "";

    /// <summary>Null where the server does not count.</summary>
    public TokenUsage? Usage { get; init; }

    /// <summary>Of the server's own answer, when it refused.</summary>
    public int Status { get; init; }

    /// <summary>The server's own error, when it sent one as OpenAI has it and it is about the request.</summary>
    public ApiError? Error { get; init; }

    /// <summary>What went wrong, as part of a sentence about the server; without the key.</summary>
    public string Why { get; init; } = "";
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>A streaming client of OpenAI's Completions and Chat Completions APIs. It throws for nothing but a client that left.</summary>
internal sealed class CompletionsClient(HttpMessageInvoker http)
{
    private const int LongestReason = 300;

    /// <summary>For the usage, and the end of the stream, after a text that is complete.</summary>
    private static readonly TimeSpan EndWithin = TimeSpan.FromSeconds(1);

    /// <param name="onText">Gets each piece as it comes, and says whether more is wanted.</param>
    /// <exception cref="OperationCanceledException">The client went away.</exception>
    public async Task<TextResult> WriteAsync(TextCall call, Func<string, ValueTask<bool>> onText, CancellationToken cancel)
    {
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        all.CancelAfter(call.AllWithin);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(all.Token);
        patience.CancelAfter(call.FirstWithin);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"{call.Server.ToString().TrimEnd('/')}{call.Path}"))
            {
                Content = new ByteArrayContent(call.Body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
            };
            request.Headers.Accept.ParseAdd("text/event-stream");
            if (call.Key is { } key) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var response = await http.SendAsync(request, patience.Token);
            return response.IsSuccessStatusCode
                ? await ReadTextAsync(response, call, onText, patience) : await ReadRefusalAsync(response, call, patience.Token);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            if (e.InnerException is TimeoutException) return new TextResult(WorkerOutcome.Absent) { Why = "cannot be reached (no connection in time)" };
            return new TextResult(WorkerOutcome.Silent)
            {
                Why = all.IsCancellationRequested ? $"was not done within {Seconds(call.AllWithin)}" : $"said nothing for {Seconds(call.FirstWithin)}",
            };
        }
        catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
            or HttpRequestError.SecureConnectionError)
        {
            return new TextResult(WorkerOutcome.Absent) { Why = $"cannot be reached ({e.HttpRequestError})" };
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            cancel.ThrowIfCancellationRequested();
            return new TextResult(WorkerOutcome.Lost) { Why = "broke off the connection" };
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or KeyNotFoundException)
        {
            return new TextResult(WorkerOutcome.Refused) { Status = 502, Why = "answered what is not OpenAI's format" };
        }
    }

    private static async Task<TextResult> ReadTextAsync(
        HttpResponseMessage response, TextCall call, Func<string, ValueTask<bool>> onText, CancellationTokenSource patience)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(patience.Token);
        var (reason, usage) = ("", default(TokenUsage));
        try
        {
            await foreach (var item in SseParser.Create(stream).EnumerateAsync(patience.Token))
            {
                if (item.Data == "[DONE]") break;
                patience.CancelAfter(reason.Length == 0 || call.NextWithin < EndWithin ? call.NextWithin : EndWithin);
                using var json = JsonDocument.Parse(item.Data);
                var root = json.RootElement;
                usage = UsageOf(root) ?? usage;
                if (reason.Length > 0) continue;
                if (root.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object)
                    return new TextResult(WorkerOutcome.Refused) { Status = 502, Why = $"failed: {Message(error, call.Key)}" };
                if (!root.TryGetProperty("choices", out var choices) || choices.GetArrayLength() == 0) continue;
                if (TextOf(choices[0]) is { Length: > 0 } text && !await onText(text))
                    return new TextResult(WorkerOutcome.Completed) { FinishReason = "stop", Usage = usage };
                reason = ReasonOf(choices[0]);
                if (reason.Length > 0 && EndWithin < call.NextWithin) patience.CancelAfter(EndWithin);
            }
        }
        catch (Exception e) when (reason.Length > 0
            && e is OperationCanceledException or HttpRequestException or IOException or JsonException or InvalidOperationException)
        {
            // The text is whole: what becomes of the connection after it says nothing of it.
        }
        // A stream that ends without saying why: half of it is missing, however the connection was closed.
        return reason.Length == 0 ? new TextResult(WorkerOutcome.Lost) { Why = "ended its answer in the middle" }
            : new TextResult(WorkerOutcome.Completed) { FinishReason = reason, Usage = usage };
    }

    /// <summary>Empty as long as the text goes on.</summary>
    private static string ReasonOf(JsonElement choice) =>
        !choice.TryGetProperty("finish_reason", out var end) || end.ValueKind != JsonValueKind.String ? "" : end.GetString() switch
        {
            "" => "",
            "length" => "length",
            "content_filter" => "content_filter",
            _ => "stop",
        };

    /// <summary>Null where it is not there, or not whole.</summary>
    private static TokenUsage? UsageOf(JsonElement root) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object
        && Count(usage, "prompt_tokens") is { } prompt && Count(usage, "completion_tokens") is { } text ? new TokenUsage(prompt, text) : null;

    private static int? Count(JsonElement usage, string name) =>
        usage.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var count) && count >= 0 ? count : null;

    private static string? TextOf(JsonElement choice) =>
        choice.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String ? text.GetString()
        : choice.TryGetProperty("delta", out var delta) && delta.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String
            ? content.GetString() : null;

    private static async Task<TextResult> ReadRefusalAsync(HttpResponseMessage response, TextCall call, CancellationToken cancel)
    {
        var status = (int)response.StatusCode;
        var busy = response.Headers.Contains("x-modm-busy");
        var (said, own) = ("", default(ApiError));
        try
        {
            var body = await response.Content.ReadAsByteArrayAsync(cancel);
            using var json = JsonDocument.Parse(body);
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("error", out var error))
            {
                // Of a key that is refused or used up, OpenAI's messages quote parts, and name whose it is.
                var ofTheKey = status is 401 or 403 or 429;
                said = ofTheKey ? Field(error, "code", call.Key) ?? "" : Message(error, call.Key);
                if (!ofTheKey)
                {
                    own = new ApiError(status, said, status < 500 ? "invalid_request_error" : "server_error",
                        Field(error, "param", call.Key), Field(error, "code", call.Key));
                }
            }
        }
        catch (JsonException)
        {
            // The status has to do.
        }
        return new TextResult(busy ? WorkerOutcome.Busy : response.StatusCode == HttpStatusCode.ServiceUnavailable ? WorkerOutcome.Absent : WorkerOutcome.Refused)
        {
            Status = status,
            Error = own,
            Why = said.Length > 0 ? $"answered {status}: {said}" : $"answered {status}",
            RetryAfter = response.Headers.RetryAfter?.Delta,
        };
    }

    private static string? Field(JsonElement error, string name, string? key) =>
        error.ValueKind == JsonValueKind.Object && error.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? Printable(value.GetString()!, key) : null;

    /// <summary>What a server says of its failure.</summary>
    private static string Message(JsonElement error, string? key) =>
        error.ValueKind == JsonValueKind.String ? Printable(error.GetString()!, key) : Field(error, "message", key) ?? "";

    /// <summary>For logs and answers, in which a key that is quoted must not end up.</summary>
    private static string Printable(string text, string? key)
    {
        if (key is { Length: > 0 }) text = text.Replace(key, "(the key)", StringComparison.Ordinal);
        var line = new StringBuilder(text.Length);
        foreach (var c in text) line.Append(char.IsControl(c) ? ' ' : c);
        return line.Length > LongestReason ? line.ToString(0, LongestReason) : line.ToString();
    }

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s");
}
