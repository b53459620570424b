using System.Globalization;
using System.Text.Json;
using MoDM.Api;
using MoDM.Mixture;

namespace MoDM.Gateway.Stories;

/// <summary>
/// Whether the external model may be asked: it has a key, budget is left, and it has not just failed. A failure lets it rest,
/// longer each time, so that not every request waits for the same timeout. Thread-safe.
/// </summary>
internal sealed class ExternalGate(CurrentMixture mixture, string? keyFile, string folder, TimeProvider time, ILogger<ExternalGate> log)
{
    private static readonly TimeSpan FirstRest = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly string _ledger = Path.Combine(folder, "external-tokens.json");
    private (string Day, long Tokens)? _spent;
    private (DateTimeOffset Until, string Why, string? Key)? _rest;
    private int _failures;

    /// <summary>Null: the mixture has no external model. The key is read anew each time, so that another one needs no restart.</summary>
    public (ExternalState State, ExternalModel Model, string? Key)? Look()
    {
        if (mixture.Now.Spec.External is not { } model) return null;
        var (key, missing) = ReadKey(model);
        lock (_lock)
        {
            var now = time.GetUtcNow();
            if (_rest is { } rest && (rest.Until <= now || rest.Key != key)) _rest = null;
            var left = _rest is { } still ? Math.Ceiling((still.Until - now).TotalSeconds) : 0;
            return (new ExternalState(model.Name, missing, Spent(now), model.TokensPerDay,
                _rest is { } why ? $"{why.Why}; it is asked again in {left.ToString(CultureInfo.InvariantCulture)} s" : null), model, key);
        }
    }

    public void Succeeded() { lock (_lock) _failures = 0; }

    /// <param name="why">For the next request, which does not ask.</param>
    public void Failed(string why, TimeSpan? retryAfter, string? key)
    {
        lock (_lock)
        {
            var rest = FirstRest * Math.Pow(2, Math.Min(_failures++, 10));
            if (retryAfter is { } asked && asked > rest) rest = asked;
            _rest = (time.GetUtcNow() + (rest < LongestRest ? rest : LongestRest), why, key);
        }
    }

    /// <summary>On disk before the answer is complete: a restart does not give the day's budget again.</summary>
    public void Spend(TokenUsage usage)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            _spent = (DayOf(now), Spent(now) + usage.TotalTokens);
            try
            {
                Directory.CreateDirectory(folder);
                File.WriteAllText(_ledger + ".new", JsonSerializer.Serialize(new Dictionary<string, long> { [_spent.Value.Day] = _spent.Value.Tokens }));
                File.Move(_ledger + ".new", _ledger, overwrite: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                LedgerLog.NotKept(log, _ledger, e.Message);
            }
        }
    }

    private long Spent(DateTimeOffset now)
    {
        var day = DayOf(now);
        if (_spent is { } known) return known.Day == day ? known.Tokens : 0;
        long tokens = 0;
        try
        {
            if (File.Exists(_ledger))
                tokens = JsonSerializer.Deserialize<Dictionary<string, long>>(File.ReadAllText(_ledger))?.GetValueOrDefault(day) ?? 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            LedgerLog.NotKept(log, _ledger, e.Message);
        }
        _spent = (day, tokens);
        return tokens;
    }

    private (string? Key, string? Missing) ReadKey(ExternalModel model)
    {
        if ((keyFile ?? model.KeyFile) is not { } file)
            return model.KeySecret is null ? (null, null) : (null, "its Secret is not mounted here");
        // Clients read the reason too: where the file lies is not theirs to know.
        var name = Path.GetFileName(file);
        try
        {
            var key = File.ReadAllText(file).Trim();
            return key.Length == 0 ? (null, $"{name} is empty")
                : key.Any(c => c is <= ' ' or > '~') ? (null, $"{name} holds more than a key") : (key, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, $"{name} cannot be read");
        }
    }

    private static string DayOf(DateTimeOffset now) => now.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}

internal static partial class LedgerLog
{
    [LoggerMessage(1, LogLevel.Warning, "{File} cannot be kept, and a restart forgets what was spent: {Reason}")]
    public static partial void NotKept(ILogger log, string file, string reason);
}
