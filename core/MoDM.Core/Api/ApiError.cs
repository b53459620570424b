namespace MoDM.Api;

/// <summary>The body of every error: <c>{"error": {"message", "type", "param", "code"}}</c>, as OpenAI has it.</summary>
public sealed record ApiErrorBody(ApiError Error);

/// <summary>An expected failure, with its HTTP status; <paramref name="Message"/> says what to change.</summary>
/// <param name="Status">HTTP status code; not part of the body.</param>
/// <param name="Param">The field at fault; the first one when several are.</param>
public sealed record ApiError(
    [property: System.Text.Json.Serialization.JsonIgnore] int Status, string Message, string Type, string? Param, string? Code)
{
    /// <summary>Seconds for <c>Retry-After</c>.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int? RetryAfterSeconds { get; init; }

    public static ApiError BadRequest(IReadOnlyList<FieldProblem> problems) => new(
        400,
        string.Join(" ", problems.Select(p => $"{p.Field}: {p.Message}")),
        "invalid_request_error",
        problems.Count > 0 ? problems[0].Field : null,
        "invalid_value");

    public static ApiError BadRequest(string field, string message) => BadRequest([new FieldProblem(field, message)]);

    public static ApiError NotFound(string message, string? param, string code) =>
        new(404, message, "invalid_request_error", param, code);

    public static ApiError TooLarge(string message) =>
        new(413, message, "invalid_request_error", null, "request_too_large");

    public static ApiError Busy(string message, int retryAfterSeconds, string code = "queue_full") =>
        new(429, message, "rate_limit_error", null, code) { RetryAfterSeconds = retryAfterSeconds };

    public static ApiError Unavailable(string message, int retryAfterSeconds) =>
        new(503, message, "server_error", null, "no_worker") { RetryAfterSeconds = retryAfterSeconds };

    public static ApiError Upstream(string message) => new(502, message, "server_error", null, "worker_failed");

    public static ApiError Timeout(string message) => new(504, message, "server_error", null, "worker_timeout");
}

/// <summary>One wrong field of a request: its name, and the value with what would be right.</summary>
public sealed record FieldProblem(string Field, string Message);
