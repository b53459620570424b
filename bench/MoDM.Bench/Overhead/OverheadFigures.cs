using MoDM.Bench.Load;

namespace MoDM.Bench.Overhead;

/// <summary>What a worker adds to its networks' time: medians over requests that were sent one at a time.</summary>
/// <param name="WorkerShare">(generation - inference) / inference.</param>
internal sealed record WorkerOverhead(string Model, int Requests, double GenerationMs, double InferenceMs, double WorkerShare)
{
    public static WorkerOverhead Of(string model, IEnumerable<Outcome> outcomes)
    {
        var parts = outcomes.Select(o => o.Answer.Part).OfType<Api.ImagePart>().Where(p => p.InferenceMs > 0).ToList();
        return new(model, parts.Count, Percentiles.Of(parts.Select(p => p.GenerationMs!.Value), 50), Percentiles.Of(parts.Select(p => p.InferenceMs!.Value), 50),
            Percentiles.Of(parts.Select(p => p.GenerationMs!.Value / p.InferenceMs!.Value - 1), 50));
    }
}

/// <summary>
/// What the gateway adds: the same requests to one worker directly and through a gateway, in turn. Everything that is not
/// the drawing itself is compared, HTTP and JSON of the extra hop included.
/// </summary>
/// <param name="DirectMs">Median of latency - generation, sent to the worker itself.</param>
/// <param name="ThroughMs">Median of latency - generation, sent to the gateway.</param>
/// <param name="EmbedMs">Median of the prompt's embedding in the gateway.</param>
/// <param name="LookUpMs">Median of the look-up in its cache.</param>
internal sealed record GatewayOverhead(int Requests, double DirectMs, double ThroughMs, double EmbedMs, double LookUpMs)
{
    public double GatewayMs => ThroughMs - DirectMs - EmbedMs - LookUpMs;

    public static GatewayOverhead Of(IReadOnlyList<Outcome> direct, IReadOnlyList<Outcome> through) => new(
        Math.Min(direct.Count, through.Count), Beyond(direct), Beyond(through), Timing(through, "embed"), Timing(through, "lookup"));

    private static double Beyond(IEnumerable<Outcome> outcomes) =>
        Percentiles.Of(outcomes.Where(o => o.Answer.Part?.GenerationMs is not null).Select(o => o.LatencyMs - o.Answer.Part!.GenerationMs!.Value), 50);

    private static double Timing(IEnumerable<Outcome> outcomes, string name) =>
        Percentiles.Of(outcomes.Where(o => o.Answer.Error is null).Select(o => o.Answer.Timing.GetValueOrDefault(name)), 50);
}
