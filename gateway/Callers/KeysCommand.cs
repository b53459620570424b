using System.Globalization;

namespace MoDM.Gateway.Callers;

/// <summary><c>gateway keys add|remove|list</c>: names on the command line, never keys.</summary>
internal static class KeysCommand
{
    private const string Usage = """
        gateway keys add NAME --keys FILE [--tenant T] [--admin] [--rate N] [--burst N] [--weight W]
        gateway keys remove NAME --keys FILE
        gateway keys list --keys FILE
        """;

    /// <returns>The exit code: 2 when nothing was done, with the reason on <paramref name="error"/>.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error)
    {
        var problem = args switch
        {
            ["add", var name, .. var rest] when IsWord(name) => Add(name, Options(rest, ["--keys", "--tenant", "--rate", "--burst", "--weight"], ["--admin"]), output, error),
            ["remove", var name, .. var rest] when IsWord(name) => Remove(name, Options(rest), error),
            ["list", .. var rest] => List(Options(rest), output),
            _ => Usage,
        };
        if (problem is not null) error.WriteLine(problem);
        return problem is null ? 0 : 2;
    }

    private static string? Add(string name, CommandLine line, TextWriter output, TextWriter error)
    {
        var tenant = line.Text("--tenant") ?? name;
        var rate = line.Number("--rate", 0.001, KeyLine.MostRate);
        int? burst = line.Text("--burst") is null ? null : line.Whole("--burst", 1, KeyLine.MostBurst, 1);
        var weight = line.Number("--weight", KeyLine.LeastWeight, KeyLine.MostWeight) ?? 1;
        if (burst is not null && rate is null) line.Report("--burst goes with --rate.");
        foreach (var (what, text) in new[] { ("The name", name), ("--tenant", tenant) }.Where(t => !KeyLine.IsName(t.Item2)).DistinctBy(t => t.Item2))
            line.Report($"{what} is {text}; {KeyLine.NameRule} belong there.");
        var key = KeyRing.NewKey();
        var problem = Change(line, (text, keys) => keys.Any(k => k.Name == name)
            ? (null, $"There is a key with the name {name}; remove it first, or give another name.")
            : ($"{text}{(text.Length == 0 || text.EndsWith('\n') ? "" : "\n")}{new KeyLine(name, tenant, Convert.ToHexStringLower(KeyRing.HashOf(key)), rate, burst, weight, line.Flag("--admin")).ToJson()}\n", null));
        if (problem is not null) return problem;
        output.WriteLine(key);
        error.WriteLine($"This is the key of {name} (tenant {tenant}). It is shown once; the file has its hash only.");
        return null;
    }

    private static string? Remove(string name, CommandLine line, TextWriter error)
    {
        var problem = Change(line, (text, keys) => keys.All(k => k.Name != name)
            ? (null, $"There is no key with the name {name}.")
            : (string.Join('\n', text.Split('\n').Where(l => !KeysFile.IsKey(l) || KeyLine.Read(l).Line!.Name != name)), null));
        if (problem is null) error.WriteLine($"The key of {name} is removed.");
        return problem;
    }

    private static string? List(CommandLine line, TextWriter output)
    {
        if (FileOf(line) is not { } file) return Problems(line);
        var (keys, problems) = KeysFile.Read(file);
        if (keys is null) return string.Join('\n', problems.Select(p => $"{file}: {p}"));
        foreach (var key in keys)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{key.Name}\ttenant {key.Tenant}\t{(key.Rate is { } rate ? $"{rate} a minute, {key.BurstInForce} at once" : "no rate")}\tweight {key.Weight}{(key.Admin ? "\tadmin" : "")}"));
        }
        return null;
    }

    private static string? Change(CommandLine line, Func<string, IReadOnlyList<KeyLine>, (string? Text, string? Problem)> change)
    {
        if (FileOf(line) is not { } file || line.Problems.Count > 0) return Problems(line);
        try
        {
            return KeysFile.Rewrite(file, text =>
            {
                var (keys, problems) = KeysFile.Parse(text);
                return keys is null ? (null, string.Join('\n', problems.Select(p => $"{file}: {p}"))) : change(text, keys);
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{file} cannot be changed: {e.Message}";
        }
    }

    private static string? FileOf(CommandLine line)
    {
        var file = line.Text("--keys");
        if (file is null) line.Report("Name the file of keys with --keys FILE.");
        return line.Problems.Count > 0 ? null : file;
    }

    private static string Problems(CommandLine line) => string.Join('\n', line.Problems);

    private static CommandLine Options(string[] rest) => Options(rest, ["--keys"], []);

    private static CommandLine Options(string[] rest, HashSet<string> names, HashSet<string> flags) => new(rest, names, flags);

    private static bool IsWord(string text) => !text.StartsWith("--", StringComparison.Ordinal);
}
