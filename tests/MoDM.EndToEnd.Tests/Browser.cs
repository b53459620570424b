using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace MoDM.EndToEnd.Tests;

/// <summary>One Chromium for the tests of a class. A test that needs it is skipped where there is none.</summary>
public sealed class Browser : IAsyncDisposable
{
    private const string Path = "/usr/bin/chromium";
    private static readonly string[] Arguments =
    [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ];

    private readonly SemaphoreSlim _starting = new(1);
    private IPlaywright? _playwright;
    private IBrowser? _chromium;

    /// <summary>Opens the page of the gateway at <paramref name="address"/> in a fresh profile.</summary>
    public async Task<Visit> OpenAsync(Uri address, int width = 1280, int height = 800)
    {
        Assert.SkipUnless(File.Exists(Path), $"needs Chromium at {Path}");
        var context = await (await StartAsync()).NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = height },
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(30_000);
        var visit = new Visit(address, await context.NewPageAsync());
        await visit.Page.GotoAsync(address.AbsoluteUri);
        return visit;
    }

    public async ValueTask DisposeAsync()
    {
        if (_chromium is not null) await _chromium.DisposeAsync();
        _playwright?.Dispose();
        _starting.Dispose();
    }

    private async Task<IBrowser> StartAsync()
    {
        await _starting.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            Assertions.SetDefaultExpectTimeout(30_000);
            _playwright ??= await Playwright.CreateAsync();
            _chromium ??= await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Path, Args = Arguments });
            return _chromium;
        }
        finally
        {
            _starting.Release();
        }
    }
}

/// <summary>One visitor on the page, and what went on behind it.</summary>
public sealed class Visit : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _complaints = [];

    public Visit(Uri address, IPage page)
    {
        Page = page;
        page.PageError += (_, error) => _complaints.Enqueue(error);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning") _complaints.Enqueue(message.Text);
        };
        page.Request += (_, request) =>
        {
            var target = new Uri(request.Url);
            if (target.Scheme is not "blob" and not "data" && target.Authority != address.Authority)
                _complaints.Enqueue($"a request to {target}");
        };
    }

    public IPage Page { get; }
    public ILocator Prompt => Page.GetByLabel("What shall I draw?");
    public ILocator Draw => Page.GetByRole(AriaRole.Button, new() { Name = "Draw", Exact = true });
    public ILocator Story => Page.GetByRole(AriaRole.Article, new() { Name = "How this picture came to be" });
    public ILocator Picture => Page.Locator("#image");
    public ILocator Alert => Page.GetByRole(AriaRole.Alert);
    public ILocator Note => Page.Locator("#note");
    public ILocator Gallery => Page.Locator("#thumbs button");

    public ILocator Choice(string name) => Page.GetByRole(AriaRole.Combobox, new() { Name = name, Exact = true });

    /// <summary>Types the prompt and presses Enter; returns when the picture and its story are there.</summary>
    public async Task DrawAsync(string prompt)
    {
        await Prompt.FillAsync(prompt);
        await Prompt.PressAsync("Enter");
        await Assertions.Expect(Note).ToContainTextAsync("Done in");
        await Assertions.Expect(Story).ToBeVisibleAsync();
    }

    /// <summary>The width in pixels of what an image element really shows: 0 when it did not load.</summary>
    public static Task<int> NaturalWidthAsync(ILocator image) =>
        image.EvaluateAsync<int>("async e => { await e.decode().catch(() => {}); return e.naturalWidth; }");

    /// <summary>Console errors and warnings, script errors, and requests to other hosts than the gateway.</summary>
    /// <param name="except">What a test provokes, such as the browser's own line about a status of 400.</param>
    public void ShouldHaveNoComplaints(string? except = null) =>
        Assert.DoesNotContain(_complaints, c => except is null || !c.Contains(except, StringComparison.Ordinal));

    public async ValueTask DisposeAsync() => await Page.Context.DisposeAsync();
}
