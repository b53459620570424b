namespace MoDM.Bench.Traces;

/// <summary>One request of a trace.</summary>
/// <param name="Seed">For the noise; the same for every system that the trace is replayed on.</param>
/// <param name="Scene">What a picture should show, where that is known; then accuracy can be judged.</param>
/// <param name="Named">The attributes of it that the prompt says.</param>
/// <param name="User">Who asks, where that is known; a user asks for the next picture after seeing the last one.</param>
/// <param name="At">Seconds from the start of the trace, where it has times.</param>
internal sealed record TraceEntry(
    string Prompt, long Seed, Scene? Scene = null, IReadOnlySet<SceneAttribute>? Named = null, int? User = null, double? At = null);
