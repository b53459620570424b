using MoDM.Api;

namespace MoDM.Worker;

/// <summary>Every failure in the shape that OpenAI clients read.</summary>
internal static partial class ApiErrors
{
    public static void UseApiErrors(this WebApplication app)
    {
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
            {
                // The client has gone; nobody reads an answer.
                context.Response.StatusCode = 499;
                return;
            }
            catch (BadHttpRequestException e)
            {
                await Write(context, e.StatusCode == 413
                    ? ApiError.TooLarge("The body is too large.")
                    : new ApiError(e.StatusCode, e.Message, "invalid_request_error", null, "bad_request"));
                return;
            }
            catch (Exception e)
            {
                Log.Failed(app.Logger, context.Request.Method, context.Request.Path, e);
                await Write(context, Failure(e));
                return;
            }
            if (!context.Response.HasStarted && context.Response.ContentLength is null && Plain(context) is { } error)
                await Write(context, error);
        });
        // Explicit, so that it runs inside the handler above.
        app.UseRouting();
    }

    public static ApiError Failure(Exception e) =>
        new(500, $"The worker failed: {e.Message}", "server_error", null, "worker_failed");

    public static IResult Result(ApiError error) =>
        Results.Json(new ApiErrorBody(error), ApiJson.Default.ApiErrorBody, statusCode: error.Status);

    public static async Task Write(HttpContext context, ApiError error)
    {
        if (context.Response.HasStarted)
        {
            // An answer cut short must not look complete.
            context.Abort();
            return;
        }
        context.Response.StatusCode = error.Status;
        if (error.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await context.Response.WriteAsJsonAsync(new ApiErrorBody(error), ApiJson.Default.ApiErrorBody);
    }

    // What routing answers with a bare status.
    private static ApiError? Plain(HttpContext context) => context.Response.StatusCode switch
    {
        404 => ApiError.NotFound(
            $"There is no {context.Request.Method} {context.Request.Path}; this worker has POST /v1/images/generations, "
            + "POST /v1/images/edits, GET /livez, /readyz and /metrics.", null, "not_found"),
        405 => new ApiError(405, $"{context.Request.Path} does not take {context.Request.Method}.", "invalid_request_error", null, "method_not_allowed"),
        _ => null,
    };

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "{Method} {Path} failed")]
        public static partial void Failed(ILogger logger, string method, string path, Exception e);
    }
}
