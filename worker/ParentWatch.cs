namespace MoDM.Worker;

/// <summary>Ends the process when its standard input ends: the parent that held the other end has died.</summary>
internal static class ParentWatch
{
    public static void Start()
    {
        new Thread(() =>
        {
            using var input = Console.OpenStandardInput();
            var buffer = new byte[256];
            while (input.Read(buffer) > 0)
            {
            }
            // Nobody is left to answer, so nothing is worth finishing.
            Environment.Exit(0);
        })
        { IsBackground = true, Name = "parent watch" }.Start();
    }
}
