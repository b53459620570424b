using System.Collections.Concurrent;
using System.Net.Http.Json;
using MoDM.Api;
using MoDM.Gateway.Scheduling;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// The workers that exist and whether they can serve. It asks each for <c>/readyz</c>, and lets the ready ones join the
/// queue; one that fails a request leaves at once and joins again when it answers.
/// </summary>
internal sealed partial class WorkerRegistry(
    CurrentMixture mixture, RequestQueue queue, LoadMeter meter, HttpMessageInvoker http, TimeProvider time,
    IHostApplicationLifetime lifetime, ILogger<WorkerRegistry> log)
{
    private static readonly TimeSpan PollWhenReady = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PollWhenNot = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Member> _members = new();
    private readonly ConcurrentDictionary<int, SizeRule> _sizes = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _ids;

    /// <summary>What the models draw that have been seen ready: the large one's first, as its size is the default.</summary>
    public IReadOnlyList<SizeRule> Sizes => [.. _sizes.OrderBy(s => s.Key).Select(s => s.Value)];

    public IEnumerable<WorkerState> Members => _members.Values
        .OrderBy(m => m.Rank).ThenBy(m => m.Id, StringComparer.Ordinal)
        .Select(m => m.Seen);

    /// <summary>Null when it has been removed.</summary>
    public WorkerState? Find(string id) => _members.TryGetValue(id, out var member) ? member.Seen : null;

    public bool AnyReady(bool large) => _members.Values.Any(m => m.IsLarge == large && m is { Slot: not null, Draining: false });

    /// <summary>Workers of each pool that serve or start, in the document's order; without those that are lost.</summary>
    public IReadOnlyList<int> Counts() =>
        [.. mixture.Now.Spec.Pools.Select((_, rank) => _members.Values.Count(m => m.Rank == rank && m is { Lost: false, Draining: false }))];

    /// <summary>Images that it draws; null when it cannot draw now.</summary>
    public int? InFlight(string id) => _members.TryGetValue(id, out var member) && member.Slot is not null ? member.InFlight : null;

    /// <summary>Waits until a worker has been ready once; false when none was in time.</summary>
    public async Task<bool> WaitForFirstAsync(TimeSpan patience, CancellationToken cancel)
    {
        if (_first.Task.IsCompleted) return true;
        try
        {
            await _first.Task.WaitAsync(patience, time, cancel);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <param name="started">Time stamp of the decision to start it, when it was ours.</param>
    /// <param name="draining">Nothing is to be sent to it for now.</param>
    public string Add(string model, Uri address, long? started = null, bool draining = false)
    {
        var rank = mixture.Now.Spec.Pools.ToList().FindIndex(p => p.Name == model);
        var member = new Member($"{model}-{Interlocked.Increment(ref _ids)}", model, rank, address, started) { Draining = draining };
        _members[member.Id] = member;
        _ = WatchAsync(member, lifetime.ApplicationStopped); // Until then requests are finished, and may need another worker.
        return member.Id;
    }

    /// <summary>Nothing more is sent to it from now on; the task ends when it has drawn what it has.</summary>
    public Task DrainAsync(string id)
    {
        if (!_members.TryGetValue(id, out var member)) return Task.CompletedTask;
        lock (member)
        {
            member.Draining = true;
            Log.Draining(log, id, member.InFlight);
            return Task.WhenAll(member.Slots.Select(queue.DrainAsync));
        }
    }

    /// <summary>A worker that was to be drained is wanted again.</summary>
    public void Serve(string id)
    {
        if (!_members.TryGetValue(id, out var member)) return;
        lock (member)
        {
            if (!member.Draining) return;
            member.Draining = false;
            // The same place, since it may still draw; one that does not answer joins when it does.
            if (member.Slot is { } slot) queue.Join(slot);
        }
        Log.ServesAgain(log, id);
    }

    public void Remove(string id)
    {
        if (!_members.TryRemove(id, out var member)) return;
        member.Removed = true;
        Lose(member);
    }

    /// <summary>Null when it has gone meanwhile.</summary>
    public Uri? AddressOf(WorkerSlot slot) => _members.TryGetValue(slot.Id, out var member) ? member.Address : null;

    /// <summary>A request to it just failed: nothing more is sent until it says that it is ready.</summary>
    public void Suspect(WorkerSlot slot)
    {
        if (_members.TryGetValue(slot.Id, out var member)) Lose(member);
    }

    /// <summary>One loop a worker, so that one which hangs keeps nobody from hearing of the others.</summary>
    private async Task WatchAsync(Member member, CancellationToken stop)
    {
        try
        {
            while (!member.Removed)
            {
                var status = await AskAsync(member.Address, stop);
                member.Phase = status?.Phase;
                if (status is { Phase: "ready" }) Ready(member, status);
                else Lose(member);
                await Task.Delay(member is { Slot: null, Draining: false } ? PollWhenNot : PollWhenReady, time, stop);
            }
        }
        catch (OperationCanceledException)
        {
            // The gateway is stopping.
        }
    }

    private void Ready(Member member, WorkerStatus status)
    {
        lock (member)
        {
            if (member.Slot is not null || member.Removed || member.Draining) return;
            if (status.Sizes is { } sizes) _sizes[member.Rank] = sizes;
            if (member is { Started: { } started, Slots.Count: 0 }) meter.Loaded(member.Rank, time.GetElapsedTime(started).TotalSeconds);
            member.Join(new WorkerSlot(member.Id, member.Model, member.IsLarge, member.Rank, Math.Max(1, status.Capacity)));
            queue.Join(member.Slot!);
        }
        _first.TrySetResult();
        Log.Joined(log, member.Id, member.Address, status.LoadSeconds ?? 0);
    }

    private void Lose(Member member)
    {
        lock (member)
        {
            if (member.Slot is null) return;
            member.Slot = null;
            queue.Leave(member.Id);
            if (member.Draining) return;
        }
        Log.Left(log, member.Id, member.Address);
    }

    private async Task<WorkerStatus?> AskAsync(Uri address, CancellationToken stop)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stop);
        timeout.CancelAfter(AnswerWithin);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, "/readyz"));
            using var response = await http.SendAsync(request, timeout.Token);
            var status = await response.Content.ReadFromJsonAsync(ApiJson.Default.WorkerStatus, timeout.Token);
            return response.IsSuccessStatusCode == (status is { Phase: "ready" }) ? status : null;
        }
        catch (Exception) when (!stop.IsCancellationRequested)
        {
            return null; // Whatever is at this address, it does not say that it is ready.
        }
    }

    private sealed class Member(string id, string model, int rank, Uri address, long? started)
    {
        private volatile WorkerSlot? _slot;
        private volatile bool _removed, _draining;
        private volatile string? _phase;
        private volatile IReadOnlyList<WorkerSlot> _slots = [];

        public string Id => id;
        public string Model => model;
        public int Rank => rank;
        public bool IsLarge => rank == 0;
        public Uri Address => address;
        public long? Started => started;
        public WorkerSlot? Slot { get => _slot; set => _slot = value; }

        /// <summary>The one that serves and those before it: a worker that was lost for a moment may still draw on an earlier one.</summary>
        public IReadOnlyList<WorkerSlot> Slots => _slots;
        public bool Removed { get => _removed; set => _removed = value; }
        public bool Draining { get => _draining; set => _draining = value; }
        public string? Phase { get => _phase; set => _phase = value; }

        /// <summary>It served, and does not any more.</summary>
        public bool Lost => Slot is null && Slots.Count > 0;
        public int InFlight => Slots.Sum(s => s.InFlight);
        public string State => Draining ? "draining" : Slot is null ? "starting" : InFlight > 0 ? "busy" : "ready";

        public WorkerState Seen => new(model, IsLarge, State, InFlight, Slot?.Capacity ?? 0) { Draining = Draining, Phase = Phase };

        public void Join(WorkerSlot slot)
        {
            _slots = [.. _slots.Where(s => s.InFlight > 0), slot];
            _slot = slot;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Worker {Id} at {Address} is ready (model loaded in {Seconds:0.0} s)")]
        public static partial void Joined(ILogger log, string id, Uri address, double seconds);

        [LoggerMessage(2, LogLevel.Warning, "Worker {Id} at {Address} is not ready any more")]
        public static partial void Left(ILogger log, string id, Uri address);

        [LoggerMessage(3, LogLevel.Information, "Worker {Id} gets nothing more, and ends when the {InFlight} images that it draws are done")]
        public static partial void Draining(ILogger log, string id, int inFlight);

        [LoggerMessage(4, LogLevel.Information, "Worker {Id} is not to end after all, and serves again")]
        public static partial void ServesAgain(ILogger log, string id);
    }
}

internal readonly record struct WorkerState(string Model, bool IsLarge, string State, int InFlight, int Capacity)
{
    /// <summary>Nothing more is sent to it.</summary>
    public bool Draining { get; init; }

    /// <summary>What it said last of itself (<see cref="WorkerStatus.Phase"/>); null when it did not answer.</summary>
    public string? Phase { get; init; }
}
