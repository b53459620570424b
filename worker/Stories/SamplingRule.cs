namespace MoDM.Worker.Stories;

/// <summary>How the next token is chosen, as a request asked for it.</summary>
/// <param name="Temperature">0 for the likeliest token always.</param>
/// <param name="TopK">Only that many of the likeliest are drawn from; 0 for all.</param>
/// <param name="TopP">Only the likeliest that together have this probability are drawn from; 1 for all.</param>
/// <param name="RepetitionPenalty">Keskar et al. 2019, on tokens of prompt and text; 1 for none.</param>
/// <param name="FrequencyPenalty">OpenAI's: subtracted from a logit for each time that its token was written.</param>
/// <param name="PresencePenalty">OpenAI's: subtracted once for a token that was written.</param>
internal sealed record SamplingRule(
    double Temperature = 1, int TopK = 0, double TopP = 1, double RepetitionPenalty = 1, double FrequencyPenalty = 0,
    double PresencePenalty = 0)
{
    /// <summary>Below it a division by the temperature means nothing in float32.</summary>
    private const double Coldest = 1e-4;

    public bool Greedy => Temperature < Coldest || TopK == 1 || TopP == 0;
}
