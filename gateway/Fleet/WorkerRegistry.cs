using System.Collections.Concurrent;
using System.Net.Http.Json;
using MoDM.Api;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// The workers that exist and whether they can serve. It asks each for <c>/readyz</c>, and lets the ready ones join the
/// queue; one that fails a request leaves at once and joins again when it answers.
/// </summary>
internal sealed partial class WorkerRegistry(
    MixtureSpec spec, RequestQueue queue, HttpMessageInvoker http, TimeProvider time, IHostApplicationLifetime lifetime,
    ILogger<WorkerRegistry> log)
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

    public IEnumerable<(string Id, string Model, bool IsLarge, string State)> Members => _members.Values
        .OrderBy(m => m.Rank).ThenBy(m => m.Id, StringComparer.Ordinal).Select(m => (m.Id, m.Model, m.IsLarge, m.State));

    public bool AnyReady(bool large) => _members.Values.Any(m => m.IsLarge == large && m.Slot is not null);

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

    public string Add(string model, Uri address)
    {
        var rank = spec.Pools.ToList().FindIndex(p => p.Name == model);
        var member = new Member($"{model}-{Interlocked.Increment(ref _ids)}", model, rank, address);
        _members[member.Id] = member;
        _ = WatchAsync(member, lifetime.ApplicationStopping);
        return member.Id;
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
                if (status is { Phase: "ready" }) Ready(member, status);
                else Lose(member);
                await Task.Delay(member.Slot is null ? PollWhenNot : PollWhenReady, time, stop);
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
            if (member.Slot is not null || member.Removed) return;
            if (status.Sizes is { } sizes) _sizes[member.Rank] = sizes;
            member.Slot = new WorkerSlot(member.Id, member.Model, member.IsLarge, member.Rank, Math.Max(1, status.Capacity));
            queue.Join(member.Slot);
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
            return response.IsSuccessStatusCode
                ? await response.Content.ReadFromJsonAsync(ApiJson.Default.WorkerStatus, timeout.Token) : null;
        }
        catch (Exception) when (!stop.IsCancellationRequested)
        {
            return null; // Whatever is at this address, it does not say that it is ready.
        }
    }

    private sealed class Member(string id, string model, int rank, Uri address)
    {
        private volatile WorkerSlot? _slot;
        private volatile bool _removed;

        public string Id => id;
        public string Model => model;
        public int Rank => rank;
        public bool IsLarge => rank == 0;
        public Uri Address => address;
        public WorkerSlot? Slot { get => _slot; set => _slot = value; }
        public bool Removed { get => _removed; set => _removed = value; }
        public string State => Slot is not { } slot ? "starting" : slot.InFlight > 0 ? "busy" : "ready";
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Worker {Id} at {Address} is ready (model loaded in {Seconds:0.0} s)")]
        public static partial void Joined(ILogger log, string id, Uri address, double seconds);

        [LoggerMessage(2, LogLevel.Warning, "Worker {Id} at {Address} is not ready any more")]
        public static partial void Left(ILogger log, string id, Uri address);
    }
}
