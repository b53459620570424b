using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using MoDM.Onnx;
using MoDM.Worker.Stories;

namespace MoDM.Bench.Stories;

/// <summary>Clients that send one request after the other for a while.</summary>
internal static class StoryLoad
{
    public static readonly SamplingRule Rule = new(Temperature: 0.7, TopP: 0.9);
    public const int MaxTokens = 96;

    /// <summary>The first words of a story, and the larger part of one.</summary>
    public static readonly IReadOnlyDictionary<string, string[]> Prompts = new Dictionary<string, string[]>
    {
        ["first words"] = ["Mia had a red kite.", "Tom was a baker.", "One day Ben saw a blue whale."],
        ["four sentences"] =
        [
            "Mia had a red kite near the green hills. She wanted to fly the kite higher than the kite of her brother Tom. She packed a box of chalk. But then the string snapped.",
            "Ben, a baker, had a white boat close to the forest and wanted to sail around the lake. He packed a rope. Suddenly a storm came up. Ben waited until it was over.",
        ],
    };

    /// <returns>Tokens a second.</returns>
    public static async Task<double> RunAsync(int clients, TimeSpan time, Func<int, CancellationToken, Task<int>> request, CancellationToken cancel)
    {
        var (seed, tokens, start) = (0, 0L, Stopwatch.GetTimestamp());
        await Task.WhenAll(Enumerable.Range(0, clients).Select(async _ =>
        {
            while (Stopwatch.GetElapsedTime(start) < time)
                Interlocked.Add(ref tokens, await request(Interlocked.Increment(ref seed), cancel));
        }));
        return tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public static Func<int, CancellationToken, Task<int>> InProcess(StoryLoop loop, NeoxTokenizer tokenizer, string[] prompts) => async (seed, cancel) =>
    {
        var task = new StoryTask { Prompt = tokenizer.Encode(prompts[seed % prompts.Length]), Seed = seed, Rule = Rule, MaxTokens = MaxTokens, Progress = (_, _) => { }, Cancelled = cancel };
        return (await loop.TryAdmit([task])![0].Drafts[0].Done).Tokens;
    };

    /// <summary>A stream read to its end; tokens as its last chunk counts them.</summary>
    public static Func<int, CancellationToken, Task<int>> Http(HttpClient http, string[] prompts) => async (seed, cancel) =>
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = JsonContent.Create(new
            {
                prompt = prompts[seed % prompts.Length],
                seed,
                temperature = Rule.Temperature,
                top_p = Rule.TopP,
                max_tokens = MaxTokens,
                stream = true,
                stream_options = new { include_usage = true },
            }),
        };
        using var response = await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancel);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancel));
        var last = "";
        while (await reader.ReadLineAsync(cancel) is { } line)
        {
            if (line.StartsWith("data: {", StringComparison.Ordinal))
                last = line[6..];
        }
        using var usage = JsonDocument.Parse(last);
        return usage.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32();
    };
}
