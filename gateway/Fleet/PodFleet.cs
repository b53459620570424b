using System.Collections.Concurrent;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Planning;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// The worker pods of a mixture in a cluster. The operator starts, marks and removes them; this watches them, keeps the
/// <see cref="WorkerRegistry"/> in step and never writes to the API server.
/// </summary>
internal sealed partial class PodFleet : BackgroundService
{
    /// <summary>Also without an event: whether a worker is idle, and what it says of itself, comes from elsewhere.</summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    private readonly ListWatch<V1Pod> _pods;
    private readonly CurrentMixture _mixture;
    private readonly WorkerRegistry _registry;
    private readonly LivePlan _plan;
    private readonly HttpMessageInvoker _http;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _changed = new(0);

    /// <summary>By the pod's uid: the worker's id, and where it is.</summary>
    private readonly Dictionary<string, (string Id, Uri Address)> _members = [];
    private readonly ConcurrentDictionary<string, bool> _beingTold = new();

    public PodFleet(
        ClusterResource cluster, CurrentMixture mixture, WorkerRegistry registry, LivePlan plan, HttpMessageInvoker http,
        TimeProvider time, ILogger<PodFleet> log)
    {
        (_mixture, _registry, _plan, _http, _time, _log) = (mixture, registry, plan, http, time, log);
        _pods = new ListWatch<V1Pod>(
            cluster.Api, ClusterNames.Pods(cluster.Api.Namespace),
            ClusterNames.ByLabels((ClusterNames.MixtureLabel, cluster.Name), (ClusterNames.RoleLabel, ClusterNames.WorkerRole)), time, log);
        _pods.Changed += _ => _changed.Release();
    }

    /// <summary>The pods have been read once.</summary>
    public bool Synced => _pods.Synced.IsCompletedSuccessfully;

    public override void Dispose()
    {
        _changed.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var watching = _pods.RunAsync(stoppingToken);
        try
        {
            await _pods.Synced.WaitAsync(stoppingToken);
            for (long? planned = null; ;)
            {
                Reconcile(stoppingToken);
                var spec = _mixture.Now.Spec;
                if (planned is null || _time.GetElapsedTime(planned.Value) >= CapacityPlanner.Tick(spec))
                {
                    _plan.NextAsTheyAre(spec, _registry.Counts());
                    planned = _time.GetTimestamp();
                }
                await _changed.WaitAsync(Pace, stoppingToken);
                while (_changed.Wait(0, CancellationToken.None)) { } // Many events are one reason to look.
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await watching;
        }
    }

    private void Reconcile(CancellationToken stop)
    {
        // Observe.
        WorkerPod[] pods = [.. _pods.Items.Select(WorkerPod.Of)];
        PodMember[] members = [.. _members.Select(m => _registry.Find(m.Value.Id) is { } seen
            ? new PodMember(m.Key, m.Value.Address, seen.Draining, seen.InFlight, seen.Phase) : null).OfType<PodMember>()];

        // Decide.
        var actions = PodPlan.Decide(pods, members, _mixture.Now.Spec.Pools.Select(p => p.Name).ToHashSet());

        // Act.
        foreach (var action in actions)
            Act(action, Array.Find(pods, p => p.Uid == action.Pod), stop);
    }

    private void Act(PodAction action, WorkerPod? pod, CancellationToken stop)
    {
        switch (action.Step)
        {
            case PodStep.Add or PodStep.AddDraining:
                _members[pod!.Uid] = (_registry.Add(pod.Model, pod.Address!, draining: action.Step == PodStep.AddDraining), pod.Address!);
                break;
            case PodStep.Drain:
                _ = _registry.DrainAsync(_members[action.Pod].Id); // Whether it is idle is seen each time.
                break;
            case PodStep.Serve:
                _registry.Serve(_members[action.Pod].Id);
                break;
            case PodStep.TellDrain or PodStep.TellServe:
                if (!_beingTold.TryAdd(action.Pod, true)) return;
                _ = TellAsync(action.Step == PodStep.TellDrain ? HttpMethod.Post : HttpMethod.Delete, pod!, stop);
                break;
            case PodStep.Remove:
                _members.Remove(action.Pod, out var gone);
                _registry.Remove(gone.Id);
                break;
        }
        Log.Acted(_log, action.Step, pod?.Name ?? action.Pod, action.Reason);
    }

    /// <summary>Once; when it did not help, the next look tries again.</summary>
    private async Task TellAsync(HttpMethod method, WorkerPod pod, CancellationToken stop)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stop);
        timeout.CancelAfter(AnswerWithin);
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(pod.Address!, "/drain"));
            using var response = await _http.SendAsync(request, timeout.Token);
            if (!response.IsSuccessStatusCode) Log.NotTold(_log, method, pod.Name, $"{(int)response.StatusCode}");
            await Task.Delay(Pace, _time, stop); // It is asked what it says of itself meanwhile.
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            if (!stop.IsCancellationRequested) Log.NotTold(_log, method, pod.Name, e.Message);
        }
        finally
        {
            _beingTold.TryRemove(pod.Uid, out _);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Step} {Pod}: {Reason}")]
        public static partial void Acted(ILogger log, PodStep step, string pod, string reason);

        [LoggerMessage(2, LogLevel.Warning, "{Method} /drain at {Pod} failed and is tried again: {Reason}")]
        public static partial void NotTold(ILogger log, HttpMethod method, string pod, string reason);
    }
}
