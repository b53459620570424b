using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace MoDM.EndToEnd.Tests;

/// <summary>The gateway's page in a real browser, in front of a real gateway.</summary>
public sealed partial class PageTests(GatewayFixture gateway, Browser browser)
    : IClassFixture<GatewayFixture>, IClassFixture<Browser>
{
    private const string Rocket = "a yellow rocket over desert dunes under an aurora";
    private const string Cabin = "a green cabin near a pine forest at night with stars";

    [Fact]
    public async Task Enter_draws_a_picture_and_tells_its_story()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.Prompt.FillAsync(Cabin);
        await visit.Page.EvaluateAsync(WatchPhases);
        await visit.Prompt.PressAsync("Enter");
        await Expect(visit.Note).ToHaveTextAsync(DoneInSeconds());

        var phases = await visit.Page.EvaluateAsync<string[]>("() => window.phases");
        Assert.Contains(phases, p => StepOfSteps().IsMatch(p));
        Assert.Equal(128, await Visit.NaturalWidthAsync(visit.Picture));
        await Expect(visit.Picture).ToHaveAttributeAsync("alt", Cabin);
        await Expect(visit.Story.Locator("h2")).ToHaveTextAsync(Cabin);
        await Expect(visit.Story.Locator("#route")).ToHaveTextAsync(HitOrMiss());
        await Expect(visit.Story.Locator("#reason")).Not.ToBeEmptyAsync();
        await Expect(visit.Story.Locator("#model")).ToHaveTextAsync(PostcardsModel());
        await Expect(visit.Story.Locator("#seed")).ToHaveTextAsync(WholeNumber());
        await Expect(visit.Story.Locator("#steps")).ToContainTextAsync("steps");
        await Expect(visit.Gallery).ToHaveCountAsync(1);
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task Previews_appear_before_the_picture_is_finished()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.Page.EvaluateAsync(
            """
            () => {
              window.previews = new Set();
              const image = document.getElementById('image');
              new MutationObserver(() => image.classList.contains('preview') && image.src && previews.add(image.src))
                .observe(image, { attributes: true });
            }
            """);
        await visit.DrawAsync("a pink round tree near green hills under grey clouds");

        Assert.InRange(await visit.Page.EvaluateAsync<int>("() => previews.size"), 1, 2);
        await Expect(visit.Picture).Not.ToHaveClassAsync(Preview());
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task The_same_prompt_again_is_a_hit_beside_the_picture_it_came_from()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        var before = await CachedImagesAsync(visit);
        await visit.DrawAsync(Rocket);
        // The new picture enters the cache a moment after it was answered.
        await WaitUntilAsync(async () => await CachedImagesAsync(visit) > before);
        await visit.DrawAsync(Rocket);

        await Expect(visit.Story.Locator("#route")).ToHaveTextAsync("hit");
        await Expect(visit.Story.Locator("#similarity")).ToHaveTextAsync(Similarity());
        await Expect(visit.Story.Locator("#source")).ToBeVisibleAsync();
        Assert.Equal(128, await Visit.NaturalWidthAsync(visit.Story.Locator("#source-image")));
        await Expect(visit.Story.Locator("#source-prompt")).Not.ToBeEmptyAsync();
        await Expect(visit.Story.Locator("#steps")).ToContainTextAsync("skipped");

        await Expect(visit.Gallery).ToHaveCountAsync(2);
        await visit.Gallery.Nth(1).ClickAsync();
        await Expect(visit.Gallery.Nth(1)).ToHaveAttributeAsync("aria-current", "true");
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task Several_images_are_drawn_side_by_side_with_seeds_that_follow_each_other()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.Page.GetByText("Options").ClickAsync();
        await visit.Choice("Images").SelectOptionAsync("2");
        // Beyond 2^53, where a JavaScript number would round.
        await visit.Page.GetByLabel("Seed").FillAsync("9007199254740993");
        await visit.DrawAsync("a white lighthouse by the sea at sunset, watercolor painting");

        var batch = visit.Page.GetByRole(AriaRole.Group, new() { Name = "Images of this request" })
            .GetByRole(AriaRole.Button);
        await Expect(batch).ToHaveCountAsync(2);
        await Expect(visit.Story.Locator("#seed")).ToHaveTextAsync("9007199254740993");
        await batch.Nth(1).ClickAsync();
        await Expect(visit.Story.Locator("#seed")).ToHaveTextAsync("9007199254740994");
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task Again_with_this_seed_repeats_the_seed_and_a_new_seed_does_not()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.DrawAsync("a blue sailboat on the sea on a sunny day");
        var seed = await visit.Story.Locator("#seed").InnerTextAsync();

        await visit.Story.GetByRole(AriaRole.Button, new() { Name = "Again with this seed" }).ClickAsync();
        await Expect(visit.Page.Locator("#thumbs .badge:visible")).ToHaveCountAsync(2);
        await Expect(visit.Story.Locator("#seed")).ToHaveTextAsync(seed);

        await visit.Story.GetByRole(AriaRole.Button, new() { Name = "New seed" }).ClickAsync();
        await Expect(visit.Page.Locator("#thumbs .badge:visible")).ToHaveCountAsync(3);
        await Expect(visit.Story.Locator("#seed")).Not.ToHaveTextAsync(seed);
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task Every_wrong_field_is_named_in_the_words_of_the_API()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.Page.GetByText("Options").ClickAsync();
        await visit.Page.GetByLabel("Seed").FillAsync("-4");
        await visit.Page.GetByText("Options").ClickAsync();
        await visit.Prompt.FillAsync("   ");
        await visit.Prompt.PressAsync("Enter");

        await Expect(visit.Alert).ToContainTextAsync("prompt: is empty");
        await Expect(visit.Alert).ToContainTextAsync("seed: -4 is not a whole number");
        await Expect(visit.Prompt).ToBeFocusedAsync();
        await Expect(visit.Prompt).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(visit.Page.GetByLabel("Seed")).ToBeVisibleAsync();
        await Expect(visit.Page.GetByLabel("Seed")).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(visit.Gallery).ToHaveCountAsync(0);

        await visit.Page.GetByLabel("Seed").FillAsync("4");
        await visit.DrawAsync(Cabin);
        await Expect(visit.Alert).ToBeEmptyAsync();
        await Expect(visit.Prompt).Not.ToHaveAttributeAsync("aria-invalid", "true");
        visit.ShouldHaveNoComplaints(except: "status of 400");
    }

    [Fact]
    public async Task Escape_cancels_and_leaves_nothing_behind()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.Page.GetByText("Options").ClickAsync();
        await visit.Choice("Images").SelectOptionAsync("4");
        await visit.Page.GetByLabel("Steps").FillAsync("1000");
        await visit.Choice("Cache").SelectOptionAsync("bypass");
        await visit.Prompt.FillAsync(Cabin);
        await visit.Prompt.PressAsync("Enter");
        await Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Cancel" })).ToBeVisibleAsync();
        await visit.Page.Keyboard.PressAsync("Escape");

        await Expect(visit.Note).ToHaveTextAsync("Cancelled.");
        await Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Cancel" })).ToBeHiddenAsync();
        await Expect(visit.Gallery).ToHaveCountAsync(0);
        await Expect(visit.Alert).ToBeEmptyAsync();
        await Expect(visit.Draw).ToHaveAttributeAsync("aria-disabled", "false");
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task A_phone_needs_no_sideways_scrolling_and_Tab_reaches_the_button()
    {
        await using var visit = await browser.OpenAsync(gateway.Address, width: 390, height: 844);
        await visit.Page.GetByText("Options").ClickAsync();
        await visit.DrawAsync("a purple castle in front of the mountains on a cloudy day with a rainbow");
        var (content, window) = (await WidthAsync(visit, "scrollWidth"), await WidthAsync(visit, "clientWidth"));
        Assert.Equal(window, content);

        await visit.Prompt.FocusAsync();
        await visit.Page.Keyboard.PressAsync("Tab");
        await Expect(visit.Draw).ToBeFocusedAsync();
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task A_prompt_with_markup_is_shown_as_text()
    {
        const string Attack = "<img src=x onerror=\"window.harmed = 1\"> </textarea><script>window.harmed = 1</script>";
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.DrawAsync(Attack);

        await Expect(visit.Story.Locator("h2")).ToHaveTextAsync(Attack);
        Assert.Equal(0, await visit.Page.Locator("img[src='x'], body script").CountAsync());
        Assert.False(await visit.Page.EvaluateAsync<bool>("() => 'harmed' in window"));
        visit.ShouldHaveNoComplaints();
    }

    [Fact]
    public async Task The_live_strip_shows_the_gateway_and_says_plainly_when_it_is_gone()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        var state = visit.Page.Locator("#live-state");
        await Expect(state).ToHaveTextAsync("postcards");
        await Expect(visit.Page.Locator("#live-workers .worker.large")).Not.ToHaveCountAsync(0);
        await Expect(visit.Page.Locator("#live-cache")).ToHaveTextAsync(WholeNumber());
        visit.ShouldHaveNoComplaints();

        await visit.Page.Context.SetOfflineAsync(true);
        await Expect(state).ToHaveTextAsync("gateway does not answer");
        await visit.Page.Context.SetOfflineAsync(false);
        await Expect(state).ToHaveTextAsync("postcards");
    }

    [Fact]
    public async Task A_full_queue_is_told_with_a_countdown_to_the_next_try()
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.Page.RouteAsync("**/v1/images/generations", route => route.FulfillAsync(new()
        {
            Status = 429,
            ContentType = "application/json",
            Headers = new Dictionary<string, string> { ["Retry-After"] = "2" },
            Body = """{"error":{"message":"256 requests wait.","type":"rate_limit_error","code":"queue_full"}}""",
        }));
        await visit.Prompt.FillAsync(Cabin);
        await visit.Prompt.PressAsync("Enter");

        await Expect(visit.Alert).ToContainTextAsync("256 requests wait.");
        var retry = visit.Page.Locator("#retry");
        await Expect(retry).ToHaveTextAsync("Try again in 1 s");
        await Expect(retry).ToHaveTextAsync("Try again");

        await visit.Page.UnrouteAllAsync();
        await retry.ClickAsync();
        await Expect(visit.Story).ToBeVisibleAsync();
        await Expect(visit.Alert).ToBeEmptyAsync();
        visit.ShouldHaveNoComplaints(except: "status of 429");
    }

    [Theory]
    [InlineData("event: error\r\ndata: {\"error\":{\"message\":\"It went away.\"}}\r\n\r\n", "It went away.")]
    [InlineData("", "The answer ended with 1 image missing.")]
    public async Task A_stream_that_breaks_off_is_told(string end, string told)
    {
        await using var visit = await browser.OpenAsync(gateway.Address);
        await visit.Page.RouteAsync("**/v1/images/generations", route => route.FulfillAsync(new()
        {
            ContentType = "text/event-stream",
            Body = ": heartbeat\r\n\r\n: modm {\"index\":0,\"step\":3,\"steps\":50,\"model\":\"large\"}\r\n\r\n" + end,
        }));
        await visit.Prompt.FillAsync(Cabin);
        await visit.Prompt.PressAsync("Enter");

        await Expect(visit.Alert).ToContainTextAsync(told);
        await Expect(visit.Gallery).ToHaveCountAsync(0);
        await Expect(visit.Draw).ToHaveAttributeAsync("aria-disabled", "false");
        visit.ShouldHaveNoComplaints();
    }

    /// <summary>Keeps every text of the progress line: a small model is done before a test could look.</summary>
    private const string WatchPhases =
        """
        () => {
          window.phases = [];
          const phase = document.getElementById('phase');
          new MutationObserver(() => phases.push(phase.textContent)).observe(phase, { childList: true });
        }
        """;

    /// <summary>What the live strip says; it asks the gateway once a second.</summary>
    private static async Task<int> CachedImagesAsync(Visit visit)
    {
        var cell = visit.Page.Locator("#live-cache");
        await Expect(cell).ToHaveTextAsync(WholeNumber());
        return int.Parse(await cell.InnerTextAsync(), NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
    }

    private static async Task WaitUntilAsync(Func<Task<bool>> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (!await condition())
            await Task.Delay(100, limit.Token);
    }

    private static Task<int> WidthAsync(Visit visit, string which) =>
        visit.Page.EvaluateAsync<int>("which => document.documentElement[which]", which);

    [GeneratedRegex(@"^Done in \d+\.\d\d\ss: a (hit|miss)\.$")]
    private static partial Regex DoneInSeconds();

    [GeneratedRegex(@"^Step \d+ of \d+$")]
    private static partial Regex StepOfSteps();

    [GeneratedRegex("^(hit|miss)$")]
    private static partial Regex HitOrMiss();

    [GeneratedRegex("^postcards-(large|small)$")]
    private static partial Regex PostcardsModel();

    [GeneratedRegex(@"^[\d,]+$")]
    private static partial Regex WholeNumber();

    [GeneratedRegex(@"^similarity 0\.\d\d$")]
    private static partial Regex Similarity();

    [GeneratedRegex("preview")]
    private static partial Regex Preview();
}
