namespace MoDM.Mixture;

/// <summary>What decides whether a new image may serve as a source for others.</summary>
/// <param name="Steps">T of the request; <paramref name="MixtureSteps"/> is the document's.</param>
/// <param name="Depth">0 for an image from noise, 1 for one refined from it, and so on.</param>
public readonly record struct AdmissionQuestion(
    CacheMode Mode, bool FromLarge, int Steps, int MixtureSteps, bool OwnGuidance, bool PromptCut, bool IsEdit, int Depth);

public readonly record struct AdmissionDecision(bool Admit, string Reason);

/// <summary>Which images enter the cache. Those that do not are as good an answer, but a poor or private start for others.</summary>
public static class CacheAdmission
{
    /// <summary>Complaint 33: an image refined from a refined image is not refined again.</summary>
    public const int MaxDepth = 1;

    public static AdmissionDecision Decide(AdmissionQuestion q, CacheAdmit admit)
    {
        if (q.Mode == CacheMode.Bypass) return No("the request said cache: bypass");
        if (q.IsEdit) return No("an edit belongs to whoever sent its image");
        if (q.PromptCut) return No("the prompt is longer than the embedder reads");
        if (q.Steps < q.MixtureSteps) return No($"it was drawn in {q.Steps} steps, fewer than the mixture's {q.MixtureSteps}");
        if (q.OwnGuidance) return No("it was drawn with a guidance scale of the request's own");
        if (q.Depth > MaxDepth) return No($"it was refined {q.Depth} times over; at most {MaxDepth} is a source");
        if (admit == CacheAdmit.Large && !q.FromLarge) return No("the mixture admits images of the large model only");
        return new AdmissionDecision(true, "it is a full drawing of its prompt");
    }

    private static AdmissionDecision No(string reason) => new(false, reason);
}
