namespace MoDM.Mixture;

/// <summary>
/// Where things stand in two prompts. "A left of B" and "B right of A" are the same; "near" and "above" do not exclude each other.
/// </summary>
internal static class PromptSides
{
    private static readonly (string, string)[] Opposites =
    [
        ("left", "right"), ("north", "south"), ("east", "west"), ("top", "bottom"), ("above", "below"), ("in front of", "behind"),
        ("inside", "outside"),
    ];

    /// <returns>What is said of one prompt only and is wrong for the other, or null.</returns>
    public static Relation? Contradiction(PromptScene scene, PromptScene other)
    {
        var lacking = Unmatched(scene.Relations, other.Relations);
        if (lacking.Count == 0) return null;
        var extra = new Sides(Unmatched(other.Relations, scene.Relations));
        var at = lacking.FindIndex(r => IsStrict(r) || extra.Exclude(r, inOther: other.Keys.Contains(r.Of)));
        return at < 0 ? null : lacking[at];
    }

    /// <summary>Nobody says "on the left" who would take the right.</summary>
    private static bool IsStrict(Relation relation) => relation.Axis is "across" or "compass";

    private static List<Relation> Unmatched(List<Relation> relations, List<Relation> others)
    {
        var sides = new Sides(others);
        return relations.FindAll(r => !sides.Match(r));
    }

    private static string Opposite(string direction)
    {
        foreach (var (one, other) in Opposites)
        {
            if (direction == one) return other;
            if (direction == other) return one;
        }
        return "";
    }

    private sealed class Sides
    {
        private readonly HashSet<(string Direction, string Of)> _of = [];
        private readonly HashSet<(string Direction, string What, string Of)> _whole = [];
        private readonly HashSet<string> _axes = [];
        private readonly HashSet<string> _places = [];

        public Sides(List<Relation> relations)
        {
            foreach (var r in relations)
            {
                _of.Add((r.Direction, r.Of));
                _whole.Add((r.Direction, r.What, r.Of));
                if (r.Of2.Length > 0) _of.Add((r.Direction, r.Of2));
                if (r.IsVague) continue;
                _axes.Add(r.Axis);
                _places.Add(r.Of);
            }
        }

        public bool Match(Relation r) => _of.Contains((r.Direction, r.Of)) || r.Of2.Length > 0 && _of.Contains((r.Direction, r.Of2))
            || r.What.Length > 0 && _whole.Contains((Opposite(r.Direction), r.Of, r.What));

        /// <param name="inOther">The place is in the other prompt too; if not, that is for the name's guard.</param>
        public bool Exclude(Relation r, bool inOther) => !r.IsVague && (_places.Contains(r.Of) || inOther && _axes.Contains(r.Axis))
            || _of.Contains((Opposite(r.Direction), r.Of));
    }
}
