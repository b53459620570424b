namespace MoDM.Worker.Stories;

/// <summary>
/// Ends a text before the first stop string that is completed in it, wherever the borders of its pieces are. What may
/// still become a stop string is held back, and only that.
/// </summary>
internal sealed class StopMatcher(IReadOnlyList<string> stops)
{
    private string _held = "";

    /// <summary>A stop string was found; nothing comes any more.</summary>
    public bool Stopped { get; private set; }

    /// <returns>What is certain to be part of the text, after what was returned before.</returns>
    public string Add(string piece)
    {
        if (Stopped)
            return "";
        if (stops.Count == 0)
            return piece;
        var text = _held + piece;
        var (start, end) = (-1, int.MaxValue);
        foreach (var stop in stops)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            // Of two that are completed by the same character, the longer one began earlier.
            if (at >= 0 && (at + stop.Length < end || at + stop.Length == end && at < start))
                (start, end) = (at, at + stop.Length);
        }
        Stopped = start >= 0;
        var sure = Stopped ? start : text.Length - Undecided(text);
        _held = Stopped ? "" : text[sure..];
        return text[..sure];
    }

    /// <summary>The text has ended by itself: what was held back is part of it.</summary>
    public string End()
    {
        var rest = _held;
        _held = "";
        return rest;
    }

    // Length of the longest end of the text that a stop string begins with.
    private int Undecided(string text)
    {
        var longest = 0;
        foreach (var stop in stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                    longest = length;
            }
        }
        return longest;
    }
}
