using System.Text;

namespace MoDM.Gateway.Callers;

/// <summary>The file of keys: a line for each, blank ones and those that begin with # left alone.</summary>
internal static class KeysFile
{
    public static bool IsKey(string line) => line.Trim() is { Length: > 0 } text && text[0] != '#';

    /// <returns>The keys, or all mistakes with their lines.</returns>
    public static (IReadOnlyList<KeyLine>? Keys, IReadOnlyList<string> Problems) Parse(string text)
    {
        var (keys, problems) = (new List<KeyLine>(), new List<string>());
        var (names, hashes) = (new Dictionary<string, int>(), new Dictionary<string, int>());
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (!IsKey(lines[i])) continue;
            var (key, wrong) = KeyLine.Read(lines[i]);
            problems.AddRange(wrong.Select(w => $"line {i + 1} {w}."));
            if (key is null) continue;
            keys.Add(key);
            if (!names.TryAdd(key.Name, i + 1)) problems.Add($"line {i + 1} has the name of line {names[key.Name]}.");
            if (!hashes.TryAdd(key.Sha256, i + 1)) problems.Add($"line {i + 1} has the key of line {hashes[key.Sha256]}.");
        }
        return problems.Count > 0 ? (null, problems) : (keys, []);
    }

    public static (IReadOnlyList<KeyLine>? Keys, IReadOnlyList<string> Problems) Read(string file)
    {
        try
        {
            return Parse(File.ReadAllText(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, [$"cannot be read: {e.Message}"]);
        }
    }

    /// <summary>
    /// Changes it in one step: whoever reads sees the old file or the new one. Two that change it at once do not lose each
    /// other's change, since the second finds the first one's new file.
    /// </summary>
    /// <param name="change">From the text to the new one, or to why not.</param>
    /// <returns>What is wrong; null: it is done.</returns>
    public static string? Rewrite(string file, Func<string, (string? Text, string? Problem)> change)
    {
        var target = File.Exists(file) ? File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file : file;
        var temporary = target + ".new";
        FileStream stream;
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            stream = new FileStream(temporary, options);
        }
        catch (IOException) when (File.Exists(temporary))
        {
            return $"{temporary} is there: somebody else changes the keys. If nobody does, delete it.";
        }
        try
        {
            using (stream)
            {
                var (text, problem) = change(File.Exists(target) ? File.ReadAllText(target) : "");
                if (text is null) return problem;
                stream.Write(Encoding.UTF8.GetBytes(text));
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, target, overwrite: true);
            return null;
        }
        finally
        {
            File.Delete(temporary); // Nothing when it was moved.
        }
    }
}
