using System.Diagnostics;
using k8s;
using MoDM.Cluster;
using MoDM.Fakes;

namespace MoDM.Operator.Tests.Cluster;

/// <summary>Waits for what must become true, with patience for a slow machine.</summary>
internal static class Eventually
{
    public static async Task Holds(Func<bool> condition, string what)
    {
        var waited = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(60), $"still not after a minute: {what}");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    public static ApiServer Client(this FakeApiServer server, string name = "test") =>
        new(new KubernetesClientConfiguration { Host = server.Address.ToString(), Namespace = "fog", UserAgent = name });
}
