using MoDM.Bench.Traces;

namespace MoDM.Bench.Load;

/// <summary>What became of one request.</summary>
/// <param name="ArrivalMs">From the start of the replay to the request's arrival.</param>
/// <param name="LatencyMs">From the arrival (in an open loop: the scheduled one) to the finished response.</param>
internal sealed record Outcome(TraceEntry Entry, double ArrivalMs, double LatencyMs, Answer Answer)
{
    public double EndMs => ArrivalMs + LatencyMs;
}

/// <summary>The response, or why there is none.</summary>
/// <param name="Timing">The gateway's <c>Server-Timing</c>, in milliseconds.</param>
internal sealed record Answer(string? Error, byte[] Png, Api.ImageStory? Story, IReadOnlyDictionary<string, double> Timing)
{
    public static Answer Failed(string error) => new(error, [], null, new Dictionary<string, double>());

    public bool IsHit => Story?.Route == "hit";

    public Api.ImagePart? Part => Story?.Images is [var first, ..] ? first : null;
}
