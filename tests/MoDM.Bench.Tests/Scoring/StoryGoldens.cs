using System.Text.Json;
using MoDM.Bench.Scoring;
using MoDM.Fakes;

namespace MoDM.Bench.Tests.Scoring;

/// <summary>
/// What sacrebleu 2.6.0, rouge-score 0.1.2, nltk 3.10.4 and bert-score 0.3.13 say of 40 pairs of texts: tests/golden/stories.
/// </summary>
internal static class StoryGoldens
{
    public static JsonElement Metrics { get; } = Golden.Json("stories/metrics.json");

    public static IEnumerable<JsonElement> Pairs => Metrics.GetProperty("cases").EnumerateArray();

    public static WordNet Synonyms { get; } = WordNet.FromJson(File.ReadAllText(Golden.File("stories/wordnet_synonyms.json")));

    public static string Candidate(JsonElement pair) => pair.GetProperty("candidate").GetString()!;

    public static string[] References(JsonElement pair) => Strings(pair.GetProperty("references"));

    public static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(s => s.GetString()!)];

    public static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(n => n.GetDouble())];

    public static double Number(JsonElement of, string name) => of.GetProperty(name).GetDouble();

    public static void AssertEqual(JsonElement precisionRecallF1, MatchScore score, double tolerance) => AssertEqual(
        Numbers(precisionRecallF1), [score.Precision, score.Recall, score.F1], tolerance);

    public static void AssertEqual(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), v => Assert.Equal(v.First, v.Second, tolerance));
    }
}
