using MoDM.Operator.Reconciling;

namespace MoDM.Operator.Tests.Reconciling;

public class ScalingTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Pools_without_Deployments_get_what_is_planned()
    {
        var step = Scaling.Next([Pool(0, 1, null), Pool(1, 3, null)], 4);

        Assert.Equal([1, 3], step.Replicas);
        Assert.Empty(step.Drain);
    }

    [Fact]
    public void What_is_as_planned_stays_as_it_is()
    {
        var step = Scaling.Next([Pool(0, 1, 1, Pod("a")), Pool(1, 1, 1, Pod("b"))], 4);

        Assert.Equal([1, 1], step.Replicas);
        Assert.Equal("as planned", step.Reason);
    }

    [Fact]
    public void An_idle_pod_is_marked_first_and_the_Deployment_keeps_its_size_until_it_is_drained()
    {
        // Complaint 6.
        var step = Scaling.Next([Pool(0, 1, 3, Pod("busy", inFlight: 1), Pod("idle", inFlight: 0), Pod("busier", inFlight: 2))], 4);

        Assert.Equal(["idle", "busy"], step.Drain);
        Assert.Equal([3], step.Replicas);
    }

    [Fact]
    public void A_pod_that_cannot_draw_yet_leaves_before_an_idle_one()
    {
        var step = Scaling.Next([Pool(0, 1, 2, Pod("serves", inFlight: 0), Pod("loads", ready: false))], 4);

        Assert.Equal(["loads"], step.Drain);
    }

    [Fact]
    public void A_drained_pod_is_taken_off_the_Deployment_once()
    {
        var drained = Pod("gone", ready: false, drains: true);

        Assert.Equal([1], Scaling.Next([Pool(0, 1, 2, Pod("stays"), drained)], 4).Replicas);
        // The Deployment has been told, and the pod is still there.
        Assert.Equal([1], Scaling.Next([Pool(0, 1, 1, Pod("stays"), drained)], 4).Replicas);
    }

    [Fact]
    public void A_pod_that_still_draws_holds_its_place()
    {
        var step = Scaling.Next([Pool(0, 1, 2, Pod("stays"), Pod("draws", drains: true))], 4);

        Assert.Equal([2], step.Replicas);
        Assert.Empty(step.Drain);
    }

    [Fact]
    public void A_GPU_is_free_when_its_pod_is_gone_and_not_before()
    {
        // 2 large to 1, 2 small to 3, of 4 GPUs.
        PoolNow[] Pools(int large, params WorkerPod[] pods) => [Pool(0, 1, large, pods), Pool(1, 3, 2, Pod("s1"), Pod("s2"))];

        Assert.Equal([2, 2], Scaling.Next(Pools(2, Pod("l1"), Pod("l2")), 4).Replicas);
        Assert.Equal([1, 2], Scaling.Next(Pools(2, Pod("l1"), Pod("l2", ready: false, drains: true)), 4).Replicas);
        Assert.Equal([1, 2], Scaling.Next(Pools(1, Pod("l1"), Pod("l2", ready: false, terminating: true)), 4).Replicas);
        Assert.Equal([1, 3], Scaling.Next(Pools(1, Pod("l1")), 4).Replicas);
    }

    [Fact]
    public void A_marked_pod_serves_again_when_the_load_comes_back()
    {
        var step = Scaling.Next([Pool(0, 3, 2, Pod("stays"), Pod("leaves", drains: true))], 4);

        Assert.Equal(["leaves"], step.Serve);
        Assert.Equal([3], step.Replicas);
    }

    [Fact]
    public void A_drained_pod_does_not_come_back_and_is_removed_before_another_is_made()
    {
        var drained = Pod("gone", ready: false, drains: true);

        Assert.Equal([1], Scaling.Next([Pool(0, 2, 2, Pod("stays"), drained)], 4).Replicas);
        Assert.Equal([2], Scaling.Next([Pool(0, 2, 1, Pod("stays"))], 4).Replicas);
    }

    [Fact]
    public void A_pod_that_is_not_made_yet_needs_no_draining()
    {
        var step = Scaling.Next([Pool(0, 1, 3, Pod("a"))], 4);

        Assert.Equal([1], step.Replicas);
        Assert.Empty(step.Drain);
    }

    [Fact]
    public void A_roll_out_is_let_through_before_anything_shrinks()
    {
        var step = Scaling.Next([Pool(0, 1, 2, Pod("a"), Pod("b")) with { Rolling = true }], 4);

        Assert.Empty(step.Drain);
        Assert.Equal([2], step.Replicas);
    }

    [Fact]
    public void A_pod_that_is_not_drained_in_any_reasonable_time_is_deleted()
    {
        var step = Scaling.Next([Pool(0, 1, 2, Pod("a"), Pod("hangs", drains: true) with { DrainedTooLong = true })], 4);

        Assert.Equal(["hangs"], step.Delete);
        Assert.Equal([1], step.Replicas);
    }

    [Fact]
    public void A_template_with_larger_workers_waits_until_they_fit_the_budget()
    {
        // 3 large of 1 GPU each are to be 1 of 2 GPUs, beside 2 small.
        ScalingStep Step(int replicas, params WorkerPod[] large) =>
            Scaling.Next([Larger(1, replicas, large), Pool(1, 2, 1, Pod("s"))], 4);

        var first = Step(3, Pod("a"), Pod("b"), Pod("c"));
        Assert.Equal(["big"], first.Waiting);
        Assert.Equal(2, first.Drain.Count);
        Assert.Equal([3, 1], first.Replicas);
        Assert.EndsWith("larger workers of big wait for GPUs that are still held", first.Reason, StringComparison.Ordinal);

        var drained = Step(3, Pod("a"), Pod("b", ready: false, drains: true), Pod("c", ready: false, drains: true));
        Assert.Equal(["big"], drained.Waiting);
        Assert.Equal([1, 1], drained.Replicas);
        Assert.Equal(["big"], Step(1, Pod("a"), Pod("b", ready: false, terminating: true), Pod("c", ready: false, terminating: true)).Waiting);

        var last = Step(1, Pod("a"));
        Assert.Empty(last.Waiting);
        Assert.Equal([1, 2], last.Replicas);
    }

    [Fact]
    public void A_template_with_larger_workers_ends_a_roll_out_that_does_not_end_by_itself()
    {
        var step = Scaling.Next([Larger(1, 2, Pod("a"), Pod("stuck", ready: false)) with { Rolling = true }], 2);

        Assert.Equal(["stuck"], step.Drain);
        Assert.Equal(["big"], step.Waiting);
        var drained = Scaling.Next([Larger(1, 2, Pod("a"), Pod("stuck", ready: false, drains: true)) with { Rolling = true }], 2);
        Assert.Equal([1], drained.Replicas);
    }

    [Fact]
    public void Larger_workers_that_fit_at_once_do_not_wait_and_grow_only_by_the_new_template()
    {
        var step = Scaling.Next([Larger(3, 1, Pod("a"))], 8);

        Assert.Empty(step.Waiting);
        Assert.Equal([1], step.Replicas);
    }

    [Fact]
    public void Pods_of_a_larger_template_hold_what_they_have_until_they_are_replaced()
    {
        // 2 GPUs each, of which the document wants 1: of 4 there is none for a third one yet.
        var pool = Pool(0, 4, 2, Pod("a") with { Gpus = 2 }, Pod("b") with { Gpus = 2 });

        Assert.Equal([2], Scaling.Next([pool with { GpusBefore = 2 }], 4).Replicas);
        Assert.Equal([2], Scaling.Next([pool], 4).Replicas);
        Assert.Equal([3], Scaling.Next([Pool(0, 4, 2, Pod("a") with { Gpus = 2 }, Pod("b") with { Gpus = 1 })], 4).Replicas);
    }

    /// <summary>Whatever is planned and in whatever order things happen: the budget holds, and the plan is reached.</summary>
    [Theory]
    [InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5)]
    public void The_budget_always_holds_and_every_plan_is_reached(int seed)
    {
        var random = new Random(seed);
        var world = new ClusterInSmall(random, budget: 8);
        for (var plan = 0; plan < 40; plan++)
        {
            var large = random.Next(1, 8);
            world.Targets = [large, random.Next(0, 9 - large)];
            var steps = 0;
            for (; !world.IsAsPlanned; steps++)
            {
                world.Step();
                Assert.True(world.Held <= 8, $"{world.Held} GPUs are held");
                Assert.True(steps < 200, $"[{string.Join(", ", world.Targets)}] is not reached: {world.Last?.Reason}");
            }
        }
    }

    private static PoolNow Pool(int i, int target, int? replicas, params WorkerPod[] pods) =>
        new(Documents.Mixture().Spec.Pools.ElementAt(i), target, replicas, Rolling: false, pods);

    /// <summary>The large pool, whose workers are to have 2 GPUs and have 1.</summary>
    private static PoolNow Larger(int target, int replicas, params WorkerPod[] pods) =>
        new(Documents.Mixture(s => s["large"]!["gpusPerReplica"] = 2).Spec.Large!, target, replicas, Rolling: false, pods, GpusBefore: 1);

    private static WorkerPod Pod(string name, bool ready = true, bool drains = false, bool terminating = false, int? inFlight = null) =>
        new(name, ready, terminating, drains, DrainedTooLong: false, inFlight, Noon);

    /// <summary>What Deployments, the kubelet and the gateway make of the steps, each at its own pace.</summary>
    private sealed class ClusterInSmall(Random random, int budget)
    {
        private readonly List<WorkerPod>[] _pods = [[], []];
        private readonly int?[] _replicas = [null, null];
        private int _names;

        public int[] Targets { get; set; } = [0, 0];
        public ScalingStep? Last { get; private set; }
        public int Held => _pods.Sum(p => p.Count);

        public bool IsAsPlanned => Enumerable.Range(0, 2).All(i =>
            _replicas[i] == Targets[i] && _pods[i].Count == Targets[i] && _pods[i].All(p => p is { Ready: true, Drains: false, Terminating: false }));

        public void Step()
        {
            Last = Scaling.Next([Pool(0, Targets[0], _replicas[0], [.. _pods[0]]), Pool(1, Targets[1], _replicas[1], [.. _pods[1]])], budget);
            for (var i = 0; i < 2; i++)
            {
                _replicas[i] = Last.Replicas[i];
                Change(i, p => Last.Drain.Contains(p.Name), p => p with { Drains = true });
                Change(i, p => Last.Serve.Contains(p.Name), p => p with { Drains = false });
                // The ReplicaSet: not-ready pods first.
                var alive = _pods[i].Where(p => !p.Terminating).OrderBy(p => p.Ready).ToList();
                foreach (var pod in alive.Take(Math.Max(0, alive.Count - _replicas[i]!.Value)))
                    Change(i, p => p.Name == pod.Name, p => p with { Terminating = true });
                for (var n = alive.Count; n < _replicas[i] && random.Next(2) == 0; n++)
                    _pods[i].Add(Pod($"pod-{_names++}", ready: false));
                // The kubelet and the gateway.
                Change(i, p => !p.Drains && !p.Ready && random.Next(2) == 0, p => p with { Ready = true });
                Change(i, p => p.Drains && random.Next(3) == 0, p => p with { Ready = false });
                _pods[i].RemoveAll(p => p.Terminating && random.Next(3) == 0);
            }
        }

        private void Change(int pool, Func<WorkerPod, bool> which, Func<WorkerPod, WorkerPod> how)
        {
            for (var i = 0; i < _pods[pool].Count; i++)
                if (which(_pods[pool][i])) _pods[pool][i] = how(_pods[pool][i]);
        }
    }
}
