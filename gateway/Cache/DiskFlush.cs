using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MoDM.Gateway.Cache;

/// <summary>Gets files that were just written onto the disk.</summary>
internal static class DiskFlush
{
    /// <summary>
    /// From so many files on, all of the file system is asked at once: one commit of its journal instead of one a file, which
    /// takes a fraction of the time. What others write there is waited for too.
    /// </summary>
    private const int Several = 8;

    /// <summary>Linux says since then when a disk could not take it (man 2 syncfs).</summary>
    private static readonly Version Honest = new(5, 8);

    /// <summary>Returns when the files are on the disk; their names need not be.</summary>
    /// <param name="files">Of one file system.</param>
    /// <exception cref="IOException">The disk does not take them.</exception>
    public static void Flush(IReadOnlyList<string> files)
    {
        if (files.Count >= Several && TryAtOnce(files[0])) return;
        foreach (var file in files)
        {
            using var handle = File.OpenHandle(file, access: FileAccess.Write);
            RandomAccess.FlushToDisk(handle);
        }
    }

    /// <returns>False: it is not known, and each file says it for itself.</returns>
    private static bool TryAtOnce(string file)
    {
        if (!OperatingSystem.IsLinux() || Environment.OSVersion.Version < Honest) return false;
        try
        {
            using var handle = File.OpenHandle(file, access: FileAccess.Write);
            return SyncFileSystem(handle) == 0;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [DllImport("libc", EntryPoint = "syncfs")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SyncFileSystem(SafeFileHandle file);
}
