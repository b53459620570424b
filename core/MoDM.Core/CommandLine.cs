namespace MoDM;

/// <summary>
/// <c>--name value</c> options and <c>--flags</c> against a closed list. Unknown names and missing values are all
/// collected in <see cref="Problems"/>, for exit code 2.
/// </summary>
public sealed class CommandLine
{
    private readonly Dictionary<string, List<string>> _values = [];
    private readonly HashSet<string> _flags = [];
    private readonly List<string> _problems = [];

    public CommandLine(IReadOnlyList<string> args, IReadOnlySet<string> options, IReadOnlySet<string> flags)
    {
        for (var i = 0; i < args.Count; i++)
        {
            var parts = args[i].Split('=', 2);
            var name = parts[0];
            if (flags.Contains(name) && parts.Length == 1)
                _flags.Add(name);
            else if (!options.Contains(name))
                _problems.Add($"{args[i]} is not an option; there are {string.Join(", ", options.Concat(flags))}.");
            else if (parts.Length == 2)
                Add(name, parts[1]);
            else if (i + 1 < args.Count && !args[i + 1].StartsWith("--", StringComparison.Ordinal))
                Add(name, args[++i]);
            else
                _problems.Add($"{name} needs a value.");
        }
    }

    public IReadOnlyList<string> Problems => _problems;

    public bool Flag(string name) => _flags.Contains(name);

    public string? Text(string name) => _values.TryGetValue(name, out var v) ? v[^1] : null;

    public IReadOnlyList<string> Texts(string name) => _values.TryGetValue(name, out var v) ? v : [];

    public int Whole(string name, int min, int max, int fallback)
    {
        if (Text(name) is not { } text) return fallback;
        if (int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var i) && i >= min && i <= max) return i;
        Report($"{name} is {text}; a whole number from {min} to {max} belongs there.");
        return fallback;
    }

    public void Report(string problem) => _problems.Add(problem);

    private void Add(string name, string value)
    {
        if (!_values.TryGetValue(name, out var list)) _values[name] = list = [];
        list.Add(value);
    }
}
