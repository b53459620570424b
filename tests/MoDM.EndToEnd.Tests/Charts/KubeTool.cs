using System.Diagnostics;

namespace MoDM.EndToEnd.Tests.Charts;

/// <summary>A program of the chart's author: in the folder that MODM_TOOLS names, where .ci/kube-tools.sh puts it, or on PATH.</summary>
internal sealed class KubeTool
{
    public static KubeTool Helm { get; } = new("helm", "set MODM_TOOLS=$(.ci/kube-tools.sh)");

    public static KubeTool Promtool { get; } = new("promtool", "apt-get install --no-install-recommends prometheus");

    private readonly string _name, _install;
    private readonly string? _path;

    private KubeTool(string name, string install)
    {
        (_name, _install) = (name, install);
        string?[] folders =
        [
            Environment.GetEnvironmentVariable("MODM_TOOLS"),
            Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "modm-tools"),
            .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator),
        ];
        _path = folders.Where(f => !string.IsNullOrEmpty(f)).Select(f => Path.Combine(f!, name)).FirstOrDefault(File.Exists);
    }

    /// <summary>Skips the test where the tool is missing.</summary>
    public void Need(string test) =>
        Assert.SkipUnless(_path is not null, $"{test}: there is no {_name} in MODM_TOOLS, in ~/.cache/modm-tools or on PATH; {_install}.");

    /// <returns>Its exit code, and what it said on both outputs.</returns>
    public async Task<(int Code, string Out, string Error)> RunAsync(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(_path!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["KUBECONFIG"] = "/dev/null";     // no cluster: the chart alone
        using var process = Process.Start(start)!;
        var cancel = TestContext.Current.CancellationToken;
        var output = process.StandardOutput.ReadToEndAsync(cancel);
        var error = process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        return (process.ExitCode, await output, await error);
    }
}
