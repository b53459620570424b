using MoDM.Mixture;

namespace MoDM.Core.Tests;

public class CacheAdmissionTests
{
    private static readonly AdmissionQuestion Full = new(CacheMode.Auto, FromLarge: true, 50, 50, false, false, 0);

    [Fact]
    public void A_full_drawing_enters() => Assert.True(CacheAdmission.Decide(Full, CacheAdmit.All, 2).Admit);

    [Fact]
    public void What_would_be_a_poor_or_private_source_stays_out()
    {
        // Complaint 33: the chain of refinements ends.
        foreach (var (question, reason) in new[]
        {
            (Full with { Depth = 2 }, "refined 2 times"),
            (Full with { Steps = 49 }, "49 steps"),
            (Full with { PromptCut = true }, "longer"),
            (Full with { IsEdit = true }, "edit"),
            (Full with { Mode = CacheMode.Bypass }, "bypass"),
        })
        {
            var decision = CacheAdmission.Decide(question, CacheAdmit.All, 2);
            Assert.False(decision.Admit);
            Assert.Contains(reason, decision.Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_mixture_may_admit_the_large_model_only() =>
        Assert.False(CacheAdmission.Decide(Full with { FromLarge = false, Depth = 1 }, CacheAdmit.Large, 2).Admit);
}
