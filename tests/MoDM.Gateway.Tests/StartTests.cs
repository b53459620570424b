using MoDM.Fakes;
using MoDM.Gateway.Fleet;

namespace MoDM.Gateway.Tests;

/// <summary>What cannot work ends the process with exit code 2 and says what to change.</summary>
public sealed class StartTests
{
    [Fact]
    public async Task All_mistakes_of_a_document_and_the_options_are_told_at_once()
    {
        var file = await OverloadTests.MixtureWithAsync("steps: 50", "steps: none");
        await File.AppendAllTextAsync(file, "  surprise: 1\n", TestContext.Current.CancellationToken);

        var (code, said) = await RunAsync("--mixture", file, "--turbo", "--queue-limit", "0");

        Assert.Equal(2, code);
        foreach (var expected in new[] { "spec.steps: is \"none\"", "spec.surprise: is not a field here", "--turbo is not an option", "--queue-limit is 0" })
            Assert.Contains(expected, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a: [", "is not YAML at line")]
    [InlineData("", "holds 0 YAML documents")]
    [InlineData("a: 1\n---\nb: 2", "holds 2 YAML documents")]
    [InlineData("just text", "is not a mapping")]
    public async Task A_file_that_is_no_document_is_refused(string text, string expected)
    {
        var file = Path.Combine(TempFolder.New(), "file");
        await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);

        var (code, said) = await RunAsync("--mixture", file);

        Assert.Equal(2, code);
        Assert.Contains(expected, said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Model_folders_that_are_not_there_are_all_named()
    {
        var (code, said) = await RunAsync("--mixture", await OverloadTests.MixtureWithAsync("postcards-", "nowhere-"));

        Assert.Equal(2, code);
        foreach (var path in new[] { "spec.large.model.path", "spec.small[0].model.path", "spec.cache.embedder.path" })
            Assert.Contains(path, said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broken_embedder_is_named_with_its_file()
    {
        var folder = TempFolder.New();
        var (code, said) = await RunAsync("--mixture", await OverloadTests.MixtureWithAsync("../models/postcards-clip", folder));

        Assert.Equal(2, code);
        Assert.Contains(folder, said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_that_cannot_load_its_model_ends_the_gateway_with_what_it_said()
    {
        var folder = TempFolder.New();
        var (code, said) = await RunAsync("--mixture", await OverloadTests.MixtureWithAsync("../models/postcards-small", folder));

        Assert.Equal(2, code);
        Assert.Contains("The worker for postcards-small cannot start", said, StringComparison.Ordinal);
        Assert.Contains("model_index.json", said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_worker_program_that_is_not_there_is_noticed_before_the_start()
    {
        Assert.Null(LocalFleet.WorkerAssembly(TempFolder.New()));
        Assert.NotNull(LocalFleet.WorkerAssembly(Path.Combine(Repo.Root, "artifacts", "bin", "MoDM.Gateway", Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)))));
    }

    [Fact]
    public async Task The_cache_folder_belongs_to_one_gateway_at_a_time()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");
        var cache = TempFolder.New();
        await using var gateway = await GatewayProcess.StartAsync([large], "--cache", cache);

        var (code, said) = await RunAsync("--cache", cache, "--worker", $"postcards-large={large.Address}");

        Assert.Equal(2, code);
        Assert.Contains($"The cache folder {cache} cannot be used; another gateway may have it", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_is_taken_is_told_in_one_line()
    {
        await using var large = await FakeWorker.StartAsync("postcards-large");

        var (code, said) = await RunAsync("--urls", large.Address.ToString(), "--worker", $"postcards-large={large.Address}");

        Assert.Equal(2, code);
        Assert.Contains("address already in use. Name another address with --urls.", said, StringComparison.Ordinal);
        Assert.DoesNotContain(" at ", said, StringComparison.Ordinal);
    }

    internal static async Task<(int Code, string Said)> RunAsync(params string[] arguments)
    {
        var assembly = Path.Combine(AppContext.BaseDirectory.Replace("MoDM.Gateway.Tests", "MoDM.Gateway", StringComparison.Ordinal), "MoDM.Gateway.dll");
        string[] cache = arguments.Contains("--cache") ? [] : ["--cache", TempFolder.New()];
        string[] urls = arguments.Contains("--urls") ? [] : ["--urls", "http://127.0.0.1:0"];
        using var server = new ChildServer(assembly, [.. urls, .. cache, .. arguments]);
        var code = await server.Exited.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        await Task.Delay(100, TestContext.Current.CancellationToken);
        return (code, server.ErrorTail);
    }
}
