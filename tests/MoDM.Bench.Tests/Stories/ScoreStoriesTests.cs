using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using MoDM.Bench.Scoring;
using MoDM.Bench.Stories;
using MoDM.Fakes;

namespace MoDM.Bench.Tests.Stories;

public sealed class ScoreStoriesTests : IDisposable
{
    private readonly LocalStories _mamba = new(Repo.Model("postcards-mamba"));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string HeldOut => Repo.File("bench", "data", "stories-heldout.jsonl");

    public void Dispose() => _mamba.Dispose();

    [Fact]
    public void Held_out_stories_score_as_with_the_peer_libraries()
    {
        var rows = StoryRow.Read(HeldOut);
        var endings = rows.Select(r => _mamba.Ending(r.Prompt)).ToList();
        var figures = StoryScores.Of(rows, endings, _mamba, _mamba, WordNet.None, seed: 1).ToDictionary(f => f.Name);

        Assert.Equal(File.ReadLines(Golden.File("stories/endings.jsonl")).Select(l => (string)JsonNode.Parse(l)!["greedy"]!), endings);
        // models/postcards-mamba, measured with sacrebleu, rouge-score, nltk and bert-score.
        foreach (var (name, value) in new[]
        {
            ("BLEU (corpus)", 42.2), ("ROUGE-1 F1", 0.654), ("ROUGE-2 F1", 0.467), ("ROUGE-L F1", 0.583), ("METEOR (without synonyms)", 0.582),
            ("BERTScore F1", 0.679), ("BERTScore F1 (idf)", 0.659), ("perplexity of references, given the beginning", 1.49),
            ("perplexity of references with the beginning", 1.96),
        })
        {
            Assert.InRange(figures[name].Value, 0.99 * value, 1.01 * value);
            Assert.InRange(value, figures[name].Low, figures[name].High);
        }
    }

    [Fact]
    public void BERTScore_over_the_demo_model_is_that_of_the_library()
    {
        var golden = Golden.Json("stories/bertscore.json").GetProperty("cases").EnumerateArray().ToList();
        static List<string> References(JsonElement c) => [.. c.GetProperty("references").EnumerateArray().Select(r => r.GetString()!)];
        var rarity = new TokenRarity([.. golden.SelectMany(References).Select(_mamba.Bordered)]);
        foreach (var (kind, weigh) in new (string, Func<int[], double[]>)[] { ("plain", ids => BertScore.EvenWeights(ids.Length)), ("idf", ids => rarity.Weights(ids)) })
        {
            EmbeddedText Embed(string text)
            {
                var ids = _mamba.Bordered(text);
                return _mamba.Embed(ids, weigh(ids));
            }
            foreach (var pair in golden)
            {
                var score = BertScore.Best(Embed(pair.GetProperty("candidate").GetString()!), References(pair).Select(Embed));
                var best = pair.GetProperty(kind).GetProperty("best");
                Assert.Equal(best[0].GetDouble(), score.Precision, 1e-4);
                Assert.Equal(best[1].GetDouble(), score.Recall, 1e-4);
                Assert.Equal(best[2].GetDouble(), score.F1, 1e-4);
            }
        }
    }

    [Fact]
    public async Task Perplexity_is_that_of_the_model_whatever_the_encoder()
    {
        // The same network, whose texts begin without a blank: other embeddings, another perplexity.
        var encoder = TempFolder.New();
        foreach (var from in Directory.GetFiles(Repo.Model("postcards-mamba")))
            File.Copy(from, Path.Combine(encoder, Path.GetFileName(from)));
        var tokenizer = Path.Combine(encoder, "tokenizer.json");
        await File.WriteAllTextAsync(tokenizer, (await File.ReadAllTextAsync(tokenizer, Cancel)).Replace("\"add_prefix_space\":true", "\"add_prefix_space\":false", StringComparison.Ordinal), Cancel);
        var model = Repo.Model("postcards-mamba");

        var alone = await ReportAsync("--data", HeldOut, "--limit", "3", "--model", model);
        var apart = await ReportAsync("--data", HeldOut, "--limit", "3", "--model", model, "--encoder", encoder);
        var named = await ReportAsync("--data", HeldOut, "--limit", "3", "--model", model, "--perplexity-model", encoder);

        Assert.Equal(["of postcards-mamba", "of postcards-mamba", $"of {Path.GetFileName(encoder)}"], [Perplexity(alone), Perplexity(apart), Perplexity(named)]);
        Assert.Equal(Path.GetFileName(encoder), (string?)apart["encoder"]);
        Assert.Equal(Figures(alone, "perplexity"), Figures(apart, "perplexity"));
        Assert.NotEqual(Figures(alone, "BERTScore"), Figures(apart, "BERTScore"));
        Assert.NotEqual(Figures(alone, "perplexity"), Figures(named, "perplexity"));
        Assert.Equal(Figures(alone, "BERTScore"), Figures(named, "BERTScore"));
    }

