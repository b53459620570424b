using System.Threading.Channels;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Planning;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// The worker pods of this gateway's mixture. It makes and removes none, the operator does; it only knows which there are, and
/// stops sending to those that are to go before they go (complaints 6 and 7).
/// </summary>
internal sealed partial class PodFleet(
    GatewayOptions options, CurrentMixture current, WorkerRegistry registry, LivePlan plan, HttpMessageInvoker http, TimeProvider time,
    ILogger<PodFleet> log)
    : BackgroundService
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, Member> _members = [];
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private ListWatch<V1Pod>? _pods;

    /// <summary>The pods that there are have been listed.</summary>
    public bool Synced => _pods?.Synced.IsCompletedSuccessfully == true;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (api, name) = options.Cluster!;
        _pods = new ListWatch<V1Pod>(api, ClusterNames.Pods(api.Namespace),
            ClusterNames.ByLabels((ClusterNames.MixtureLabel, name), (ClusterNames.RoleLabel, ClusterNames.WorkerRole)), time, log);
        _pods.Changed += _ => _changed.Writer.TryWrite(true);
        var watching = _pods.RunAsync(stoppingToken);
        try
        {
            await _pods.Synced.WaitAsync(stoppingToken);
            for (var planned = time.GetTimestamp(); ;)
            {
                Apply(PodSteps.Decide(_pods.Items, Known(), [.. current.Now.Spec.Pools.Select(p => p.Name)]), stoppingToken);
                if (time.GetElapsedTime(planned) >= CapacityPlanner.Tick(current.Now.Spec))
                {
                    planned = time.GetTimestamp();
                    Plan();
                }
                await Task.WhenAny(_changed.Reader.WaitToReadAsync(stoppingToken).AsTask(), Task.Delay(LookAgain, time, stoppingToken));
                stoppingToken.ThrowIfCancellationRequested();
                _changed.Reader.TryRead(out _);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await watching;
        }
    }

    /// <summary>With the workers that there are: how many there should be is the operator's part, the ladder is ours.</summary>
    private void Plan()
    {
        var there = registry.Counts();
        if (there.Sum() > 0) plan.Next(LivePlan.AsTheyAre(current.Now.Spec, there), there);
    }

    private Dictionary<string, KnownPod> Known() => _members.ToDictionary(m => m.Key, m => new KnownPod(m.Value.Address, m.Value.Draining is not null));

    private void Apply(IEnumerable<PodStep> steps, CancellationToken stop)
    {
        foreach (var step in steps)
        {
            Log.Step(log, step.Kind, step.Name.Length > 0 ? step.Name : step.Address.ToString(), step.Reason);
            switch (step.Kind)
            {
                case PodStepKind.Join:
                    _members[step.Uid] = new Member(registry.Add(step.Pool, step.Address), step.Address);
                    break;
                case PodStepKind.Drain:
                    var leaving = _members[step.Uid];
                    leaving.Draining = CancellationTokenSource.CreateLinkedTokenSource(stop);
                    _ = DrainAsync(step.Uid, leaving, leaving.Draining.Token);
                    break;
                case PodStepKind.Serve:
                    Forget(step.Uid);
                    _members[step.Uid] = new Member(registry.Add(step.Pool, step.Address), step.Address);
                    _ = TellAsync(HttpMethod.Delete, step.Address, stop);
                    break;
                default:
                    Forget(step.Uid);
                    break;
            }
        }
    }

    private void Forget(string uid)
    {
        if (!_members.Remove(uid, out var member)) return;
        member.Draining?.Cancel();
        registry.Remove(member.Id);
    }

    /// <summary>When it has drawn what it had, it is told that nothing more comes: then it is not ready, and the operator removes it.</summary>
    private async Task DrainAsync(string uid, Member member, CancellationToken cancel)
    {
        try
        {
            await registry.DrainAsync(member.Id).WaitAsync(cancel);
            while (!await TellAsync(HttpMethod.Post, member.Address, cancel))
                await Task.Delay(LookAgain, time, cancel);
            Log.Drained(log, uid, member.Address);
        }
        catch (OperationCanceledException)
        {
            // It is gone, or serves again.
        }
    }

    private async Task<bool> TellAsync(HttpMethod method, Uri worker, CancellationToken cancel)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timeout.CancelAfter(TimeSpan.FromSeconds(5));
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(worker, "/drain"));
            using var response = await http.SendAsync(request, timeout.Token);
            return response.IsSuccessStatusCode;
        }
        catch (Exception) when (!cancel.IsCancellationRequested)
        {
            return false; // Perhaps it has ended already; it is asked again while its pod is there.
        }
    }

    private sealed class Member(string id, Uri address)
    {
        public string Id => id;
        public Uri Address => address;

        /// <summary>Cancelled when it is gone or serves again; null while it serves.</summary>
        public CancellationTokenSource? Draining { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Kind} {Pod}: {Reason}")]
        public static partial void Step(ILogger log, PodStepKind kind, string pod, string reason);

        [LoggerMessage(2, LogLevel.Information, "Pod {Uid} at {Address} has drawn what it had")]
        public static partial void Drained(ILogger log, string uid, Uri address);
    }
}
