using System.Collections.Concurrent;
using MoDM.Bench.Traces;

namespace MoDM.Bench.Load;

/// <summary>Sends a trace to a system, in one of the two ways that load tests know.</summary>
internal static class Replay
{
    /// <summary>
    /// A number of clients that always wait for a picture each: as much as the system can do. A user asks for the next
    /// picture only when the last one is there, so users take turns with the clients; without users (a trace of prompts
    /// alone) whatever comes next is taken.
    /// </summary>
    public static async Task<IReadOnlyList<Outcome>> ClosedLoopAsync(
        IReadOnlyList<TraceEntry> trace, int clients, Func<TraceEntry, CancellationToken, Task<Answer>> draw, TimeProvider time,
        CancellationToken cancel)
    {
        var outcomes = new Outcome[trace.Count];
        var start = time.GetTimestamp();
        var users = trace.Index().GroupBy(e => e.Item.User ?? -1 - e.Index).Select(g => new Queue<int>(g.Select(e => e.Index)));
        var idle = new ConcurrentQueue<Queue<int>>(users);
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => ClientAsync()));
        return outcomes;

        async Task ClientAsync()
        {
            while (idle.TryDequeue(out var user))
            {
                var i = user.Dequeue();
                var arrival = time.GetElapsedTime(start).TotalMilliseconds;
                var answer = await draw(trace[i], cancel);
                outcomes[i] = new Outcome(trace[i], arrival, time.GetElapsedTime(start).TotalMilliseconds - arrival, answer);
                if (user.Count > 0)
                    idle.Enqueue(user);
            }
        }
    }

    /// <summary>
    /// Requests arrive at their times whether or not the system keeps up. Latency counts from the time at which a request
    /// should have arrived, so that a late sender cannot hide a wait.
    /// </summary>
    /// <param name="arrivals">Seconds from the start, ascending, one for each entry.</param>
    public static async Task<IReadOnlyList<Outcome>> OpenLoopAsync(
        IReadOnlyList<TraceEntry> trace, IReadOnlyList<double> arrivals, Func<TraceEntry, CancellationToken, Task<Answer>> draw,
        TimeProvider time, CancellationToken cancel)
    {
        var start = time.GetTimestamp();
        var running = new Task<Outcome>[trace.Count];
        for (var i = 0; i < trace.Count; i++)
        {
            var wait = TimeSpan.FromSeconds(arrivals[i]) - time.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, cancel);
            running[i] = OneAsync(trace[i], 1000 * arrivals[i]);
        }
        return await Task.WhenAll(running);

        async Task<Outcome> OneAsync(TraceEntry entry, double arrival)
        {
            var answer = await draw(entry, cancel);
            return new Outcome(entry, arrival, time.GetElapsedTime(start).TotalMilliseconds - arrival, answer);
        }
    }

    /// <summary>Times of a Poisson process, in seconds.</summary>
    /// <param name="rate">Mean arrivals a second.</param>
    public static IReadOnlyList<double> PoissonArrivals(int count, double rate, int seed)
    {
        var random = new Random(seed);
        var (at, times) = (0.0, new double[count]);
        for (var i = 0; i < count; i++)
            times[i] = at += -Math.Log(1 - random.NextDouble()) / rate;
        return times;
    }
}
