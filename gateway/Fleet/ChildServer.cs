using System.Diagnostics;

namespace MoDM.Gateway.Fleet;

/// <summary>
/// A server process of ours on this machine. It says on stdout where it listens, and ends when its stdin closes, so
/// that it never outlives this process, even one that was killed.
/// </summary>
public sealed class ChildServer : IDisposable
{
    private const string Listening = " listening on ";

    private readonly Process _process;
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<string> _errors = new();

    /// <param name="assembly">The program's .dll.</param>
    /// <param name="onLine">Gets every line that it writes to stderr.</param>
    public ChildServer(string assembly, IEnumerable<string> arguments, Action<string>? onLine = null)
    {
        // The host that runs this process, or the one that "dotnet run" told it of, or the one on the path.
        var dotnet = Environment.ProcessPath is { } self && Path.GetFileNameWithoutExtension(self) == "dotnet" ? self
            : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        var start = new ProcessStartInfo(dotnet, [assembly, .. arguments, "--exit-with-stdin"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Kestrel would take these before --urls.
        foreach (var name in new[] { "ASPNETCORE_URLS", "ASPNETCORE_HTTP_PORTS", "DOTNET_URLS" })
            start.Environment.Remove(name);
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) => OnOutput(e.Data);
        _process.ErrorDataReceived += (_, e) => OnError(e.Data, onLine);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        Exited = WaitForExitAsync();
    }

    public int Id => _process.Id;

    /// <summary>Completes with the exit code.</summary>
    public Task<int> Exited { get; }

    /// <summary>The last lines of stderr.</summary>
    public string ErrorTail
    {
        get { lock (_errors) return string.Join('\n', _errors); }
    }

    /// <summary>Where it listens, once it does.</summary>
    /// <exception cref="InvalidOperationException">It ended before; the message holds what it said.</exception>
    public async Task<Uri> AddressAsync(CancellationToken cancel)
    {
        await Task.WhenAny(_address.Task, Exited).WaitAsync(cancel);
        return _address.Task.IsCompleted ? await _address.Task
            : throw new InvalidOperationException($"The process ended with exit code {await Exited}: {ErrorTail}");
    }

    public void Kill()
    {
        try { _process.Kill(entireProcessTree: true); }
        catch (InvalidOperationException) { /* It has ended already. */ }
    }

    /// <summary>Asks it to end by closing its stdin, and ends it when it has not after <paramref name="grace"/>.</summary>
    public async Task StopAsync(TimeSpan grace)
    {
        _process.StandardInput.Close();
        if (await Task.WhenAny(Exited, Task.Delay(grace)) != Exited) Kill();
        await Exited;
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    private void OnOutput(string? line)
    {
        if (line?.IndexOf(Listening, StringComparison.Ordinal) is >= 0 and var i
            && Uri.TryCreate(line[(i + Listening.Length)..].Trim(), UriKind.Absolute, out var address))
            _address.TrySetResult(address);
    }

    private void OnError(string? line, Action<string>? onLine)
    {
        if (line is null) return;
        lock (_errors)
        {
            _errors.Enqueue(line);
            if (_errors.Count > 50) _errors.Dequeue();
        }
        onLine?.Invoke(line);
    }
}
