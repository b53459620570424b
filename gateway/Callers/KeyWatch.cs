namespace MoDM.Gateway.Callers;

/// <summary>
/// Takes over what changes in the file of keys. Its content is looked at every second: a Secret is swapped through a symlink,
/// and not every file system tells of changes. A file with mistakes changes nothing.
/// </summary>
internal sealed partial class KeyWatch(string file, KeyRing ring, TimeProvider time, ILogger<KeyWatch> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private string? _seen;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        GatewayMetrics.KeysValid.Set(1);
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            do
            {
                Look();
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The gateway is stopping.
        }
    }

    private void Look()
    {
        var (text, problems) = (default(string), default(IReadOnlyList<string>));
        try
        {
            text = File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems = [$"cannot be read: {e.Message}"];
        }
        var seen = text ?? problems![0];
        if (seen == _seen) return;
        var first = _seen is null;
        _seen = seen;

        var keys = default(IReadOnlyList<KeyLine>);
        if (text is not null) (keys, problems) = KeysFile.Parse(text);
        GatewayMetrics.KeysValid.Set(keys is null ? 0 : 1);
        if (keys is null)
        {
            Log.Kept(log, file, ring.Count, string.Join(' ', problems!));
            return;
        }
        ring.Take(keys);
        Log.Taken(log, file, keys.Count, first ? "are" : "are now");
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{File}: {Count} keys {AreNow} in force")]
        public static partial void Taken(ILogger log, string file, int count, string areNow);

        [LoggerMessage(2, LogLevel.Warning, "{File} has mistakes, and the {Count} keys from before it stay in force: {Problems}")]
        public static partial void Kept(ILogger log, string file, int count, string problems);
    }
}
