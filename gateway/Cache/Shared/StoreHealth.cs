using System.Diagnostics;

namespace MoDM.Gateway.Cache;

/// <summary>
/// Whether a store outside is asked. After a few failures in a row it is left alone, so that requests do not wait for it one by
/// one; whoever watches it says when it is well again.
/// </summary>
/// <param name="deadline">What a request waits for it at most.</param>
internal sealed class StoreHealth(string store, Func<TimeSpan> deadline)
{
    private const int MostFailures = 3;

    private int _failures;
    private volatile string? _trouble;

    /// <summary>Null: it is asked.</summary>
    public string? Trouble => _trouble;

    /// <summary>Asks the store.</summary>
    /// <param name="mayBeLate">That it is not done in time does not count against the store.</param>
    /// <exception cref="StoreUnavailableException">It failed, did not answer before <paramref name="cancel"/>, or is left alone.</exception>
    public async Task<T> AskAsync<T>(Func<Task<T>> call, CancellationToken cancel, bool mayBeLate = false)
    {
        if (_trouble is { } trouble) throw new StoreUnavailableException(trouble);
        return await TryAsync(call, cancel, mayBeLate);
    }

    /// <summary>As <see cref="AskAsync"/>, also while it is left alone.</summary>
    public async Task<T> TryAsync<T>(Func<Task<T>> call, CancellationToken cancel, bool mayBeLate = false)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            var result = await call();
            Volatile.Write(ref _failures, 0);
            return result;
        }
        catch (Exception e) when (e is not StoreUnavailableException)
        {
            var (late, waited) = (cancel.IsCancellationRequested, Stopwatch.GetElapsedTime(started));
            var why = late ? $"{store} did not answer within {waited.TotalMilliseconds:0} ms" : $"{store} failed: {Short(e)}";
            // Whoever asked has gone: that says nothing of the store.
            if (late && (mayBeLate || waited < deadline() / 2)) throw new StoreUnavailableException(why, e);
            GatewayMetrics.StoreFailures.WithLabels(store, late ? "late" : "failed").Inc();
            if (Interlocked.Increment(ref _failures) >= MostFailures) _trouble = why;
            throw new StoreUnavailableException(why, e);
        }
    }

    public void LeaveAlone(string why) => _trouble = why;

    public void IsWell() => (_trouble, _failures) = (null, 0);

    private static string Short(Exception e) => e is Grpc.Core.RpcException rpc ? $"{rpc.StatusCode}: {rpc.Status.Detail}" : e.Message;
}
