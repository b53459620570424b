using System.Net;
using MoDM.Cluster;

namespace MoDM.Operator.Reconciling;

/// <summary>What the API server refuses in one pass, whose other steps are taken all the same.</summary>
internal sealed class Refusals
{
    private readonly List<ApiServerException> _all = [];

    /// <summary>As the status tells it; null: nothing was refused.</summary>
    public string? Text => _all.Count switch
    {
        0 => null,
        1 => _all[0].Message,
        var count => $"{_all[0].Message} (and {count - 1} more)",
    };

    public async Task TryAsync(Func<Task> write)
    {
        try
        {
            await write();
        }
        catch (ApiServerException e) when (IsForGood(e.Status))
        {
            _all.Add(e);
        }
    }

    /// <summary>So that the pass is made again, later and later.</summary>
    public void Throw()
    {
        if (Text is { } text) throw new ApiServerException(_all[0].Status, _all[0].Reason, text, _all[0]);
    }

    /// <summary>
    /// A quota, a policy, a missing right, a webhook that fails (500): the same is refused until somebody does something. What
    /// looking again or waiting puts right is none, nor is no answer at all.
    /// </summary>
    private static bool IsForGood(HttpStatusCode status) => (int)status is >= 400 and <= 500 && status is not (HttpStatusCode.Unauthorized
        or HttpStatusCode.NotFound or HttpStatusCode.RequestTimeout or HttpStatusCode.Conflict or HttpStatusCode.Gone or HttpStatusCode.TooManyRequests);
}
