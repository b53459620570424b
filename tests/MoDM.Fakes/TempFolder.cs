using System.Collections.Concurrent;

namespace MoDM.Fakes;

/// <summary>Folders for a test's files, gone when the test process ends.</summary>
public static class TempFolder
{
    private static readonly ConcurrentBag<string> Folders = [];

    static TempFolder() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        foreach (var folder in Folders.Where(Directory.Exists))
            Directory.Delete(folder, recursive: true);
    };

    public static string New()
    {
        var folder = Directory.CreateTempSubdirectory("modm-test-").FullName;
        Folders.Add(folder);
        return folder;
    }
}
