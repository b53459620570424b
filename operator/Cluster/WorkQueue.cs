using System.Threading.Channels;

namespace MoDM.Operator.Cluster;

public readonly record struct ObjectKey(string Namespace, string Name)
{
    public override string ToString() => $"{Namespace}/{Name}";
}

/// <summary>
/// Keys to reconcile. A key waits at most once and is with at most one worker: what is added while it is worked on is
/// handed out again after <see cref="Done"/>. Thread-safe.
/// </summary>
public sealed class WorkQueue(TimeProvider time) : IDisposable
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(60);
    private readonly Lock _lock = new();
    private readonly Channel<ObjectKey> _ready = Channel.CreateUnbounded<ObjectKey>();
    private readonly HashSet<ObjectKey> _waiting = [];
    private readonly HashSet<ObjectKey> _processing = [];
    private readonly Dictionary<ObjectKey, Later> _later = [];
    private readonly Dictionary<ObjectKey, int> _failures = [];

    /// <summary>Keys that wait for a worker, those that are due later left out.</summary>
    public int Count
    {
        get { lock (_lock) return _waiting.Count; }
    }

    public void Add(ObjectKey key)
    {
        lock (_lock)
        {
            if (_waiting.Add(key) && !_processing.Contains(key))
                _ready.Writer.TryWrite(key);
        }
    }

    /// <summary>The earliest of several wins; an <see cref="Add"/> in between does not take it back.</summary>
    public void AddAfter(ObjectKey key, TimeSpan delay)
    {
        if (delay <= TimeSpan.Zero)
        {
            Add(key);
            return;
        }
        lock (_lock)
        {
            var due = time.GetUtcNow() + delay;
            if (_later.TryGetValue(key, out var known))
            {
                if (known.Due <= due) return;
                known.Timer.Dispose();
            }
            var later = new Later(due);
            _later[key] = later;
            later.Timer = time.CreateTimer(_ => AddNow(key, later), null, delay, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Adds it again after 1 s, 2 s, 4 s and so on up to 60 s.</summary>
    public void Failed(ObjectKey key)
    {
        int failures;
        lock (_lock) failures = _failures[key] = _failures.GetValueOrDefault(key) + 1;
        var delay = FirstDelay * Math.Pow(2, Math.Min(failures - 1, 10));
        AddAfter(key, delay < LongestDelay ? delay : LongestDelay);
    }

    /// <summary>The next failure counts as the first.</summary>
    public void Succeeded(ObjectKey key)
    {
        lock (_lock) _failures.Remove(key);
    }

    /// <summary>It is gone: no failures, and nothing due later.</summary>
    public void Forget(ObjectKey key)
    {
        lock (_lock)
        {
            _failures.Remove(key);
            if (_later.Remove(key, out var later)) later.Timer.Dispose();
        }
    }

    /// <summary>The caller must call <see cref="Done"/> for it, whatever happens.</summary>
    public async ValueTask<ObjectKey> TakeAsync(CancellationToken cancel)
    {
        var key = await _ready.Reader.ReadAsync(cancel);
        lock (_lock)
        {
            _waiting.Remove(key);
            _processing.Add(key);
        }
        return key;
    }

    public void Done(ObjectKey key)
    {
        lock (_lock)
        {
            if (_processing.Remove(key) && _waiting.Contains(key))
                _ready.Writer.TryWrite(key);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var later in _later.Values)
                later.Timer.Dispose();
            _later.Clear();
        }
    }

    private void AddNow(ObjectKey key, Later later)
    {
        lock (_lock)
        {
            // Replaced by an earlier one, or forgotten, while the timer fired.
            if (!_later.TryGetValue(key, out var known) || known != later) return;
            _later.Remove(key);
            later.Timer.Dispose();
        }
        Add(key);
    }

    private sealed class Later(DateTimeOffset due)
    {
        public DateTimeOffset Due => due;
        public ITimer Timer { get; set; } = null!;
    }
}
