using System.Globalization;
using System.Text.Json;
using MoDM.Bench.Scoring;
using MoDM.Onnx;

namespace MoDM.Bench.Stories;

/// <param name="Source">Who wrote the endings.</param>
/// <param name="Encoder">Whose embeddings BERTScore compares.</param>
/// <param name="Perplexity">Which model's it is, or why there is none.</param>
internal sealed record StoryReport(string Data, string Source, string Encoder, string Perplexity, bool Synonyms, int Stories, IReadOnlyList<StoryFigure> Figures, Environs Environment);

/// <summary>bench score-stories: a model's endings of stories against those that the data has.</summary>
internal static class ScoreStoriesCommand
{
    public const string Usage = "score-stories [--data FILE.jsonl] [--model FOLDER | --api URL --api-model NAME [--chat] [--api-key-file FILE]] [--encoder FOLDER] "
        + "[--perplexity-model FOLDER] [--wordnet FOLDER] [--limit N] [--seed 1] [--save FILE.jsonl] [--json FILE]";

    private const int ApiRequests = 4;
    private static readonly HashSet<string> Names =
        ["--data", "--model", "--api", "--api-model", "--api-key-file", "--encoder", "--perplexity-model", "--wordnet", "--limit", "--seed", "--save", "--json"];

    /// <param name="repository">Where the demo's model and data are.</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, string repository, CancellationToken stop)
    {
        var line = new CommandLine(args, Names, new HashSet<string> { "--chat" });
        var data = line.Text("--data") ?? Path.Combine(repository, "bench", "data", "stories-heldout.jsonl");
        var demo = Path.Combine(repository, "models", "postcards-mamba");
        var (api, apiModel, folder) = (line.Text("--api"), line.Text("--api-model"), line.Text("--model"));
        Uri? address = null;
        if (api is not null && !(Uri.TryCreate(api, UriKind.Absolute, out address) && address.Scheme is "http" or "https"))
            line.Report($"--api is {api}; a URL such as https://host/v1 belongs there.");
        if ((api is null) != (apiModel is null)) line.Report("--api and --api-model belong together.");
        if (api is not null && folder is not null) line.Report("--model and --api are both given; name one.");
        if (api is null && (line.Flag("--chat") || line.Text("--api-key-file") is not null)) line.Report("--chat and --api-key-file are for --api.");
        var (limit, seed) = (line.Whole("--limit", 1, 1_000_000, 1_000_000), line.Whole("--seed", 0, 1_000_000, 1));
        if (line.Problems.Count > 0)
        {
            await Console.Error.WriteLineAsync(string.Join('\n', [.. line.Problems, $"usage: {Usage}"]));
            return 2;
        }
        var rows = StoryRow.Read(data).Take(limit).ToList();
        var synonyms = line.Text("--wordnet") is { } words ? WordNet.Read(words) : WordNet.None;
        try
        {
            var fromFile = rows.All(r => r.Ending is not null) && api is null && folder is null;
            var writer = fromFile || api is not null ? null : folder ?? demo;
            var (embedding, rating) = (line.Text("--encoder") ?? folder ?? demo, line.Text("--perplexity-model") ?? writer);
            using ITokenEncoder encoder = File.Exists(Path.Combine(embedding, "vocab.txt")) ? new BertEncoder(embedding) : new LocalStories(embedding);
            using var other = rating is null || rating == embedding && encoder is LocalStories ? null : new LocalStories(rating);
            var (source, endings) = fromFile
                ? ("the file", rows.ConvertAll(r => r.Ending!))
                : writer is null
                    ? ($"{apiModel} at {address!.Host}", await AskAsync(rows, address, apiModel!, KeyOf(line), line.Flag("--chat"), stop))
                    : (Name(writer), Write(rows, writer, stop));
            var perplexity = rating is null
                ? $"left out, since it cannot be had of {source}; --perplexity-model FOLDER names a model for it"
                : $"of {Name(rating)}";
            var figures = StoryScores.Of(rows, endings, encoder, rating is null ? null : other ?? encoder as LocalStories, synonyms, seed);
            Console.WriteLine($"{rows.Count} endings by {source}; from and to: 95 % of 1000 bootstrap samples");
            Console.WriteLine($"BERTScore: over embeddings of {Name(embedding)}; perplexity: {perplexity}\n");
            Console.WriteLine(Table.Render(["", "value", "from", "to"], [.. figures.Select(f => (IReadOnlyList<string>)[f.Name, Text(f.Value), Text(f.Low), Text(f.High)])]));
            if (line.Text("--save") is { } save)
                await File.WriteAllLinesAsync(save, rows.Select((r, i) => JsonSerializer.Serialize(new { prompt = r.Prompt, reference = r.References, ending = endings[i] })), stop);
            if (line.Text("--json") is { } file)
                ResultFile.Write(file, new StoryReport(Path.GetFileName(data), source, Name(embedding), perplexity, synonyms != WordNet.None, rows.Count, figures, Environs.Here()));
            return 0;
        }
        catch (ModelException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private static List<string> Write(List<StoryRow> rows, string folder, CancellationToken stop)
    {
        using var model = new LocalStories(folder);
        var endings = new List<string>();
        foreach (var row in rows)
        {
            stop.ThrowIfCancellationRequested();
            endings.Add(model.Ending(row.Prompt));
        }
        return endings;
    }

    private static async Task<List<string>> AskAsync(
        List<StoryRow> rows, Uri address, string model, string? key, bool chat, CancellationToken stop)
    {
        using var api = new StoryApi(address, model, key, chat);
        var endings = new string[rows.Count];
        await Parallel.ForAsync(0, rows.Count, new ParallelOptions { MaxDegreeOfParallelism = ApiRequests, CancellationToken = stop },
            async (i, cancel) => endings[i] = await api.EndingAsync(rows[i].Prompt, cancel));
        return [.. endings];
    }

    /// <summary>From a file rather than an argument, which every process of the machine could read.</summary>
    private static string? KeyOf(CommandLine line) =>
        line.Text("--api-key-file") is { } file ? File.ReadAllText(file).Trim() : Environment.GetEnvironmentVariable("OPENAI_API_KEY");

    private static string Name(string folder) => Path.GetFileName(folder.TrimEnd('/'));

    private static string Text(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);
}
