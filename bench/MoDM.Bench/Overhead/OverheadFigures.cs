using MoDM.Bench.Load;

namespace MoDM.Bench.Overhead;

/// <summary>Medians over requests that were sent one at a time, in milliseconds.</summary>
/// <param name="GatewayMs">
/// The gateway's own time: what the client waits beyond embedding, look-up, queue and worker. HTTP and JSON of both hops
/// and the client's own parsing are in it.
/// </param>
/// <param name="WorkerShare">(generation - inference) / inference: what the worker adds to ONNX Runtime.</param>
internal sealed record OverheadFigures(
    string Model, int Requests, double LatencyMs, double EmbedMs, double LookUpMs, double QueueMs, double GenerationMs, double InferenceMs,
    double GatewayMs, double WorkerShare)
{
    /// <summary>By the model that drew; answers without all the figures are left out.</summary>
    public static IReadOnlyList<OverheadFigures> Of(IEnumerable<Outcome> outcomes) =>
    [
        .. outcomes.Select(Measured.Of).OfType<Measured>().GroupBy(m => m.Model).OrderBy(g => g.Key).Select(Medians),
    ];

    private static OverheadFigures Medians(IGrouping<string, Measured> requests)
    {
        double Median(Func<Measured, double> of) => Percentiles.Of(requests.Select(of), 50);
        return new(requests.Key, requests.Count(), Median(m => m.Latency), Median(m => m.Embed), Median(m => m.LookUp), Median(m => m.Queue),
            Median(m => m.Generation), Median(m => m.Inference), Median(m => m.Gateway), Median(m => m.Generation / m.Inference - 1));
    }

    /// <summary>One request's milliseconds.</summary>
    private sealed record Measured(string Model, double Latency, double Embed, double LookUp, double Queue, double Generation, double Inference)
    {
        public double Gateway => Latency - Embed - LookUp - Queue - Generation;

        public static Measured? Of(Outcome outcome) =>
            outcome.Answer.Part is { GenerationMs: { } generation, InferenceMs: > 0 and var inference, QueueMs: var queue, Model: var model }
                ? new(model, outcome.LatencyMs, Timing(outcome, "embed"), Timing(outcome, "lookup"), queue ?? 0, generation, inference)
                : null;

        private static double Timing(Outcome outcome, string name) => outcome.Answer.Timing.GetValueOrDefault(name);
    }
}
