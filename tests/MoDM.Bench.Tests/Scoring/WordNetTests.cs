using System.Globalization;
using System.Text;
using MoDM.Bench.Scoring;
using static MoDM.Bench.Tests.Scoring.StoryGoldens;

namespace MoDM.Bench.Tests.Scoring;

public sealed class WordNetTests : IDisposable
{
    private const string Licence = "  1 Lines of the licence begin with spaces  \n";

    private readonly string _folder = Directory.CreateTempSubdirectory("modm-wordnet-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_word_has_the_one_word_lemmas_of_all_its_synsets()
    {
        Write("noun", ["dog domestic_dog", "frump dog", "cat"]);
        Write("verb", ["chase Track_down dog"]);

        Assert.Equal(["chase", "dog", "frump"], Of("dog"));
        Assert.Equal(["cat"], Of("Cat"));
        Assert.Empty(Of("bird"));
    }

    [Fact]
    public void Endings_are_taken_off_once_and_only_where_that_leaves_a_lemma()
    {
        Write("noun", ["dog hound", "dress frock", "box", "man male"]);
        Write("verb", ["hope trust", "hop leap"]);

        Assert.Equal(["dog", "hound"], Of("dogs"));
        Assert.Equal(["dress", "frock"], Of("dresses"));
        Assert.Equal(["box"], Of("boxes"));
        Assert.Equal(["male", "man"], Of("men"));
        Assert.Equal(["hop", "hope", "leap", "trust"], Of("hoping"));
        Assert.Empty(Of("dogss"));
    }

    [Fact]
    public void An_exception_stands_in_for_the_rules_beside_the_word_itself()
    {
        Write("noun", ["axis shaft", "ax tool", "axes_of_evil axes"], exceptions: ["axes axis"]);

        Assert.Equal(["axes", "axis", "shaft"], Of("axes"));
    }

    [Fact]
    public void Adjectives_lose_their_place_and_keep_their_case()
    {
        Write("adj", ["galore(ip) Abounding", "large big(a)"]);

        Assert.Equal(["Abounding", "galore"], Of("galore"));
        Assert.Equal(["big", "large"], Of("largest"));
    }

    [Fact]
    public void More_than_nine_lemmas_are_counted_in_hexadecimal()
    {
        Write("adv", [string.Join(' ', "abcdefghijkl".Select(c => $"now{c}"))]);

        Assert.Equal(12, Of("nowa").Count);
    }

    [Fact]
    public void A_missing_folder_is_named()
    {
        var error = Assert.ThrowsAny<IOException>(() => WordNet.Read(Path.Combine(_folder, "elsewhere")));

        Assert.Contains("elsewhere", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_golden_words_have_their_synonyms_and_others_none()
    {
        Assert.Contains("automobile", Synonyms.Of("car"));
        Assert.Empty(Synonyms.Of("no such word"));
    }

    private List<string> Of(string word)
    {
        foreach (var part in PartOfSpeech.All.Where(p => !File.Exists(Path.Combine(_folder, $"data.{p.Name}"))))
            Write(part.Name, []);
        return [.. WordNet.Read(_folder).Of(word).Order(StringComparer.Ordinal)];
    }

    /// <summary>The files of one part of speech.</summary>
    /// <param name="synsets">The lemmas of each, with spaces between.</param>
    private void Write(string part, string[] synsets, string[]? exceptions = null)
    {
        var data = new StringBuilder(Licence);
        var offsets = new Dictionary<string, List<string>>();
        foreach (var lemmas in synsets.Select(s => s.Split(' ')))
        {
            var offset = data.Length.ToString("00000000", CultureInfo.InvariantCulture);
            foreach (var lemma in lemmas.Select(l => l.Split('(')[0].ToLowerInvariant()))
                offsets[lemma] = [.. offsets.GetValueOrDefault(lemma, []), offset];
            data.Append(CultureInfo.InvariantCulture, $"{offset} 03 n {lemmas.Length:x2} {string.Join(' ', lemmas.Select(l => l + " 0"))} 000 | a gloss  \n");
        }
        var index = offsets.Select(l => $"{l.Key} n {l.Value.Count} 2 @ ~ {l.Value.Count} 0 {string.Join(' ', l.Value)}  \n");
        File.WriteAllText(Path.Combine(_folder, $"data.{part}"), data.ToString());
        File.WriteAllText(Path.Combine(_folder, $"index.{part}"), Licence + string.Concat(index));
        File.WriteAllLines(Path.Combine(_folder, $"{part}.exc"), exceptions ?? []);
    }
}
