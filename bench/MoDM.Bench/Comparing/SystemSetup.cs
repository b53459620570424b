using MoDM.Bench.Load;

namespace MoDM.Bench.Comparing;

/// <summary>One system, ready to be started.</summary>
/// <param name="Document">For its gateway; already rewritten.</param>
/// <param name="Cache">The requests' <c>cache</c> field; null leaves it out.</param>
/// <param name="LearnsFromWarmUp">It has a cache that the warm-up has to fill.</param>
/// <param name="How">What it is, for the report.</param>
internal sealed record SystemSetup(CompareSystem System, MixtureDocument Document, string? Cache, bool LearnsFromWarmUp, string How)
{
    public string Name => SystemChoice.NameOf(System);

    /// <param name="document">As it was read; it is rewritten here.</param>
    /// <param name="paper">Asked for the paper's system only.</param>
    public static SystemSetup Of(CompareSystem system, MixtureDocument document, int slots, Func<Split> paper)
    {
        switch (system)
        {
            case CompareSystem.Large:
                document.UseLargeOnly(slots);
                return new(system, document, "bypass", false, "every prompt from noise by the large model");
            case CompareSystem.Small:
                document.UseSmallOnly(slots);
                return new(system, document, "bypass", false, "every prompt from noise by the small model");
            // The gateway has no such mode: the cache and its answers are the benchmark's, see RetrievalClient.
            case CompareSystem.Retrieval:
                document.UseLargeOnly(slots);
                return new(system, document, "bypass", true,
                    $"a cached picture of the large model from similarity {document.TopThreshold} on is the answer, as it is; "
                    + "else the large model draws");
            // Without a small pool hits go to the large workers: first misses, then hits, on every slot.
            case CompareSystem.Nirvana:
                document.UseLargeOnly(slots);
                return new(system, document, null, true,
                    "hits skip k steps and the large model draws the rest; NIRVANA caches latents of several steps, "
                    + "this starts from final images and takes the document's thresholds");
            case CompareSystem.Paper:
                var split = paper();
                document.UseSplit(split.Large, split.Small);
                return new(system, document, null, true, $"the mixture, split by the paper's rule: {split.Reason}");
            default:
                if (slots == document.Slots)
                    return new(system, document, null, true, "the mixture as its document has it");
                document.UseSplit(1, slots - 1);
                return new(system, document, null, true, "the mixture, one slot for the large model and the others for the small one");
        }
    }
}