    [Fact]
    public async Task An_APIs_endings_and_a_files_have_no_perplexity_unless_a_model_is_named_for_it()
    {
        await using var server = await ServerAsync(context => context.Response.WriteAsJsonAsync(new { choices = new[] { new { text = " An end. " } } }, Cancel));
        string[] api = ["--data", HeldOut, "--limit", "2", "--api", $"{server.Urls.First()}/v1", "--api-model", "gpt"];
        var file = Path.Combine(TempFolder.New(), "stories.jsonl");
        await File.WriteAllTextAsync(file, """{"prompt": "A kite.", "reference": "It flew.", "ending": "It fell."}""", Cancel);

        foreach (var report in new[] { await ReportAsync(api), await ReportAsync("--data", file) })
        {
            Assert.Empty(Figures(report, "perplexity"));
            Assert.NotEmpty(Figures(report, "BERTScore"));
            Assert.Equal($"left out, since it cannot be had of {(string)report["source"]!}; --perplexity-model FOLDER names a model for it", Perplexity(report));
        }
        var named = await ReportAsync([.. api, "--perplexity-model", Repo.Model("postcards-mamba")]);
        Assert.Equal("of postcards-mamba", Perplexity(named));
        Assert.NotEmpty(Figures(named, "perplexity"));
    }

    private static async Task<JsonNode> ReportAsync(params string[] options)
    {
        var file = Path.Combine(TempFolder.New(), "report.json");
        Assert.Equal(0, await ScoreStoriesCommand.RunAsync([.. options, "--json", file], Repo.Root, Cancel));
        return JsonNode.Parse(await File.ReadAllTextAsync(file, Cancel))!;
    }

    private static string Perplexity(JsonNode report) => (string)report["perplexity"]!;

    private static IEnumerable<(string, double)> Figures(JsonNode report, string kind) =>
        report["figures"]!.AsArray().Where(f => ((string)f!["name"]!).StartsWith(kind, StringComparison.Ordinal)).Select(f => ((string)f!["name"]!, (double)f["value"]!));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Endings_come_from_an_API_with_the_key_and_nothing_else_of_the_file(bool chat)
    {
        var asked = new List<(string Path, string? Key, JsonNode Body)>();
        await using var server = await ServerAsync(async context =>
        {
            var body = (await JsonNode.ParseAsync(context.Request.Body, cancellationToken: Cancel))!;
            lock (asked) asked.Add((context.Request.Path, context.Request.Headers.Authorization, body));
            await context.Response.WriteAsJsonAsync(new { choices = new[] { new { text = " An end. ", message = new { content = " An end. " } } } }, Cancel);
        });
        using var api = new StoryApi(new Uri($"{server.Urls.First()}/v1/"), "some-model", "secret", chat);

        Assert.Equal("An end.", await api.EndingAsync("A beginning.", Cancel));

        var (path, key, sent) = Assert.Single(asked);
        Assert.Equal((chat ? "/v1/chat/completions" : "/v1/completions", "Bearer secret"), (path, key));
        Assert.Equal("A beginning.", (string?)(chat ? sent["messages"]![1]!["content"] : sent["prompt"]));
        Assert.Equal("some-model", (string?)sent["model"]);
    }

    [Fact]
    public async Task An_API_that_refuses_is_quoted_without_the_key()
    {
        await using var server = await ServerAsync(async context =>
        {
            context.Response.StatusCode = 401;
            await context.Response.WriteAsJsonAsync(new { error = new { message = "no such key" } }, Cancel);
        });
        using var api = new StoryApi(new Uri($"{server.Urls.First()}/v1"), "m", "secret", chat: false);

        var refused = await Assert.ThrowsAsync<InvalidDataException>(() => api.EndingAsync("A beginning.", Cancel));

        Assert.Contains("401: {\"error\":{\"message\":\"no such key\"}}", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_may_have_endings_and_several_references_and_a_line_that_has_neither_is_named()
    {
        var file = Path.Combine(TempFolder.New(), "stories.jsonl");
        File.WriteAllText(file, """
            {"prompt": "p", "reference": ["a", "b"], "ending": "c", "more": 1}

            {"prompt": "p", "ending": "a"}
            """);
        var rows = StoryRow.Read(file);

        Assert.Equal([["a", "b"], ["a"]], rows.Select(r => r.References));
        Assert.Equal(["c", null], rows.Select(r => r.Ending));
        File.AppendAllText(file, "\n{\"prompt\": \"p\"}\n");
        Assert.Contains("line 4", Assert.Throws<InvalidDataException>(() => StoryRow.Read(file)).Message, StringComparison.Ordinal);
    }

    private static async Task<WebApplication> ServerAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync(Cancel);
        return app;
    }
}
