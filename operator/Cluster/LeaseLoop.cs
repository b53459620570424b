using System.Net;
using k8s.Models;
using MoDM.Cluster;

namespace MoDM.Operator.Cluster;

public sealed record LeaseOptions(string Namespace, string Name, string Identity)
{
    /// <summary>Without a renewal for so long, others take over. Whole seconds are what others are told.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How often the holder renews, and how long anybody waits for an answer.</summary>
    public TimeSpan Renew { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often others look, and how soon the holder tries again after a failure.</summary>
    public TimeSpan Retry { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>So much earlier than others the holder takes its term to be over: its last write needs time to arrive.</summary>
    public TimeSpan Margin => Duration / 5;
}

/// <summary>
/// Which of several operators may write: the holder of a Lease. A term begins with an answered write of the lease and
/// lasts, counted from before that write was sent, its duration less the margin; each renewal answered in that time
/// prolongs it. It ends by the clock alone, whatever the loop is waiting for, and it does not come back: what is
/// acquired later is another term. Others' terms are timed by when we saw the record change, never by the times in it.
/// </summary>
public sealed partial class LeaseLoop(ApiServer api, LeaseOptions options, TimeProvider time, ILogger log)
{
    private const int Attempts = 3;
    private static readonly TimeSpan ReleasePatience = TimeSpan.FromSeconds(3);
    private readonly string _collection = $"/apis/coordination.k8s.io/v1/namespaces/{options.Namespace}/leases";
    private volatile LeaseTerm? _term;
    private volatile TaskCompletionSource<CancellationToken> _held = NewHeld();

    // The record as last seen and since when; not current after a failure, when it must be read before it is written.
    private V1Lease? _record;
    private long _recordSince;
    private bool _current;

    /// <summary>With true when a term has begun, with false when it is over; alternating.</summary>
    public event Action<bool>? Changed;

    /// <summary>True only while nobody else can be the holder. Ask right before each write.</summary>
    public bool IsHeld => _term is { IsOver: false };

    /// <summary>Cancelled when the term is over; cancelled already when there is none.</summary>
    public CancellationToken Term => _term?.Token ?? new CancellationToken(canceled: true);

    private string Path => $"{_collection}/{options.Name}";

    /// <summary>Waits for a term and returns its token.</summary>
    public Task<CancellationToken> HeldAsync(CancellationToken cancel) => _held.Task.WaitAsync(cancel);

    /// <summary>
    /// Until stopped; then the term is over and the lease is released, so that another takes over at once. Stop what
    /// writes first. Does not throw.
    /// </summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            var wait = options.Retry;
            try
            {
                using var patience = new CancellationTokenSource(options.Renew, time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, patience.Token);
                wait = await TickAsync(either.Token);
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                // A write may have taken effect or not: the term goes on until its time is over, and we look again.
                _current = false;
                Log.Failed(log, Path, e.Message);
            }
            catch (Exception)
            {
                break;
            }
            wait -= time.GetElapsedTime(started);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await EndTermAsync();
        await ReleaseAsync();
    }

    /// <summary>Renews, acquires or looks; returns how long after the start of this tick the next is due.</summary>
    private async Task<TimeSpan> TickAsync(CancellationToken cancel)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var exists = _current || await ReadAsync(cancel);
            if (_record?.Spec is { HolderIdentity: { Length: > 0 } holder } spec && holder != options.Identity)
            {
                await EndTermAsync();
                // Also when the record has vanished: whoever held it may not know yet.
                var left = DurationOf(spec) - time.GetElapsedTime(_recordSince);
                _current = false;
                if (left > TimeSpan.Zero) return left < options.Retry ? left : options.Retry;
            }
            if (!IsHeld) await EndTermAsync();
            var renewed = _term;
            var sent = time.GetTimestamp();
            try
            {
                await WriteAsync(exists ? _record : null, options.Identity, options.Duration, renewed is null, cancel);
            }
            catch (ApiServerException e) when (e.Status is HttpStatusCode.Conflict or HttpStatusCode.NotFound)
            {
                _current = false; // Somebody was faster, or an answer to us was lost: the record tells.
                continue;
            }
            // A renewal that came too late does not carry the old term on: acquire again, which is counted.
            if (renewed is null ? Begin(sent) : renewed.Extend(sent)) return options.Renew;
        }
        return options.Retry;
    }

    /// <summary>False when there is no lease; the holder last seen is remembered then.</summary>
    private async Task<bool> ReadAsync(CancellationToken cancel)
    {
        var found = await api.GetAsync<V1Lease>(Path, cancel);
        if (found is null) return false;
        if (found.Metadata.ResourceVersion != _record?.Metadata.ResourceVersion)
            _recordSince = time.GetTimestamp();
        _record = found;
        return true;
    }

    private async Task WriteAsync(V1Lease? old, string holder, TimeSpan duration, bool newTerm, CancellationToken cancel)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var lease = new V1Lease
        {
            ApiVersion = "coordination.k8s.io/v1",
            Kind = "Lease",
            Metadata = old?.Metadata ?? new V1ObjectMeta { Name = options.Name, NamespaceProperty = options.Namespace },
            Spec = new V1LeaseSpec
            {
                HolderIdentity = holder,
                LeaseDurationSeconds = Math.Max(1, (int)Math.Ceiling(duration.TotalSeconds)),
                AcquireTime = Micro(newTerm ? now : old?.Spec.AcquireTime ?? now),
                RenewTime = Micro(now),
                LeaseTransitions = old is null ? 0 : (old.Spec.LeaseTransitions ?? 0) + (newTerm ? 1 : 0),
            },
        };
        _record = old is null
            ? await api.CreateAsync(_collection, lease, cancel)
            : await api.ReplaceAsync(Path, lease, cancel);
        _recordSince = time.GetTimestamp();
        _current = true;
    }

    private bool Begin(long sent)
    {
        var length = options.Duration - options.Margin;
        var term = new LeaseTerm(new CancellationTokenSource(length, time), length, time);
        if (!term.Extend(sent)) return false;
        _term = term;
        _held.TrySetResult(term.Token);
        Log.Begun(log, options.Identity, Path);
        Raise(true);
        // Not before: so that the end is told after the beginning.
        term.Token.UnsafeRegister(_ =>
        {
            _held = NewHeld();
            Log.Over(log, options.Identity, Path);
            Raise(false);
            term.Told.TrySetResult();
        }, null);
        return true;
    }

    private async Task EndTermAsync()
    {
        if (_term is not { } term) return;
        term.End();
        await term.Told.Task; // The timer may have ended it a moment ago, on another thread.
        _term = null;
    }

    /// <summary>Reads first: a write that was under way when we were stopped may have taken effect.</summary>
    private async Task ReleaseAsync()
    {
        using var patience = new CancellationTokenSource(ReleasePatience, time);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            try
            {
                if (!await ReadAsync(patience.Token) || _record!.Spec.HolderIdentity != options.Identity) return;
                await WriteAsync(_record, "", TimeSpan.FromSeconds(1), false, patience.Token);
                return;
            }
            catch (Exception e)
            {
                Log.Failed(log, Path, e.Message);
            }
        }
    }

    private TimeSpan DurationOf(V1LeaseSpec spec) =>
        spec.LeaseDurationSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : options.Duration;

    /// <summary>KubernetesClient drops the decimals of a whole second, and the API server refuses a MicroTime without.</summary>
    private static DateTime Micro(DateTime at) => at.Ticks % TimeSpan.TicksPerSecond == 0 ? at.AddTicks(1) : at;

    private static TaskCompletionSource<CancellationToken> NewHeld() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Raise(bool held)
    {
        try
        {
            Changed?.Invoke(held);
        }
        catch (Exception e)
        {
            Log.ListenerFailed(log, e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} holds {Path}")]
        public static partial void Begun(ILogger log, string identity, string path);

        [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} no longer holds {Path}")]
        public static partial void Over(ILogger log, string identity, string path);

        [LoggerMessage(Level = LogLevel.Warning, Message = "Lease {Path}: {Reason}")]
        public static partial void Failed(ILogger log, string path, string reason);

        [LoggerMessage(Level = LogLevel.Error, Message = "A listener for the lease failed")]
        public static partial void ListenerFailed(ILogger log, Exception e);
    }
}
