using MoDM.Fakes;
using MoDM.Operator.Load;

namespace MoDM.Operator.Tests.Load;

public class PrometheusClientTests
{
    private const string Query = """modm_in_flight{namespace="art",mixture="postcards"}""";

    [Fact]
    public async Task Of_an_address_that_is_silent_twice_all_are_told_at_once_and_another_is_still_asked()
    {
        await using var silent = await FakePrometheus.StartAsync(TimeSpan.FromSeconds(1), "big", "little");
        await using var other = await FakePrometheus.StartAsync(TimeSpan.FromSeconds(1), "big", "little");
        silent.Silent = true;
        using var client = PrometheusClient.Create(TimeProvider.System);
        await Task.WhenAll(AskAsync(silent), AskAsync(silent));

        for (var i = 0; i < 20; i++)
            Assert.Contains("did not answer within 3 s", Assert.IsType<Reading<(IReadOnlyList<Series>, double)>.Unknown>(await AskAsync(silent)).Why, StringComparison.Ordinal);
        Assert.InRange(silent.Queries, 2, 3); // The third only where those 20 take 10 s.
        Assert.IsType<Reading<(IReadOnlyList<Series>, double)>.Known>(await AskAsync(other));

        Task<Reading<(IReadOnlyList<Series> Series, double Now)>> AskAsync(FakePrometheus of) =>
            client.QueryAsync(of.Address.ToString(), Query, TestContext.Current.CancellationToken);
    }
}
