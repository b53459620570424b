using System.Globalization;

namespace MoDM.Mixture;

public enum CacheRoute { Miss, Hit }

public enum CacheMode { Auto, Bypass, Refresh }

/// <summary>What the cache decision needs to know of a request.</summary>
/// <param name="Steps">T of this request.</param>
/// <param name="PromptCut">The embedder did not read the whole prompt.</param>
/// <param name="Similarity">Cosine to the best cached image, or null when the cache has none to compare.</param>
/// <param name="Guard">What that image's prompt differs in, or null when it may stand in.</param>
public readonly record struct HitQuestion(CacheMode Mode, int Steps, bool PromptCut, double? Similarity, GuardVerdict? Guard = null);

/// <param name="SkipSteps">k: the steps that the cached image stands in for; 0 for a miss.</param>
public readonly record struct HitDecision(CacheRoute Route, int SkipSteps, string Reason);

/// <summary>Hit or miss, and from which step: arXiv 2503.11972, section 4 (cache-hit-aware k).</summary>
public static class HitPolicy
{
    /// <param name="hits">In force.</param>
    /// <param name="raised">Skip as much as the next threshold allows: <see cref="Planning.DegradeStep.HigherSkip"/>.</param>
    /// <param name="aboveDocument">What the thresholds are above the document's, for quality: <see cref="QualityControl"/>.</param>
    public static HitDecision Decide(HitQuestion question, IReadOnlyList<HitThreshold> hits, bool raised = false, double aboveDocument = 0)
    {
        if (question.Mode != CacheMode.Auto)
            return Miss($"the request said cache: {question.Mode.ToString().ToLowerInvariant()}");
        // Complaint 34: two prompts that differ only in what the embedder cut off have the same embedding.
        if (question.PromptCut)
            return Miss("the prompt is longer than the embedder reads, so its end could not be compared");
        if (question.Similarity is not { } similarity)
            return Miss("the cache holds no image to compare with");
        if (hits.Count == 0)
            return Miss("the mixture lists no hit thresholds");
        if (similarity < hits[0].Similarity)
            return Miss(Say($"the closest cached image has similarity {similarity:0.000}, below {hits[0].Similarity:0.000}")
                + (aboveDocument > 0 ? Say($", which is raised by {aboveDocument:0.####} to keep the quality floor") : ""));

        // Complaint 16: what turns a meaning around hardly moves an embedding.
        if (question.Guard is { } guard)
            return Miss(Say($"the closest cached image has similarity {similarity:0.000}, but {guard.Reason}"));

        var rung = hits.Count - 1;
        while (similarity < hits[rung].Similarity) rung--;
        var share = hits[raised ? Math.Min(rung + 1, hits.Count - 1) : rung].Skip;
        var skip = StepPlan.Skip(question.Steps, share);
        return skip == 0
            ? Miss(Say($"{share:0.###} of {question.Steps} steps is less than one step to skip"))
            : new HitDecision(CacheRoute.Hit, skip, Say(
                $"a cached image has similarity {similarity:0.000}, at least {hits[rung].Similarity:0.000}: ")
                + $"{skip} of {question.Steps} steps are skipped" + (raised ? ", more than usual under this load" : ""));
    }

    /// <summary>
    /// Which of the most similar images is asked about: the first one similar enough that no guard keeps from standing in; where
    /// there is none, the most similar one, with the guard that fired.
    /// </summary>
    /// <param name="candidates">The best first; each with the prompt that it was drawn from.</param>
    /// <param name="least">The lowest similarity of a hit.</param>
    /// <returns>The candidate's place; -1 for none.</returns>
    public static (int Chosen, GuardVerdict? Guard) Choose(
        string asked, IReadOnlyList<(double Similarity, string Prompt)> candidates, double least, IReadOnlyCollection<PromptGuard> guards)
    {
        GuardVerdict? first = null;
        for (var i = 0; i < candidates.Count && candidates[i].Similarity >= least; i++)
        {
            if (PromptGuards.Check(asked, candidates[i].Prompt, guards) is not { } fired) return (i, null);
            first ??= fired;
        }
        return (candidates.Count == 0 ? -1 : 0, first);
    }

    private static HitDecision Miss(string reason) => new(CacheRoute.Miss, 0, reason);

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Where in a schedule of T steps a refinement begins.</summary>
public static class StepPlan
{
    /// <summary>k = share * T, to the nearest step, leaving at least one to run.</summary>
    public static int Skip(int steps, double share) => Math.Clamp((int)Math.Round(share * steps), 0, steps - 1);
}
