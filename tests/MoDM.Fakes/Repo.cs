namespace MoDM.Fakes;

/// <summary>Where the checkout is that a test runs from.</summary>
public static class Repo
{
    public static string Root { get; } = Find();

    /// <summary>A path below the root.</summary>
    public static string File(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>One of the demo models' folders.</summary>
    public static string Model(string name) => File("models", name);

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (System.IO.File.Exists(Path.Combine(folder.FullName, "MoDM.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException($"No MoDM.sln above {AppContext.BaseDirectory}.");
    }
}
