using System.Globalization;

namespace MoDM.Gateway.Importing;

/// <summary>What has become of the pictures so far.</summary>
internal sealed class Tally
{
    private readonly SortedDictionary<string, int> _unfit = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, int> _sizes = new(StringComparer.Ordinal);

    /// <summary>Left the full cache for them.</summary>
    public int Evicted { get; set; }
    public int Imported => _sizes.Values.Sum();

    /// <summary>In the cache before, or twice in the list.</summary>
    public int There { get; private set; }
    public int Unfit => _unfit.Values.Sum();
    public int Seen => Imported + There + Unfit;

    public void Add(Prepared prepared)
    {
        if (prepared.Unfit is { } unfit) Count(_unfit, unfit.Kind);
        else if (prepared.Entry is not null) Count(_sizes, prepared.Size);
        else There++;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Imported:N0} imported{In(_sizes)}, {There:N0} were there already, {Unfit:N0} could not be{In(_unfit)}, {Evicted:N0} left the full cache");

    private static string In(SortedDictionary<string, int> counts) => counts.Count == 0 ? ""
        : $" ({string.Join(", ", counts.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Key}: {c.Value:N0}")))})";

    private static void Count(SortedDictionary<string, int> counts, string name) => counts[name] = counts.GetValueOrDefault(name) + 1;
}
