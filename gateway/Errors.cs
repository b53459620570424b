using Microsoft.AspNetCore.Diagnostics;
using MoDM.Api;

namespace MoDM.Gateway;

/// <summary>Every error leaves in OpenAI's shape, also those that routing, Kestrel and bugs make.</summary>
internal static partial class Errors
{
    public static IResult Result(ApiError error) => new ErrorResult(error);

    public static async Task WriteAsync(HttpContext context, ApiError error)
    {
        if (context.Response.HasStarted) return;
        context.Response.StatusCode = error.Status;
        if (error.RetryAfterSeconds is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        await context.Response.WriteAsJsonAsync(new ApiErrorBody(error), ApiJson.Default.ApiErrorBody, cancellationToken: context.RequestAborted);
    }

    public static ApiError WrongContentType(HttpRequest request) => new(415,
        $"The content type is {(string.IsNullOrEmpty(request.ContentType) ? "missing" : request.ContentType)}; "
        + "send application/json to /v1/images/generations, multipart/form-data to /v1/images/edits.",
        "invalid_request_error", null, "unsupported_media_type");

    public static void UseApiErrors(this WebApplication app)
    {
        app.UseExceptionHandler(new ExceptionHandlerOptions { ExceptionHandler = OnExceptionAsync, SuppressDiagnosticsCallback = _ => true });
        app.UseStatusCodePages(async c => await WriteAsync(c.HttpContext, OfStatus(c.HttpContext)));
    }

    private static async Task OnExceptionAsync(HttpContext context)
    {
        var exception = context.Features.Get<IExceptionHandlerFeature>()?.Error;
        if (exception is OperationCanceledException && context.RequestAborted.IsCancellationRequested) return;
        if (exception is BadHttpRequestException bad)
        {
            await WriteAsync(context, bad.StatusCode == 413 ? ApiError.TooLarge("The body is too large.")
                : new ApiError(bad.StatusCode, bad.Message, "invalid_request_error", null, "bad_request"));
            return;
        }
        Log.Failed(context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("MoDM.Gateway.Errors"), exception, context.Request.Path);
        await WriteAsync(context, new ApiError(500, "The gateway failed; its log has the reason.", "server_error", null, "internal_error"));
    }

    private static ApiError OfStatus(HttpContext context) => context.Response.StatusCode switch
    {
        404 => ApiError.NotFound($"There is nothing at {context.Request.Method} {context.Request.Path}. See /openapi/v1.json.", null, "not_found"),
        415 => WrongContentType(context.Request),
        405 => new ApiError(405, $"{context.Request.Path} does not take {context.Request.Method}.", "invalid_request_error", null, "method_not_allowed"),
        var status => new ApiError(status, $"The request was refused with status {status}.", "invalid_request_error", null, "bad_request"),
    };

    private sealed class ErrorResult(ApiError error) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) => WriteAsync(httpContext, error);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "{Path} failed")]
        public static partial void Failed(ILogger log, Exception? e, PathString path);
    }
}
