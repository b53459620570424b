using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Console;
using MoDM.Gateway.Cache;
using MoDM.Onnx;

namespace MoDM.Gateway.Importing;

/// <summary>gateway import: puts pictures that exist into a mixture's cache, before a gateway has it.</summary>
internal static class Import
{
    private const int SomeUnfit = 1, Refused = 2, Stopped = 130;

    /// <summary>Of the pool, for what waits for disks beside the importer's own.</summary>
    public const int WaitingThreads = 8;

    /// <returns>0: all pictures are in the cache; 1: some cannot be, or it broke off; 2: nothing was begun; 130: stopped by a signal.</returns>
    public static async Task<int> RunAsync(string[] args, string demoMixture)
    {
        var (options, problems) = ImportOptions.Read(args, demoMixture);
        if (options is null) return Refuse(problems);
        ThreadPool.SetMinThreads(2 * Environment.ProcessorCount + WaitingThreads, WaitingThreads);
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var logs = LoggerFactory.Create(l => l.AddSimpleConsole(c => c.SingleLine = true)
            .Services.Configure<ConsoleLoggerOptions>(c => c.LogToStandardErrorThreshold = LogLevel.Trace));
        IImageCache? cache = null;
        try
        {
            using var embedder = ClipEmbedder.Load(options.Mixture.Spec.Cache.EmbedderPath, threads: 1);
            cache = Parts.OpenCache(
                options.Gateway, () => options.Mixture.Spec.Cache, embedder, TimeProvider.System, logs.CreateLogger<IImageCache>());
            if (cache is SharedCache shared) await shared.StartAsync(Parts.StoresMayTake);
            return await RunAsync(options, cache, embedder, stop.Token);
        }
        catch (Exception e) when (e is ModelException or StoreMismatchException)
        {
            return Refuse([e.Message]);
        }
        catch (Exception e) when (cache is null && e is IOException or UnauthorizedAccessException)
        {
            return Refuse([$"The cache folder {options.CacheFolder} cannot be used. It belongs to one process at a time: if a gateway has it, "
                + $"stop that one, import, and start it again. Another folder is named with --cache. ({e.Message})"]);
        }
        finally
        {
            (cache as IDisposable)?.Dispose();
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static async Task<int> RunAsync(ImportOptions options, IImageCache cache, ClipEmbedder embedder, CancellationToken stop)
    {
        var tally = new Tally();
        ImportProgress? progress = null;
        var broken = "";
        try
        {
            var total = PictureList.Read(options.Source).Count();
            progress = new ImportProgress(total, Console.Error, !Console.IsErrorRedirected, TimeProvider.System);
            var state = cache.State;
            if (state.Entries + total > state.Capacity)
            {
                progress.Say(string.Create(CultureInfo.InvariantCulture,
                    $"The cache takes {state.Capacity:N0} images and has {state.Entries:N0}; of those and these {total:N0} pictures the oldest leave (spec.cache.capacity)."));
            }
            await new Importer(cache, embedder, options, Environment.ProcessorCount, TimeProvider.System)
                .RunAsync(PictureList.Read(options.Source), tally, progress, stop);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            broken = $"; broken off, and the same command goes on with it: {e.Message}";
        }
        progress?.Close();
        Console.WriteLine($"{tally}{broken}{(stop.IsCancellationRequested ? "; stopped, and the same command goes on with it" : "")}.");
        return stop.IsCancellationRequested ? Stopped : broken.Length > 0 || tally.Unfit > 0 ? SomeUnfit : 0;
    }

    private static int Refuse(IReadOnlyList<string> problems)
    {
        foreach (var problem in problems)
            Console.Error.WriteLine(problem);
        return Refused;
    }
}
