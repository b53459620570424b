using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using MoDM.Api;
using Yarp.ReverseProxy.Forwarder;

namespace MoDM.Gateway.Forwarding;

/// <summary>
/// Sends one image's job to one worker through YARP's forwarder, and reads the stream of events that comes back.
/// The client's own request is not forwarded as it is: its n images may go to n workers, each with its own body.
/// </summary>
internal sealed class WorkerForwarder(IHttpForwarder forwarder, HttpMessageInvoker http, Func<TimeSpan> silence)
{
    /// <param name="outward">To servers of others, through a proxy where the environment names one.</param>
    public static HttpMessageInvoker Connections(bool outward = false) => new(new SocketsHttpHandler
    {
        UseProxy = outward,
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        // A stream that is left early is cut off: to drain it (2 s by default) would let the worker draw on (complaint 21).
        ResponseDrainTimeout = TimeSpan.Zero,
    });

    /// <param name="onEvent">Gets progress and previews while the worker draws.</param>
    /// <exception cref="OperationCanceledException">The client went away; the worker stops at its next step.</exception>
    public async Task<WorkerAnswer> DrawAsync(
        Uri worker, WorkerJob job, Func<ImageEvent, ValueTask> onEvent, CancellationToken cancel)
    {
        var (body, contentType) = job.ToBody();
        var context = new DefaultHttpContext { RequestAborted = cancel };
        context.Request.Method = HttpMethods.Post;
        context.Request.Protocol = HttpProtocol.Http11;
        context.Request.Path = job.Path;
        context.Request.ContentType = contentType;
        context.Request.ContentLength = body.Length;
        if (job.InBackground) context.Request.Headers[WorkerHeaders.Background] = "true";
        context.Request.Body = new MemoryStream(body, writable: false);

        // YARP's own default (100 s) would cut every longer generation short (complaint 12).
        var patience = silence();
        var config = new ForwarderRequestConfig { ActivityTimeout = patience, Version = HttpVersion.Version11 };
        var exchange = new Exchange(onEvent, patience, cancel);
        var error = await forwarder.SendAsync(context, worker.ToString(), http, config, exchange, cancel);
        cancel.ThrowIfCancellationRequested();
        return exchange.Answer ?? new WorkerAnswer(WasNotReached(context) ? WorkerOutcome.Absent
            : error is ForwarderError.RequestTimedOut ? WorkerOutcome.Silent : WorkerOutcome.Lost);
    }

    /// <summary>Refused, unknown, or no connection within the connections' own limit: that one has a TimeoutException inside.</summary>
    private static bool WasNotReached(HttpContext context) => context.Features.Get<IForwarderErrorFeature>()?.Exception
        is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError }
        or OperationCanceledException { InnerException: TimeoutException };

    /// <summary>Takes the worker's response over from YARP, which would copy it to the client.</summary>
    private sealed class Exchange(Func<ImageEvent, ValueTask> onEvent, TimeSpan silence, CancellationToken cancel)
        : HttpTransformer
    {
        public WorkerAnswer? Answer { get; private set; }

        public override async ValueTask<bool> TransformResponseAsync(
            HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
        {
            if (proxyResponse is null) return false;
            // Not YARP's token: that one runs out although events keep coming.
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            patience.CancelAfter(silence);
            try
            {
                Answer = proxyResponse.IsSuccessStatusCode
                    ? await ReadEventsAsync(proxyResponse, patience)
                    : await ReadErrorAsync(proxyResponse, patience.Token);
            }
            catch (OperationCanceledException)
            {
                Answer = new WorkerAnswer(WorkerOutcome.Silent);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                Answer = new WorkerAnswer(WorkerOutcome.Lost);
            }
            catch (Exception e) when (e is JsonException or FormatException)
            {
                Answer = Refused(ApiError.Upstream($"The worker's answer cannot be read: {e.Message}"), 502);
            }
            return false;
        }

        private async Task<WorkerAnswer> ReadEventsAsync(HttpResponseMessage response, CancellationTokenSource patience)
        {
            await using var stream = await response.Content.ReadAsStreamAsync(patience.Token);
            WorkerAnswer? answer = null;
            await foreach (var item in SseParser.Create(stream, Parse).EnumerateAsync(patience.Token))
            {
                patience.CancelAfter(silence);
                switch (item.EventType)
                {
                    case ImageEvents.CompletedGeneration or ImageEvents.CompletedEdit:
                        answer = Completed(item.Data.Event!);
                        break; // The stream is read to its end, so that the connection can be used again.
                    case ImageEvents.Error:
                        return Refused(item.Data.Error?.Error, StatusCodes.Status502BadGateway);
                    case ImageEvents.Progress or ImageEvents.PartialGeneration or ImageEvents.PartialEdit:
                        await onEvent(item.Data.Event!);
                        break;
                }
            }
            // A stream that ends without its last event: the worker died while it drew.
            return answer ?? new WorkerAnswer(WorkerOutcome.Lost);
        }

        private static async Task<WorkerAnswer> ReadErrorAsync(HttpResponseMessage response, CancellationToken cancel)
        {
            if (response.StatusCode == HttpStatusCode.ServiceUnavailable)
                return new WorkerAnswer(response.Headers.Contains("x-modm-busy") ? WorkerOutcome.Busy : WorkerOutcome.Absent);
            var body = await response.Content.ReadAsByteArrayAsync(cancel);
            return Refused(JsonSerializer.Deserialize(body, ApiJson.Default.ApiErrorBody)?.Error, (int)response.StatusCode);
        }

        private static (ImageEvent? Event, ApiErrorBody? Error) Parse(string name, ReadOnlySpan<byte> data) => name switch
        {
            ImageEvents.Error => (null, JsonSerializer.Deserialize(data, ApiJson.Default.ApiErrorBody)),
            _ => (JsonSerializer.Deserialize(data, ApiJson.Default.ImageEvent), null),
        };

        private static WorkerAnswer Completed(ImageEvent e) => e.B64Json is { Length: > 0 } picture
            ? new WorkerAnswer(WorkerOutcome.Completed) { Image = picture, Part = e.Modm?.Images is [var part, ..] ? part : null }
            : Refused(ApiError.Upstream("The worker finished without a picture."), StatusCodes.Status502BadGateway);

        private static WorkerAnswer Refused(ApiError? error, int status) => new(WorkerOutcome.Refused)
        {
            Error = error is null
                ? ApiError.Upstream($"The worker answered {status} without a reason.") : error with { Status = status },
        };
    }
}
