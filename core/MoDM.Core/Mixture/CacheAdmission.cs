namespace MoDM.Mixture;

/// <summary>What decides whether a new image may serve as a source for others.</summary>
/// <param name="Steps">T of the request; <paramref name="MixtureSteps"/> is the document's.</param>
/// <param name="Depth">0 for an image from noise, 1 for one refined from it, and so on.</param>
public readonly record struct AdmissionQuestion(
    CacheMode Mode, bool FromLarge, int Steps, int MixtureSteps, bool PromptCut, bool IsEdit, int Depth);

public readonly record struct AdmissionDecision(bool Admit, string Reason);

/// <summary>Which images enter the cache. Those that do not are as good an answer, but a poor or private start for others.</summary>
public static class CacheAdmission
{
    /// <param name="maxLineage">
    /// Images in a chain, the one from noise included (complaint 33): with 2, an image refined from a refined image is no source.
    /// </param>
    public static AdmissionDecision Decide(AdmissionQuestion q, CacheAdmit admit, int maxLineage)
    {
        if (q.Mode == CacheMode.Bypass) return No("the request said cache: bypass");
        if (q.IsEdit) return No("an edit belongs to whoever sent its image");
        if (q.PromptCut) return No("the prompt is longer than the embedder reads");
        if (q.Steps < q.MixtureSteps) return No($"it was drawn in {q.Steps} steps, fewer than the mixture's {q.MixtureSteps}");
        if (q.Depth >= maxLineage) return No($"it was refined {q.Depth} times over; a source may have been {maxLineage - 1} times");
        if (admit == CacheAdmit.Large && !q.FromLarge) return No("the mixture admits images of the large model only");
        return new AdmissionDecision(true, "it is a full drawing of its prompt");
    }

    private static AdmissionDecision No(string reason) => new(false, reason);
}
