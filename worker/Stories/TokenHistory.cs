namespace MoDM.Worker.Stories;

/// <summary>Which tokens a text has, as far as its penalties need to know.</summary>
internal sealed class TokenHistory
{
    private readonly SamplingRule _rule;
    private readonly HashSet<int>? _seen;
    private readonly Dictionary<int, int>? _written;

    public TokenHistory(SamplingRule rule, IEnumerable<int> prompt)
    {
        _rule = rule;
        if (rule.RepetitionPenalty != 1)
            _seen = [.. prompt];
        if (rule.FrequencyPenalty != 0 || rule.PresencePenalty != 0)
            _written = [];
    }

    public void Add(int token)
    {
        _seen?.Add(token);
        if (_written is not null)
            _written[token] = _written.GetValueOrDefault(token) + 1;
    }

    /// <summary>Lowers the logits of tokens that came before (or raises them, when a penalty says so).</summary>
    public void Penalise(Span<float> logits)
    {
        var penalty = (float)_rule.RepetitionPenalty;
        foreach (var token in _seen ?? [])
            logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
        foreach (var (token, count) in _written ?? [])
            logits[token] -= (float)(_rule.FrequencyPenalty * count + _rule.PresencePenalty);
    }
}
