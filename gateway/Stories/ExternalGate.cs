using System.Globalization;
using System.Text.Json;
using MoDM.Api;
using MoDM.Mixture;

namespace MoDM.Gateway.Stories;

/// <summary>Leave to ask the external model for one text, until it is settled.</summary>
/// <param name="Tokens">Set aside of the budget: what the text may cost.</param>
/// <param name="Rest">Number of the last rest before it.</param>
internal sealed record ExternalLeave(ExternalModel Model, string? Key, long Tokens, int Rest);

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
    private int _failures, _rests;
    private long _setAside;

    /// <summary>Null: the mixture has no external model. The key is read anew each time, so that another one needs no restart.</summary>
    public ExternalState? Look()
    {
        if (mixture.Now.Spec.External is not { } model) return null;
        var (key, missing) = ReadKey(model);
        lock (_lock) return StateOf(model, key, missing);
    }

    /// <summary>Decides who writes a text. With leave the caller asks the external model, and settles it, whatever comes.</summary>
    /// <param name="tokens">That it may cost, prompt and text.</param>
    public (StoryDecision Decision, ExternalLeave? Leave) Ask(StoryMember member, long tokens)
    {
        if (mixture.Now.Spec.External is not { } model) return (StoryPolicy.Decide(member, null), null);
        var (key, missing) = ReadKey(model);
        lock (_lock)
        {
            var decision = StoryPolicy.Decide(member, StateOf(model, key, missing));
            if (decision is { Refused: true } or { Route: not StoryRoute.Large }) return (decision, null);
            _setAside += tokens;
            return (decision, new ExternalLeave(model, key, tokens, _rests));
        }
    }

    /// <summary>On disk before the answer is complete: a restart does not give the day's budget again.</summary>
    /// <param name="usage">What the text cost; null: nothing.</param>
    public void Settle(ExternalLeave leave, TokenUsage? usage)
    {
        lock (_lock)
        {
            _setAside -= leave.Tokens;
            if (usage is not null) Spend(usage);
        }
    }

    public void Succeeded() { lock (_lock) _failures = 0; }

    /// <summary>One failure that many texts meet lets it rest once: what had begun before a rest, or during one, does not count.</summary>
    /// <param name="why">For the next request, which does not ask.</param>
    public void Failed(ExternalLeave leave, string why, TimeSpan? retryAfter)
    {
        lock (_lock)
        {
            if (leave.Rest != _rests || _rest?.Until > time.GetUtcNow()) return;
            var rest = FirstRest * Math.Pow(2, Math.Min(_failures++, 10));
            if (retryAfter is { } asked && asked > rest) rest = asked;
            _rest = (time.GetUtcNow() + (rest < LongestRest ? rest : LongestRest), why, leave.Key);
            _rests++;
        }
    }

    private ExternalState StateOf(ExternalModel model, string? key, string? missing)
    {
        var now = time.GetUtcNow();
        if (_rest is { } rest && (rest.Until <= now || rest.Key != key)) _rest = null;
        var left = _rest is { } still ? Math.Ceiling((still.Until - now).TotalSeconds) : 0;
        return new ExternalState(model.Name, missing, Spent(now), model.TokensPerDay,
            _rest is { } why ? $"{why.Why}; it is asked again in {left.ToString(CultureInfo.InvariantCulture)} s" : null, _setAside);
    }

    private void Spend(TokenUsage usage)
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
