using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MoDM.Bench.Stories;

/// <summary>Endings by a model behind OpenAI's API: completions, or chat with an instruction.</summary>
/// <param name="address">With the version: https://host/v1.</param>
/// <param name="key">Null: none is sent.</param>
internal sealed class StoryApi(Uri address, string model, string? key, bool chat) : IDisposable
{
    /// <summary>What a chat model is told; a model of the stories' own kind needs no words.</summary>
    public const string Instruction = "Here is the beginning of a short story. Write its ending, in one to three sentences. Answer with the ending alone.";
    private const int MostTokens = 96;

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromMinutes(2) };

    /// <exception cref="InvalidDataException">It did not answer, or something else, and what.</exception>
    public async Task<string> EndingAsync(string prompt, CancellationToken cancel)
    {
        var body = new JsonObject { ["model"] = model, ["max_tokens"] = MostTokens, ["temperature"] = 0 };
        if (chat)
        {
            body["messages"] = new JsonArray(
                new JsonObject { ["role"] = "system", ["content"] = Instruction }, new JsonObject { ["role"] = "user", ["content"] = prompt });
        }
        else
        {
            body["prompt"] = prompt;
        }
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{address.ToString().TrimEnd('/')}/{(chat ? "chat/completions" : "completions")}")
        {
            Content = JsonContent.Create(body),
        };
        if (key is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var response = await SendAsync(request, cancel);
        var text = await response.Content.ReadAsStringAsync(cancel);
        try
        {
            using var json = JsonDocument.Parse(text);
            var choice = json.RootElement.GetProperty("choices")[0];
            return (chat ? choice.GetProperty("message").GetProperty("content") : choice.GetProperty("text")).GetString()!.Trim();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"{request.RequestUri} answered {(int)response.StatusCode}: {text[..Math.Min(text.Length, 300)]}");
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        try
        {
            return await _http.SendAsync(request, cancel);
        }
        catch (Exception e) when (e is HttpRequestException || e is TaskCanceledException && !cancel.IsCancellationRequested)
        {
            throw new InvalidDataException($"{request.RequestUri} cannot be reached: {e.Message}");
        }
    }
}
