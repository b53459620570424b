using System.Text.RegularExpressions;
using MoDM.Fakes;
using static Microsoft.Playwright.Assertions;

namespace MoDM.EndToEnd.Tests;

/// <summary>What the page says of quality and savings, where every hit is drawn once more.</summary>
public sealed partial class QualityPageTests(Browser browser) : IClassFixture<Browser>
{
    private const string Rocket = "a yellow rocket over desert dunes under an aurora";

    [Fact]
    public async Task Quality_and_savings_are_shown_once_there_are_some_and_fit_on_a_phone()
    {
        var mixture = await RunningGateway.DemoMixtureAsync(text => text.Replace("latency: 30s", "latency: 10m", StringComparison.Ordinal)
            .Replace("capacity: 10000", "quality: {sample: 1}\n    capacity: 10000", StringComparison.Ordinal));
        await using var gateway = await RunningGateway.StartAsync(TempFolder.New(), "--mixture", mixture);
        await using var visit = await browser.OpenAsync(gateway.Address);
        var (quality, saved) = (visit.Page.Locator("#live-quality"), visit.Page.Locator("#live-saved"));
        await visit.DrawAsync(Rocket);
        await gateway.StatusAsync(s => (int)s["cache"]!["entries"]! == 1);
        await Expect(quality).ToBeHiddenAsync();
        await Expect(saved).ToBeHiddenAsync();

        for (var hits = 1; hits <= 2; hits++)
        {
            await visit.DrawAsync(Rocket);
            await Expect(visit.Story.Locator("#route")).ToHaveTextAsync("hit");
            await gateway.StatusAsync(s => (int)s["quality"]!["samples"]! == hits);
        }

        await Expect(quality).ToHaveTextAsync(RatioWithInterval());
        await Expect(quality).ToHaveAttributeAsync("title", TwoSamples());
        await Expect(saved).ToHaveTextAsync(StepsAndSeconds());
        await visit.Page.SetViewportSizeAsync(360, 740);
        Assert.Equal(360, await visit.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth"));
        await Expect(quality).ToBeInViewportAsync(new() { Ratio = 1 });
        await Expect(saved).ToBeInViewportAsync(new() { Ratio = 1 });
        visit.ShouldHaveNoComplaints();
    }

    [GeneratedRegex(@"^\d\.\d\d \(\d\.\d\d–\d\.\d\d\)$")]
    private static partial Regex RatioWithInterval();

    [GeneratedRegex("95 % interval, from 2 samples: hits have ")]
    private static partial Regex TwoSamples();

    [GeneratedRegex(@"^\d+ steps, -?[\d.]+\sGPU-s$")]
    private static partial Regex StepsAndSeconds();
}
