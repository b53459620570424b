using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Tests;

/// <summary>A mixture in memory, for tests without processes.</summary>
internal static class TestMixture
{
    public static MixtureSpec Spec(double sloSeconds = 30, DegradeStep degrade = DegradeStep.SmallForMisses) => new()
    {
        Steps = 50,
        Large = Pool("large"),
        Small = [Pool("small")],
        GpuBudget = 2,
        Cache = new CacheSpec { Capacity = 10, Admit = CacheAdmit.All, EmbedderPath = "", Hits = [new(0.25, 0.1), new(0.3, 0.6)] },
        Slo = new SloSpec { Latency = TimeSpan.FromSeconds(sloSeconds), Degrade = degrade },
    };

    public static Arrival Miss(TimeSpan came, int images = 1, double work = 1) => new(came, CacheRoute.Miss, images, work, work, work);

    public static Arrival Hit(TimeSpan came, int images = 1, double work = 0.9, double raised = 0.4) =>
        new(came, CacheRoute.Hit, images, work, work, raised);

    public static WorkerSlot Large(string id = "l") => new(id, "large", isLarge: true, 0, 1);

    public static WorkerSlot Small(string id = "s") => new(id, "small", isLarge: false, 1, 1);

    private static WorkerPool Pool(string name) => new()
    {
        Name = name,
        ModelPath = "",
        GuidanceScale = 3,
        MinReplicas = 1,
        MaxReplicas = 1,
        GpusPerReplica = 1,
    };
}
