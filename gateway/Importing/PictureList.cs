namespace MoDM.Gateway.Importing;

/// <summary>
/// The pictures of a folder, or of a file of lines. In a folder first those that some metadata.jsonl names (the imagefolder
/// layout of Hugging Face), then the others by their paths; the same order each time.
/// </summary>
internal static class PictureList
{
    private const string Metadata = "metadata.jsonl";
    private static readonly HashSet<string> Extensions = new(StringComparer.OrdinalIgnoreCase) { ".png", ".jpg", ".jpeg", ".webp" };
    private static readonly EnumerationOptions Everywhere = new() { RecurseSubdirectories = true, IgnoreInaccessible = false };

    /// <summary>Read as it is asked for; no picture is opened.</summary>
    public static IEnumerable<Listed> Read(string source) =>
        Directory.Exists(source) ? ReadFolder(source) : ReadLines(source, Path.GetFileName(source));

    private static IEnumerable<Listed> ReadFolder(string folder)
    {
        var files = Directory.EnumerateFiles(folder, "*", Everywhere).Order(StringComparer.Ordinal).ToList();
        var named = new HashSet<string>();
        foreach (var listed in files.Where(f => Path.GetFileName(f) == Metadata).SelectMany(f => ReadLines(f, Path.GetRelativePath(folder, f))))
        {
            if (listed.Path is { } path) named.Add(path);
            yield return listed;
        }
        foreach (var file in files.Where(f => Extensions.Contains(Path.GetExtension(f)) && !named.Contains(f)))
            yield return new Listed(Path.GetRelativePath(folder, file), file, new Picture(file, Prompt: null), null);
    }

    private static IEnumerable<Listed> ReadLines(string file, string name)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        return File.ReadLines(file).Index().Where(l => !string.IsNullOrWhiteSpace(l.Item))
            .Select(l => PictureLine.Read($"{name} line {l.Index + 1}", l.Item, folder));
    }
}
