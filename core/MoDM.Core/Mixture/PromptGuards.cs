namespace MoDM.Mixture;

public readonly record struct GuardVerdict(PromptGuard Guard, string Reason);

public static class PromptGuards
{
    public static GuardVerdict? Check(string asked, string cached, IReadOnlyCollection<PromptGuard> on) => null;
}
