using System.Net.Http.Headers;
using System.Text.Json;
using MoDM.Api;

namespace MoDM.Gateway.Stories;

/// <summary>Has endings drawn by an image mixture, through its gateway: with its cache, its queue and its explanations.</summary>
/// <param name="address">Instead of the document's.</param>
internal sealed class Illustrator(CurrentMixture mixture, Uri? address, HttpMessageInvoker http)
{
    /// <summary>A key for the image mixture's gateway, from whoever asks for the ending.</summary>
    public const string ErrandHeader = "x-modm-errand";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public Uri? Address => address ?? (mixture.Now.Spec.Illustrator is { } url ? new Uri(url) : null);

    /// <summary>An ending without its picture is still an ending: what went wrong is part of the answer.</summary>
    /// <param name="key">Null: none is sent.</param>
    public async Task<EndingImage> DrawAsync(string ending, long seed, string? key, CancellationToken cancel)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timeout.CancelAfter(Patience);
        try
        {
            var prompt = ending.Length <= ImageRequestReader.MaxPromptLength ? ending : ending[..ImageRequestReader.MaxPromptLength];
            var body = JsonSerializer.SerializeToUtf8Bytes(
                new ImageRequest { Prompt = prompt, ResponseFormat = "b64_json", Seed = (int)(seed & int.MaxValue) }, ApiJson.Default.ImageRequest);
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address!, "/v1/images/generations"))
            {
                Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
            };
            if (!string.IsNullOrEmpty(key)) request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
            using var response = await http.SendAsync(request, timeout.Token);
            using var json = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(timeout.Token));
            var root = json.RootElement;
            if (!response.IsSuccessStatusCode)
            {
                return Not(root.TryGetProperty("error", out var error) && error.TryGetProperty("message", out var message)
                    ? message.GetString()! : $"The image mixture answered {(int)response.StatusCode}.");
            }
            return new EndingImage(null, root.GetProperty("data")[0].GetProperty("b64_json").GetString(),
                root.TryGetProperty("modm", out var modm) ? modm.Clone() : null, null);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Not($"The image mixture did not answer within {Patience.TotalMinutes:0} minutes.");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return Not("The image mixture cannot be reached.");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            return Not("The image mixture's answer cannot be read.");
        }
    }

    private static EndingImage Not(string why) => new(null, null, null, ApiError.Upstream(why));
}
