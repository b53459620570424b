using System.Globalization;

namespace MoDM.Mixture;

/// <summary>A hit, drawn once more by the large model from noise.</summary>
/// <param name="Served">CLIPScore of what was served, 2.5 max(cos, 0) of prompt and picture (Hessel et al. 2021).</param>
/// <param name="Large">The same of the large model's picture.</param>
/// <param name="Distance">1 - cosine of the two pictures' embeddings.</param>
public readonly record struct QualitySample(double Served, double Large, double Distance);

/// <summary>
/// Mean CLIPScore of the hits over that of the large model, a ratio of means, with its 95 % interval by the delta method:
/// <code>
/// r = S / L          S, L   sums over the n samples, s_i and l_i
/// var r = sum (s_i - r l_i)^2 / (n (n - 1)) / (L / n)^2
/// </code>
/// </summary>
public readonly record struct QualityEstimate(double Ratio, double Low, double High, double Distance, int Samples)
{
    private const double Normal95 = 1.96;

    /// <summary>Null when nothing has been sampled, or no picture of the large model has to do with its prompt.</summary>
    public static QualityEstimate? Of(IReadOnlyList<QualitySample> samples)
    {
        var (n, large) = (samples.Count, samples.Sum(s => s.Large));
        if (large <= 0) return null;
        var ratio = samples.Sum(s => s.Served) / large;
        var squares = samples.Sum(s => Math.Pow(s.Served - ratio * s.Large, 2));
        var half = n > 1 ? Normal95 * Math.Sqrt(squares / (n * (n - 1.0))) / (large / n) : double.PositiveInfinity;
        return new QualityEstimate(ratio, Math.Max(0, ratio - half), ratio + half, samples.Average(s => s.Distance), n);
    }
}

/// <param name="RaisedBy">What the similarity thresholds are above the document's, as a cosine.</param>
/// <param name="Window">The newest samples that were drawn at this height, oldest first.</param>
public sealed record QualityState(double RaisedBy, IReadOnlyList<QualitySample> Window)
{
    public static readonly QualityState Start = new(0, []);
}

public readonly record struct QualityDecision(QualityState State, string Reason);

/// <summary>
/// Keeps the hits at the quality floor: moves the similarity thresholds up while hits are worse than it, and slowly back.
/// A move is made only when the whole interval is on one side of the floor: its upper end below it to go up, its lower end above it
/// to go down. What lies between is what the samples cannot tell, and there nothing moves; the mean alone would go up on
/// noise about every second time at the floor itself, and never come to rest.
/// </summary>
public static class QualityControl
{
    public const int Window = 200;
    public const int Enough = 20;
    public const double StepUp = 0.005;
    public const double StepDown = 0.0025;
    public const double MostRaised = 0.1;

    /// <param name="floor">Of the ratio.</param>
    public static QualityDecision Decide(QualityState state, QualitySample sample, double floor)
    {
        QualitySample[] window = [.. state.Window.TakeLast(Window - 1), sample];
        var next = state with { Window = window };
        if (QualityEstimate.Of(window) is not { } now)
            return new(next, "the large model's own pictures have nothing to do with their prompts, so that there is nothing to compare with");
        var measured = now.Samples < 2 ? Say($"hits have {now.Ratio:0.000} of the large model's CLIP score")
            : Say($"hits have {now.Ratio:0.000} ({now.Low:0.000} to {now.High:0.000}) of the large model's CLIP score");
        if (now.Samples < Enough)
            return new(next, Say($"{measured}, by {now.Samples} of the {Enough} samples that it takes"));
        if (now.High < floor)
        {
            var up = Math.Round(Math.Min(state.RaisedBy + StepUp, MostRaised), 4);
            return up > state.RaisedBy
                ? new(new(up, []), Say($"{measured}, all below the floor of {floor:0.###}: thresholds are raised to {up:0.####} above the document's"))
                : new(next, Say($"{measured}, all below the floor of {floor:0.###}, and thresholds are raised by {up:0.####}, the most there is"));
        }
        if (now.Low > floor && now.Samples == Window && state.RaisedBy > 0)
        {
            var down = Math.Round(Math.Max(0, state.RaisedBy - StepDown), 4);
            return new(new(down, []), Say($"{measured}, all above the floor of {floor:0.###}: thresholds go down to {down:0.####} above the document's"));
        }
        return new(next, Say($"{measured}, and the floor is {floor:0.###}"));
    }

    /// <summary>The thresholds in force: those of the document, raised, ascending and at most 1.</summary>
    public static IReadOnlyList<HitThreshold> Raise(IReadOnlyList<HitThreshold> hits, double by) => by <= 0 ? hits
        : [.. hits.Select(h => h with { Similarity = Math.Max(h.Similarity, Math.Min(1, h.Similarity + by)) })];

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
