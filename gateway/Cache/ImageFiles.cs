namespace MoDM.Gateway.Cache;

/// <summary>
/// Encoded images on disk, named by <see cref="ImageId"/>. A file appears whole, by a rename, or not at all.
/// </summary>
internal sealed class ImageFiles
{
    private readonly string _folder;
    private readonly TimeProvider _time;

    public ImageFiles(string folder, TimeProvider time)
    {
        (_folder, _time) = (folder, time);
        Directory.CreateDirectory(folder);
    }

    public bool Exists(string id) => File.Exists(PathOf(id));

    /// <summary>Returns when the bytes are on the disk. A file that is there already counts as new for the sweep.</summary>
    public void Write(string id, byte[] bytes) => Write([(id, bytes)]);

    /// <summary>The same for several at once, which waits less for the disk.</summary>
    public void Write(IEnumerable<(string Id, byte[] Bytes)> images)
    {
        var parts = new List<(string Part, string Path)>();
        try
        {
            foreach (var (path, bytes) in images.Select(i => (PathOf(i.Id), i.Bytes)).Where(i => !TryRenew(i.Item1)))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                parts.Add(($"{path}.{Guid.NewGuid():N}.part", path));
                using var file = File.OpenHandle(parts[^1].Part, FileMode.CreateNew, FileAccess.Write);
                RandomAccess.Write(file, bytes, 0);
            }
            // Whole on the disk first: whoever finds the name finds all of it, also after the power failed.
            DiskFlush.Flush([.. parts.Select(p => p.Part)]);
            foreach (var (part, path) in parts)
                File.Move(part, path, overwrite: true);
        }
        catch (IOException)
        {
            foreach (var (part, _) in parts)
                File.Delete(part); // A full disk should not stay full of halves.
            throw;
        }
    }

    /// <returns>The bytes, or null when they are not there or not those that were written; such a file is removed.</returns>
    /// <exception cref="IOException">Whether they are cannot be told now.</exception>
    public byte[]? Read(string id)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(PathOf(id));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException(e.Message, e);
        }
        if (ImageId.Names(id, bytes)) return bytes;
        Delete(id);
        return null;
    }

    public void Delete(string id)
    {
        try { File.Delete(PathOf(id)); }
        catch (DirectoryNotFoundException) { /* Never written. */ }
    }

    /// <summary>Removes what no index entry names and what a crash left half-written, once it is older than <paramref name="before"/>.</summary>
    /// <returns>How many files went.</returns>
    public int Sweep(Func<string, bool> isKept, DateTime before)
    {
        var gone = 0;
        foreach (var file in Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories))
        {
            if (isKept(Path.GetFileNameWithoutExtension(file)) && file.EndsWith(".png", StringComparison.Ordinal)) continue;
            if (File.GetLastWriteTimeUtc(file) >= before) continue;
            File.Delete(file);
            gone++;
        }
        return gone;
    }

    private bool TryRenew(string path)
    {
        if (!File.Exists(path)) return false;
        try
        {
            File.SetLastWriteTimeUtc(path, _time.GetUtcNow().UtcDateTime);
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false; // It went in between.
        }
    }

    private string PathOf(string id) => Path.Combine(_folder, ImageId.ContentOf(id)[..2], id + ".png");
}
