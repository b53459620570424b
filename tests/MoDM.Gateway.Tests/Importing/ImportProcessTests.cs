using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using MoDM.Fakes;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;
using MoDM.Mixture;

namespace MoDM.Gateway.Tests.Importing;

/// <summary>gateway import as a process, and a gateway after it.</summary>
public sealed class ImportProcessTests
{
    private readonly string _cache = TempFolder.New();

    [Fact]
    public async Task After_a_kill_the_same_command_goes_on_and_nothing_is_there_twice()
    {
        const int Pictures = 1500;
        var folder = Paintings.Folder(Pictures);
        using (var first = Start("import", folder, "--cache", _cache))
        {
            await GatewayProcess.Eventually(() => Task.FromResult(Files("*.png") is > 100 and < Pictures));
            first.Kill();
            await first.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        var before = Files("*.png");
        Assert.InRange(before, 100, Pictures - 1);

        var (code, said, _) = await RunAsync("import", folder, "--cache", _cache);

        Assert.Equal(0, code);
        using var cache = Open();
        Assert.Equal((Pictures, Pictures), (cache.Count, Files("*.png")));
        Assert.All(Enumerable.Range(0, Pictures), i => Assert.Equal($"picture {i}", cache.Entry(ImageId.Of("", Paintings.Png(i)))!.Prompt));
        Assert.All(Enumerable.Range(0, Pictures).Where(i => i % 50 == 0), i => Assert.Equal(Paintings.Png(i), cache.Read(ImageId.Of("", Paintings.Png(i)))));
        // Those that were written and not yet entered, a batch at most, are entered now.
        var there = int.Parse(said.Split(", ")[1].Split(' ')[0].Replace(",", "", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(there, before - 64, before);

        cache.Dispose();
        Assert.Equal((0, "0 imported, 1,500 were there already, 0 could not be, 0 left the full cache.\n"), await RunAsync("import", folder, "--cache", _cache) is var (c, s, _) ? (c, s) : default);
    }

    [Fact]
    public async Task A_gateway_starts_from_an_imported_picture()
    {
        Assert.Equal(0, (await RunAsync("import", Repo.File("examples", "pictures.jsonl"), "--cache", _cache)).Code);
        await using var large = await FakeWorker.StartAsync("postcards-large");
        await using var small = await FakeWorker.StartAsync("postcards-small");
        await using var gateway = await GatewayProcess.StartAsync([large, small], "--cache", _cache);

        var response = await gateway.GenerateAsync(new { prompt = "a white hot air balloon over the mountains at night" });

        var story = (await GatewayProcess.JsonAsync(response))["modm"]!;
        Assert.Equal("hit", (string)story["route"]!);
        Assert.Equal(ImageId.Of("", Golden.Bytes("clip/image-0.png")), (string)story["source_image"]!);
        Assert.Equal("a white hot air balloon over the mountains at night", (string)story["source_prompt"]!);
        Assert.InRange((double)story["similarity"]!, 0.8, 0.9);
    }

    [Fact]
    public async Task A_folder_that_a_gateway_has_is_left_to_it()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        await using var gateway = await GatewayProcess.StartAsync([large], "--cache", _cache);

        var (code, _, error) = await RunAsync("import", Paintings.Folder(1), "--cache", _cache);

        Assert.Equal(2, code);
        Assert.Contains($"The cache folder {_cache} cannot be used. It belongs to one process at a time: if a gateway has it, stop that one", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_mistakes_of_the_command_line_are_told_at_once()
    {
        var story = Repo.File("gateway", "stories.yaml");

        var (code, _, error) = await RunAsync("import", "/nowhere", "--mixture", story, "--turbo", "--tenant");

        Assert.Equal(2, code);
        foreach (var expected in new[] { "/nowhere is neither a folder nor a file.", "is not an Image mixture", "--turbo is not an option", "--tenant needs a value." })
            Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.Contains("It is not said what to import; usage: import DIR", (await RunAsync("import")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_could_not_be_imported_shows_in_the_exit_code_and_a_list_above_the_capacity_is_said_before()
    {
        var folder = Paintings.Folder(12);
        File.Delete(Path.Combine(folder, "0003.png"));
        var mixture = await OverloadTests.MixtureWithAsync("capacity: 10000", "capacity: 5");

        var (code, said, error) = await RunAsync("import", folder, "--cache", _cache, "--mixture", mixture, "--tenant", "acme", "--model", "sdxl");

        Assert.Equal((1, "11 imported (16x12: 11), 0 were there already, 1 could not be (no such picture: 1), 6 left the full cache.\n"), (code, said));
        Assert.Contains("The cache takes 5 images and has 0; of those and these 12 pictures the oldest leave (spec.cache.capacity).", error, StringComparison.Ordinal);
        Assert.Contains("metadata.jsonl line 4: ", error, StringComparison.Ordinal);
        using var cache = Open();
        var last = cache.Entry(ImageId.Of(Caller.HashOf("acme"), Paintings.Png(11)))!;
        Assert.Equal("sdxl", last.Model);
    }

    [Fact]
    public async Task A_signal_stops_it_after_what_was_embedded_is_written()
    {
        using var import = Start("import", Paintings.Folder(3000), "--cache", _cache);
        await GatewayProcess.Eventually(() => Task.FromResult(Files("*.png") > 0));
        using (var kill = Process.Start("kill", ["-TERM", $"{import.Id}"]))
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        var said = await import.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await import.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(130, import.ExitCode);
        Assert.EndsWith("; stopped, and the same command goes on with it.\n", said, StringComparison.Ordinal);
        using var cache = Open();
        Assert.StartsWith($"{cache.Count:N0} imported", said, StringComparison.Ordinal);
        Assert.Equal((cache.Count, 0), (Files("*.png"), Files("*.part")));
        Assert.InRange(cache.Count, 1, 2999);
    }

    private ImageCache Open() =>
        ImageCache.Open(_cache, () => CacheSpec.None with { Capacity = 100_000 }, TimeProvider.System, NullLogger.Instance);

    private int Files(string pattern)
    {
        var images = Path.Combine(_cache, "images");
        return Directory.Exists(images) ? Directory.GetFiles(images, pattern, SearchOption.AllDirectories).Length : 0;
    }

    internal static async Task<(int Code, string Said, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var (said, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(2));
        return (process.ExitCode, await said, await error);
    }

    private static Process Start(params string[] arguments)
    {
        var assembly = Path.Combine(AppContext.BaseDirectory.Replace("MoDM.Gateway.Tests", "MoDM.Gateway", StringComparison.Ordinal), "MoDM.Gateway.dll");
        return Process.Start(new ProcessStartInfo("dotnet", [assembly, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    }
}
