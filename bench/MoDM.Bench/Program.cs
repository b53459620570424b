using System.Reflection;
using System.Runtime.InteropServices;
using MoDM.Bench.Cache;
using MoDM.Bench.Comparing;
using MoDM.Bench.Importing;
using MoDM.Bench.Indexing;
using MoDM.Bench.Overhead;
using MoDM.Bench.Simulating;
using MoDM.Bench.Stories;

// bench SUBCOMMAND [options]: each one measures, prints a table and, with --json FILE, writes its figures.
var demo = Assembly.Load("MoDM.Gateway").GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "DemoMixture").Value!;
using var stop = new CancellationTokenSource();
// The gateways that were started have to end first, and their caches to be removed.
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    switch (args)
    {
        case ["compare", .. var options]: return await CompareCommand.RunAsync(options, demo, stop.Token);
        case ["overhead", .. var options]: return await OverheadCommand.RunAsync(options, demo, stop.Token);
        case ["stories", .. var options]: return await StoriesCommand.RunAsync(options, Path.Combine(Path.GetDirectoryName(demo)!, "..", "models"), stop.Token);
        case ["cache", .. var options]: return await CacheCommand.RunAsync(options, demo, stop.Token);
        case ["index", .. var options]: return IndexCommand.Run(options);
        case ["import", .. var options]: return await ImportCommand.RunAsync(options, demo, stop.Token);
        case ["simulate", .. var options]: return SimulateCommand.Run(options);
        case ["score-stories", .. var options]: return await ScoreStoriesCommand.RunAsync(options, Path.GetDirectoryName(Path.GetDirectoryName(demo))!, stop.Token);
        case ["plan", .. var options]: return PlanCommand.Run(options, demo);
        default:
            await Console.Error.WriteLineAsync(string.Join(
                "\n  ", "usage: bench", CompareOptions.Usage, OverheadCommand.Usage, IndexCommand.Usage, CacheCommand.Usage, ImportCommand.Usage, SimulateCommand.Usage, PlanCommand.Usage,
                StoriesCommand.Usage, ScoreStoriesCommand.Usage));
            return 2;
    }
}
catch (Exception e) when (e is InvalidOperationException or InvalidDataException or IOException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    await Console.Error.WriteLineAsync("Stopped by a signal; nothing was written.");
    return 130;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
