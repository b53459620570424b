using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using MoDM.Fakes;
using MoDM.Onnx;
using static Microsoft.Playwright.Assertions;

namespace MoDM.EndToEnd.Tests.Stories;

/// <summary>What <c>dotnet run --project gateway</c> starts: pictures, and stories behind the same address.</summary>
public sealed class DemoFixture : IAsyncLifetime
{
    public RunningGateway Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Gateway = await RunningGateway.StartAsync(Path.Combine(TempFolder.New(), "postcards"), []);
        await RunningGateway.EventuallyAsync(async () =>
            (await Gateway.Http.PostAsJsonAsync("/v1/completions", new { model = "mamba", prompt = "Mia", max_tokens = 1 }, TestContext.Current.CancellationToken)).IsSuccessStatusCode);
    }

    public ValueTask DisposeAsync() => Gateway.DisposeAsync();
}

/// <summary>The demo's stories: the writing place in a browser, and endings with pictures.</summary>
public sealed class StoriesTests(DemoFixture demo, Browser browser) : IClassFixture<DemoFixture>, IClassFixture<Browser>
{
    private const string Beginning = "Mia had a red kite. One windy day the string broke.";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_ending_is_written_and_illustrated_by_the_two_mixtures()
    {
        var response = await demo.Gateway.Http.PostAsJsonAsync(
            "/v1/stories/endings", new { prompt = Beginning, sentences = 2, model = "mamba", illustrate = true, seed = 7 }, Cancel);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancel))!;
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
        Assert.Equal((2, "mamba", "small"), ((int)body["sentences"]!, (string)body["model"]!, response.Headers.GetValues("x-modm-route").First()));
        var picture = RgbImage.Decode(Convert.FromBase64String((string)body["image"]!["b64_json"]!));
        Assert.Equal((128, 128), (picture.Width, picture.Height));
        Assert.NotNull(body["image"]!["modm"]);
    }

    [Fact]
    public async Task The_writing_place_writes_streams_tries_again_and_illustrates()
    {
        await using var visit = await OpenAsync();
        var page = visit.Page;
        await page.Locator("#prompt").FillAsync(Beginning);
        await page.Locator("#sentences").SelectOptionAsync("2");
        await page.Locator("#illustrate").CheckAsync();
        await page.Locator("#prompt").PressAsync("Control+Enter");

        var endings = page.Locator("article.ending:visible");
        await Expect(endings).ToHaveCountAsync(1);
        await Expect(endings.First.Locator("img")).ToBeVisibleAsync();
        Assert.Equal(128, await Visit.NaturalWidthAsync(endings.First.Locator("img")));
        await Expect(endings.First.Locator(".why")).ToContainTextAsync("mamba");
        await Expect(endings.First.Locator(".why")).ToContainTextAsync("no API key");
        var first = await endings.First.Locator(".words").InnerTextAsync();
        Assert.Matches("[.!?…\"”]$", first.Trim());

        await page.Locator("#another").ClickAsync();
        await Expect(endings).ToHaveCountAsync(2);
        await Expect(endings.First.Locator("img")).ToBeVisibleAsync();
        await Expect(endings.Nth(1).Locator(".words")).ToHaveTextAsync(first);
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task It_fits_a_phone_and_remembers_what_was_written()
    {
        await using var visit = await OpenAsync(360, 740);
        var page = visit.Page;
        await page.Locator("#prompt").FillAsync(Beginning);
        await page.Locator("#write").ClickAsync();
        await Expect(page.Locator("article.ending:visible .why")).ToContainTextAsync("mamba");
        Assert.True(await page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth <= 360"));
        await page.ReloadAsync();
        await Expect(page.Locator("#prompt")).ToHaveValueAsync(Beginning);
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task An_empty_beginning_is_refused_in_words()
    {
        await using var visit = await browser.OpenAsync(new Uri(demo.Gateway.Address, "/stories/"));
        await visit.Page.Locator("#prompt").FillAsync("  ");
        await visit.Page.Locator("#prompt").PressAsync("Control+Enter");
        await Expect(visit.Page.Locator("#alert")).Not.ToBeEmptyAsync();
        await Expect(visit.Page.Locator("article.ending:visible")).ToHaveCountAsync(0);
    }

    /// <summary>The page, once it knows the models.</summary>
    private async Task<Visit> OpenAsync(int width = 1280, int height = 900)
    {
        var visit = await browser.OpenAsync(new Uri(demo.Gateway.Address, "/stories/"), width, height);
        await Expect(visit.Page.Locator("#live[data-state=live]")).ToBeVisibleAsync();
        return visit;
    }
}
