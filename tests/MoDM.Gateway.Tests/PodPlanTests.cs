using k8s.Models;
using MoDM.Gateway.Fleet;

namespace MoDM.Gateway.Tests;

public sealed class PodPlanTests
{
    private static readonly Uri Here = new("http://10.0.0.1:8000");
    private static readonly HashSet<string> Models = ["large", "small"];
    private static readonly WorkerPod Running = new("u", "pod", "large", Here, "Running", Terminating: false, Drains: false);
    private static readonly PodMember Known = new("u", Here, Draining: false, InFlight: 0, Phase: "ready");

    [Fact]
    public void A_pod_that_runs_is_added_and_one_that_cannot_serve_is_not()
    {
        Assert.Equal(PodStep.Add, StepFor(Running, null));
        Assert.Equal(PodStep.AddDraining, StepFor(Running with { Drains = true }, null));
        Assert.Null(StepFor(Running with { Address = null }, null));
        Assert.Null(StepFor(Running with { Phase = "Pending" }, null));
        Assert.Null(StepFor(Running with { Terminating = true }, null));
        Assert.Null(StepFor(Running with { Model = "another" }, null));
        Assert.Null(StepFor(Running, Known));
    }

    [Fact]
    public void A_marked_pod_is_drained_first_and_told_when_it_is_idle()
    {
        var marked = Running with { Drains = true };
        Assert.Equal(PodStep.Drain, StepFor(marked, Known));
        Assert.Null(StepFor(marked, Known with { Draining = true, InFlight = 1 }));
        Assert.Equal(PodStep.TellDrain, StepFor(marked, Known with { Draining = true }));
        Assert.Equal(PodStep.TellDrain, StepFor(marked, Known with { Draining = true, Phase = null })); // Again, until it says so.
        Assert.Null(StepFor(marked, Known with { Draining = true, Phase = "draining" }));
    }

    [Fact]
    public void A_pod_that_is_not_marked_any_more_serves_again_however_far_it_came()
    {
        Assert.Equal(PodStep.Serve, StepFor(Running, Known with { Draining = true, InFlight = 1 }));
        Assert.Equal(PodStep.Serve, StepFor(Running, Known with { Draining = true, Phase = "draining" }));
        Assert.Equal(PodStep.TellServe, StepFor(Running, Known with { Phase = "draining" }));
    }

    [Fact]
    public void A_pod_that_is_being_deleted_gets_nothing_new_and_is_forgotten_when_it_is_gone()
    {
        var leaving = Running with { Terminating = true, Drains = true };
        Assert.Equal(PodStep.Drain, StepFor(leaving, Known));
        Assert.Null(StepFor(leaving, Known with { Draining = true, InFlight = 1, Phase = null }));
        Assert.Null(StepFor(leaving, Known with { Draining = true, Phase = "draining" }));
        Assert.Equal(PodStep.Remove, StepFor(leaving, Known with { Draining = true, Phase = null }));
        Assert.Equal([new PodAction(PodStep.Remove, "u", "its pod is gone")], PodPlan.Decide([], [Known], Models));
    }

    [Fact]
    public void A_pod_that_has_ended_or_moved_is_another_worker()
    {
        Assert.Equal(PodStep.Remove, StepFor(Running with { Phase = "Failed" }, Known));
        Assert.Equal(PodStep.Remove, StepFor(Running with { Phase = "Succeeded" }, Known with { Draining = true }));
        Assert.Equal(PodStep.Remove, StepFor(Running with { Address = new Uri("http://10.0.0.2:8000") }, Known));
        Assert.Equal(PodStep.Remove, StepFor(Running with { Address = null }, Known));
        Assert.Equal(["n", "u"], PodPlan.Decide([Running with { Uid = "n" }], [Known], Models).Select(a => a.Pod));
    }

    [Fact]
    public void A_pod_is_read_with_its_own_port_and_address_of_either_kind()
    {
        var pod = new V1Pod
        {
            Metadata = new() { Uid = "u", Name = "p", Labels = new Dictionary<string, string> { ["modm.dev/pool"] = "small" } },
            Spec = new V1PodSpec { Containers = [new() { Name = "w", Ports = [new() { Name = "http", ContainerPort = 9000 }] }] },
            Status = new() { PodIP = "fd00::1", Phase = "Running" },
        };
        Assert.Equal(new WorkerPod("u", "p", "small", new Uri("http://[fd00::1]:9000"), "Running", false, false), WorkerPod.Of(pod));

        (pod.Spec.Containers[0].Ports, pod.Status.PodIP) = (null, "10.0.0.1");
        pod.Metadata.Annotations = new Dictionary<string, string> { ["modm.dev/drain"] = "" };
        Assert.Equal((Here, true), (WorkerPod.Of(pod).Address, WorkerPod.Of(pod).Drains));

        Assert.Null(WorkerPod.Of(new V1Pod { Metadata = new() { Uid = "u", Name = "p" } }).Address);
    }

    private static PodStep? StepFor(WorkerPod pod, PodMember? member) =>
        PodPlan.Decide([pod], member is null ? [] : [member], Models) switch
        {
            [] => null,
            [{ Reason.Length: > 0 } action] => action.Step,
            var more => throw new InvalidOperationException(string.Join(", ", more)),
        };
}
