using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using MoDM.Api;

namespace MoDM.Gateway.Images;

/// <summary>
/// Server-sent events to one client, from several images at once. Live state goes out as comments, which every parser
/// skips, so that a client of OpenAI's API sees only events that it knows.
/// </summary>
internal sealed class EventStream(HttpResponse response) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);

    public void Begin()
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
    }

    public Task SendAsync(ImageEvent data, CancellationToken cancel) =>
        WriteAsync($"event: {data.Type}\ndata: {Json(data, ApiJson.Default.ImageEvent)}\n\n", cancel);

    public Task SendAsync(ApiError error, CancellationToken cancel) =>
        WriteAsync($"event: {ImageEvents.Error}\ndata: {Json(new ApiErrorBody(error), ApiJson.Default.ApiErrorBody)}\n\n", cancel);

    public Task SendAsync(LiveState state, CancellationToken cancel) =>
        WriteAsync($": modm {Json(state, LiveJson.Default.LiveState)}\n\n", cancel);

    public Task HeartbeatAsync(CancellationToken cancel) => WriteAsync(": heartbeat\n\n", cancel);

    public void Dispose() => _turn.Dispose();

    private async Task WriteAsync(string text, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            await response.WriteAsync(text, Encoding.UTF8, cancel);
            await response.Body.FlushAsync(cancel);
        }
        finally
        {
            _turn.Release();
        }
    }

    private static string Json<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.Serialize(value, type);
}

/// <summary>Where an image is: that many before it in the queue, or at this step of its drawing; and how long it will take.</summary>
internal sealed record LiveState(int Index)
{
    public int? Queued { get; init; }
    public int? Step { get; init; }
    public int? Steps { get; init; }
    public string? Model { get; init; }

    /// <summary>Seconds until the image; while it waits with a band that four of five fall into. Absent when not known.</summary>
    public double? EtaSeconds { get; init; }
    public double? EtaLow { get; init; }
    public double? EtaHigh { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LiveState))]
internal sealed partial class LiveJson : JsonSerializerContext;
