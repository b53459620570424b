namespace MoDM.Bench.Comparing;

/// <summary>What is compared, in the order of the runs: a system that needs another's figures comes after it.</summary>
internal enum CompareSystem
{
    /// <summary>Every prompt from noise by the large model; what all ratios are to.</summary>
    Large,

    /// <summary>Every prompt from noise by the small model.</summary>
    Small,

    /// <summary>A similar cached picture is the answer, as it is; the large model draws the others.</summary>
    Retrieval,

    /// <summary>Hits skip k steps, but the large model draws the rest (NIRVANA, arXiv 2312.04429).</summary>
    Nirvana,

    /// <summary>The mixture as its document has it.</summary>
    Ours,

    /// <summary>The mixture with slots split by the paper's rule for the load that <see cref="Ours"/> saw.</summary>
    Paper,
}

/// <summary>Which systems a run has.</summary>
internal static class SystemChoice
{
    private static readonly CompareSystem[] All = Enum.GetValues<CompareSystem>();

    public static string Names => string.Join(',', All.Select(NameOf));

    public static string NameOf(CompareSystem system) => system.ToString().ToLowerInvariant();

    /// <summary>Those that are named and those that they cannot do without, in the order of the runs.</summary>
    /// <param name="text">Names with commas between them; null: all.</param>
    /// <param name="report">Gets every name that there is not.</param>
    public static IReadOnlyList<CompareSystem> Read(string? text, Action<string> report)
    {
        var names = (text ?? Names).Split(',', StringSplitOptions.TrimEntries);
        foreach (var unknown in names.Where(n => !All.Any(s => NameOf(s) == n)))
            report($"--systems has \"{unknown}\"; there are {Names}.");
        var asked = All.Where(s => names.Contains(NameOf(s))).Append(CompareSystem.Large).ToHashSet();
        // The rule needs both models' times, and the hits of a mixture.
        if (asked.Contains(CompareSystem.Paper))
            asked.UnionWith([CompareSystem.Small, CompareSystem.Ours]);
        return [.. asked.Order()];
    }
}
