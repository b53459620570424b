namespace MoDM.Bench.Stories;

/// <summary>Steps of the writer against ONNX Runtime alone, in turn in one process.</summary>
/// <param name="Ratio">Median of bare time / ours over the rounds: 1 when nothing is added.</param>
internal sealed record StepOverhead(int Threads, int Texts, int Samples, double BareMs, double OursMs, double Ratio);

/// <summary>Tokens of texts a second, prompts read meanwhile.</summary>
/// <param name="Ratio">Median over rounds of many / one.</param>
internal sealed record StreamThroughput(string Way, string Prompts, int Threads, int Streams, int Rounds, double One, double Many, double Ratio);

internal sealed record StoriesReport(IReadOnlyList<StepOverhead> Steps, IReadOnlyList<StreamThroughput> Streams, Environs Environment);
