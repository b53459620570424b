using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Gateway.Tests.Stories;

/// <summary>A story gateway with the demo's Mamba, in front of somebody else's model.</summary>
public sealed class StoryGateway : IAsyncDisposable
{
    public const string Key = "sk-test-5d0c7b1e9a";
    public const string Beginning = "Mia had a red kite. One windy day the string broke.";

    private StoryGateway(FakeUpstream upstream, GatewayProcess process, string keyFile) => (Upstream, Process, KeyFile) = (upstream, process, keyFile);

    public FakeUpstream Upstream { get; }
    public GatewayProcess Process { get; }
    public string KeyFile { get; }
    public HttpClient Http => Process.Http;

    /// <param name="cache">Of an earlier one, which is restarted.</param>
    public static async Task<StoryGateway> StartAsync(
        FakeUpstream? upstream = null, double slo = 10, int budget = 0, string api = "Chat", string? baseUrl = null, string model = "gpt-x", string? cache = null)
    {
        upstream ??= await FakeUpstream.StartAsync();
        var folder = TempFolder.New();
        var key = Path.Combine(folder, "openai.key");
        await File.WriteAllTextAsync(key, $"{Key}\n", Cancel);
        var document = Path.Combine(folder, "mixture.yaml");
        await File.WriteAllTextAsync(document, string.Create(CultureInfo.InvariantCulture, $$"""
            apiVersion: modm.dev/v1alpha1
            kind: ModelMixture
            metadata: {name: endings}
            spec:
              modality: Story
              steps: 24
              large: {name: gpt, openAI: {baseUrl: "{{baseUrl ?? upstream.BaseUrl}}", model: {{model}}, api: {{api}}, apiKeyFile: openai.key, tokensPerDay: {{budget}} } }
              small: [{name: mamba, model: {path: {{Path.Combine(Repo.Root, "models/postcards-mamba")}} } }]
              gpuBudget: 1
              slo: {latency: {{slo}}s}
            """), Cancel);
        string[] more = cache is null ? [] : ["--cache", cache];
        return new StoryGateway(upstream, await GatewayProcess.StartAsync([], ["--mixture", document, "--worker-threads", "1", .. more]), key);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public Task<HttpResponseMessage> PostAsync(string path, object body) => Http.PostAsJsonAsync(path, body, Cancel);

    /// <summary>The text, and who wrote it and why.</summary>
    public async Task<(string Text, string Route, string Model, string Reason)> CompleteAsync(string? model = null)
    {
        var response = await PostAsync("/v1/completions", new { model, prompt = Beginning, max_tokens = 12, seed = 3 });
        var body = await GatewayProcess.JsonAsync(response);
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
        return ((string)body["choices"]![0]!["text"]!, Header(response, "x-modm-route"), Header(response, "x-modm-model"), Header(response, "x-modm-reason"));
    }

    public static string Header(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : "";

    /// <summary>Data of a stream's events, [DONE] and comments left out.</summary>
    public static async Task<(List<JsonNode> Events, string Raw)> StreamAsync(HttpResponseMessage response)
    {
        var raw = await response.Content.ReadAsStringAsync(Cancel);
        return ([.. raw.Split('\n').Where(l => l.StartsWith("data: {", StringComparison.Ordinal)).Select(l => JsonNode.Parse(l[6..])!)], raw);
    }

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        await Upstream.DisposeAsync();
    }
}
