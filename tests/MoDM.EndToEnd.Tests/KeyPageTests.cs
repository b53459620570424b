using MoDM.Fakes;
using MoDM.Gateway.Callers;
using static Microsoft.Playwright.Assertions;

namespace MoDM.EndToEnd.Tests;

/// <summary>The pages of a gateway with keys: they ask for one, and work with it.</summary>
public sealed class KeyPageTests(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task Both_pages_ask_for_the_key_keep_it_for_the_tab_and_work_with_it()
    {
        var (folder, said) = (TempFolder.New(), new StringWriter());
        var keys = Path.Combine(folder, "keys.jsonl");
        Assert.Equal(0, KeysCommand.Run(["add", "mia", "--keys", keys], said, TextWriter.Null));
        await using var gateway = await RunningGateway.StartAsync(Path.Combine(folder, "postcards"), said.ToString().Trim(), ["--keys", keys]);
        await using var visit = await browser.OpenAsync(gateway.Address);
        var (page, field) = (visit.Page, visit.Page.Locator("#key input"));

        await Expect(field).ToBeVisibleAsync();
        await Expect(page.Locator("#live-text")).ToHaveTextAsync("asks for an API key");
        await visit.Prompt.FillAsync("a red kite over the sea");
        await visit.Prompt.PressAsync("Enter");
        await Expect(visit.Alert.First).ToContainTextAsync("There is no API key");

        await field.FillAsync(said.ToString().Trim());
        await visit.DrawAsync("a red kite over the sea");
        await Expect(page.Locator("#live-text")).ToHaveTextAsync("postcards");

        // The other page, in the same tab.
        await page.GotoAsync(new Uri(gateway.Address, "/stories/").AbsoluteUri);
        await Expect(page.Locator("#live[data-state=live]")).ToBeVisibleAsync();
        await page.Locator("#prompt").FillAsync("Mia had a red kite. One windy day the string broke.");
        await page.Locator("#write").ClickAsync();
        await Expect(page.Locator("article.ending:visible .why")).ToContainTextAsync("mamba");
        Assert.DoesNotContain("modm_", await page.EvaluateAsync<string>("() => JSON.stringify(localStorage) + location.href + document.cookie"), StringComparison.Ordinal);
    }
}
