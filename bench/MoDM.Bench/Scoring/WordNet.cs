using System.Text.Json;

namespace MoDM.Bench.Scoring;

/// <summary>What METEOR takes as synonyms of a word: the one-word lemmas, as written, of all synsets that have a form of the word.</summary>
internal sealed class WordNet
{
    private readonly Func<string, IReadOnlyCollection<string>> _synonyms;

    private WordNet(Func<string, IReadOnlyCollection<string>> synonyms) => _synonyms = synonyms;

    /// <summary>Nothing has a synonym.</summary>
    public static WordNet None { get; } = new(_ => []);

    /// <param name="folder">The <c>dict</c> folder of WordNet 3.0 or later; in Debian's package wordnet-base /usr/share/wordnet.</param>
    /// <exception cref="IOException">The folder or one of its files is not there.</exception>
    public static WordNet Read(string folder)
    {
        var parts = PartOfSpeech.All.Select(p => WordNetFile.Read(folder, p)).ToList();
        return new(word => [.. parts.SelectMany(p => p.Synonyms(word)).Distinct()]);
    }

    /// <param name="json">An object with a list of synonyms for each word; words it lacks have none.</param>
    public static WordNet FromJson(string json)
    {
        var words = JsonSerializer.Deserialize<Dictionary<string, string[]>>(json)!;
        return new(word => words.GetValueOrDefault(word, []));
    }

    public IReadOnlyCollection<string> Of(string word) => _synonyms(word);
}
