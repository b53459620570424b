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
        var figures = StoryScores.Of(rows, endings, _mamba, WordNet.None, seed: 1).ToDictionary(f => f.Name);

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
