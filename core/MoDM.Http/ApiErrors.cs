using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using MoDM.Api;

namespace MoDM.Http;

/// <summary>Every failure in the shape that OpenAI clients read, also those of routing, Kestrel and bugs.</summary>
public static partial class ApiErrors
{
    /// <param name="routes">What there is, for whoever asks for something else.</param>
    public static void UseApiErrors(this WebApplication app, string routes)
    {
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
            {
                // The client has gone; nobody reads an answer. A stream has its status already.
                if (!context.Response.HasStarted)
                    context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return;
            }
            catch (BadHttpRequestException e)
            {
                await WriteAsync(context, e.StatusCode == StatusCodes.Status413PayloadTooLarge
                    ? ApiError.TooLarge("The body is too large.")
                    : new ApiError(e.StatusCode, e.Message, "invalid_request_error", null, "bad_request"));
                return;
            }
            catch (Exception e)
            {
                Log.Failed(app.Logger, context.Request.Method, context.Request.Path, e);
                await WriteAsync(context, Failure(e));
                return;
            }
            if (!context.Response.HasStarted && context.Response.ContentLength is null && OfStatus(context, routes) is { } error)
                await WriteAsync(context, error);
        });
        // Explicit, so that it runs inside the handler above.
        app.UseRouting();
    }

    public static ApiError Failure(Exception e) => new(500, $"The server failed: {e.Message}", "server_error", null, "internal_error");

    public static ApiError WrongContentType(HttpRequest request) => new(
        StatusCodes.Status415UnsupportedMediaType,
        $"The content type is {(string.IsNullOrEmpty(request.ContentType) ? "missing" : request.ContentType)}; "
        + (request.Path.StartsWithSegments("/v1/images", StringComparison.Ordinal)
            ? "send application/json to /v1/images/generations, multipart/form-data to /v1/images/edits."
            : "send application/json."),
        "invalid_request_error", null, "unsupported_media_type");

    public static IResult Result(ApiError error) => new ErrorResult(error);

    public static async Task WriteAsync(HttpContext context, ApiError error)
    {
        if (context.Response.HasStarted)
        {
            // An answer cut short must not look complete.
            context.Abort();
            return;
        }
        context.Response.StatusCode = error.Status;
        if (error.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        await context.Response.WriteAsJsonAsync(
            new ApiErrorBody(error), ApiJson.Default.ApiErrorBody, cancellationToken: context.RequestAborted);
    }

    // What routing answers with a bare status.
    private static ApiError? OfStatus(HttpContext context, string routes) => context.Response.StatusCode switch
    {
        404 => ApiError.NotFound($"There is no {context.Request.Method} {context.Request.Path}; {routes}.", null, "not_found"),
        405 => new ApiError(
            405, $"{context.Request.Path} does not take {context.Request.Method}.", "invalid_request_error", null, "method_not_allowed"),
        415 => WrongContentType(context.Request),
        _ => null,
    };

    private sealed class ErrorResult(ApiError error) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) => WriteAsync(httpContext, error);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "{Method} {Path} failed")]
        public static partial void Failed(ILogger logger, string method, string path, Exception e);
    }
}
