using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.EndToEnd.Tests;

/// <summary>The planner goes by what it measures, so other tests must not take the cores meanwhile.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>Real worker processes that come and go as the load asks for.</summary>
[Collection(nameof(Alone))]
public sealed class PlanningTests
{
    private const string Windmill = "a purple windmill over rolling hills at noon";

    [Fact]
    public async Task The_split_follows_the_load_both_ways_and_nobody_is_failed_by_it()
    {
        // Complaints 6 and 7. Two slots: at first both are large.
        await using var gateway = await RunningGateway.StartAsync(TempFolder.New(), "--mixture", await MixtureAsync());
        Assert.Equal((2, 0), Planned(await gateway.StatusAsync()));
        var answers = new List<string>();
        await AnswerAsync(gateway, new { prompt = Windmill, seed = 1 }, answers);
        await gateway.StatusAsync(s => (int)s["cache"]!["entries"]! > 0);

        await LoadAsync(gateway, new { prompt = Windmill }, answers, until: s => Planned(s) == (1, 1) && Serving(s) == (1, 1));
        await LoadAsync(gateway, new { prompt = Windmill, cache = "bypass" }, answers, until: s => Planned(s) == (2, 0) && Serving(s) == (2, 0));

        if (answers.Find(a => a != "drawn") is { } other) Assert.Fail($"{answers.Count(a => a != "drawn")} of {answers.Count} were not drawn, the first one: {other}");
        Assert.Equal(["postcards-large", "postcards-large"], gateway.Workers().Select(w => w.Model));
    }

    /// <summary>Six clients, each of whom waits for a picture before asking for the next one, until it is so.</summary>
    private static async Task LoadAsync(RunningGateway gateway, object request, List<string> answers, Func<JsonNode, bool> until)
    {
        var isSo = false;
        var clients = Enumerable.Range(0, 6).Select(async _ =>
        {
            while (!Volatile.Read(ref isSo))
                await AnswerAsync(gateway, request, answers);
        }).ToList();
        try
        {
            await RunningGateway.EventuallyAsync(async () =>
            {
                Assert.InRange(gateway.Workers().Count, 0, 2); // The machine's slots hold also while they are swapped.
                return until(await gateway.StatusAsync());
            }, seconds: 180);
        }
        finally
        {
            Volatile.Write(ref isSo, true);
            await Task.WhenAll(clients);
        }
    }

    private static async Task AnswerAsync(RunningGateway gateway, object request, List<string> answers)
    {
        var response = await gateway.Http.PostAsJsonAsync("/v1/images/generations", request, TestContext.Current.CancellationToken);
        if (response.StatusCode == HttpStatusCode.TooManyRequests)
        {
            // While models are swapped there may be too few workers to be in time: that is told, with when to come back.
            Assert.NotNull(response.Headers.RetryAfter?.Delta);
            await Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
            return;
        }
        var answer = response.IsSuccessStatusCode ? "drawn" : await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        lock (answers) answers.Add(answer);
    }

    private static (int Large, int Small) Planned(JsonNode status) =>
        ((int)status["plan"]!["workers"]!["postcards-large"]!, (int)status["plan"]!["workers"]!["postcards-small"]!);

    private static (int Large, int Small) Serving(JsonNode status)
    {
        int Of(string pool) => status["workers"]!.AsArray().Count(w => (string)w!["pool"]! == pool && (string)w["state"]! is "ready" or "busy");
        return (Of("large"), Of("small"));
    }

    private static Task<string> MixtureAsync() => RunningGateway.DemoMixtureAsync(text =>
    {
        var lines = text.Split('\n');
        var replicas = Enumerable.Range(0, lines.Length).Where(i => lines[i].Contains("replicas: {min: 1, max: 1}", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, replicas.Count);
        lines[replicas[0]] = lines[replicas[0]].Replace("max: 1", "max: 2", StringComparison.Ordinal);
        lines[replicas[1]] = lines[replicas[1]].Replace("min: 1, max: 1", "min: 0, max: 2", StringComparison.Ordinal);
        return string.Join('\n', lines).Replace("latency: 30s", "latency: 20s", StringComparison.Ordinal);
    });
}
