namespace MoDM.Http;

/// <summary>Notices that standard input has ended: the parent that held the other end wants this process gone, or has died.</summary>
public static class ParentWatch
{
    public static void Start(Action ended) => new Thread(() =>
    {
        using var input = Console.OpenStandardInput();
        var buffer = new byte[256];
        while (input.Read(buffer) > 0) { }
        ended();
    })
    { IsBackground = true, Name = "parent watch" }.Start();
}
