using System.Globalization;
using MoDM.Api;

namespace MoDM.Gateway.Callers;

/// <summary>One request of a key, and what it takes from the key's rate.</summary>
internal sealed class CallerTurn(CallerKey key)
{
    private int _taken;

    /// <summary>Of the key that the request came with; null without keys.</summary>
    public static CallerTurn? Of(HttpContext context) => context.Features.Get<CallerTurn>();

    public bool HasRate => key.Bucket is not null;

    public string Errand => key.Errand;

    /// <param name="images">Or texts.</param>
    /// <returns>Why it may not, or null.</returns>
    public ApiError? Take(int images, string what = "image")
    {
        if (key.Bucket is not { } bucket) return null;
        if (images > bucket.Burst)
        {
            Refused("burst");
            return ApiError.BadRequest("n", $"is {images}, and this key has a burst of {bucket.Burst}: so many at once can never be let in; ask for {bucket.Burst} at most.");
        }
        if (bucket.Take(images) is not { } wait)
        {
            _taken += images;
            return null;
        }
        Refused("rate");
        var seconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds));
        return ApiError.Busy(string.Create(CultureInfo.InvariantCulture,
            $"This key has a rate of {bucket.PerMinute} {what}s a minute, and {bucket.Burst} at once. Try again in {seconds} s."), seconds, "rate_limit_exceeded");
    }

    /// <summary>
    /// What the gateway did not do costs nothing, or the key would be refused again when it comes back as it was told to:
    /// refused for its values, by the queue, or since no worker is there.
    /// </summary>
    public void Settle(int status, string? code)
    {
        if (status is not (400 or 404 or 429 or 503)) return;
        if (code is "queue_full" or "deadline_exceeded") Refused(code);
        key.Bucket?.GiveBack(_taken);
        _taken = 0;
    }

    /// <summary>As OpenAI names them, with images for requests.</summary>
    public void SetHeaders(HttpResponse response)
    {
        if (key.Bucket is not { } bucket) return;
        var (remaining, reset) = bucket.Look();
        response.Headers["x-ratelimit-limit-requests"] = bucket.Burst.ToString(CultureInfo.InvariantCulture);
        response.Headers["x-ratelimit-remaining-requests"] = remaining.ToString(CultureInfo.InvariantCulture);
        response.Headers["x-ratelimit-reset-requests"] = string.Create(CultureInfo.InvariantCulture, $"{reset.TotalSeconds:0.###}s");
    }

    private void Refused(string reason) => GatewayMetrics.CallersRefused.WithLabels(key.Caller.Tenant, reason).Inc();
}
