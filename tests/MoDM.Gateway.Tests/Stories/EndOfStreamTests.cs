using System.Text;
using MoDM.Fakes;

namespace MoDM.Gateway.Tests.Stories;

/// <summary>How a text of the external model's ends, whatever then becomes of its connection.</summary>
public class EndOfStreamTests
{
    private const string Text = """data: {"choices": [{"index": 0, "delta": {"content": "All was well."}, "finish_reason": null}]}""";

    public static TheoryData<string, string, UpstreamAnswer> Endings => new()
    {
        { "DONE, and the connection stays open", "stop", new(Raw: "data: [DONE]\n\n", Lingers: TimeSpan.FromSeconds(30)) },
        { "end of stream", "stop", new() },
        { "silence", "stop", new(Lingers: TimeSpan.FromSeconds(30)) },
        { "broken off", "stop", new(Words: 1, Lingers: TimeSpan.FromMilliseconds(50)) },
        { "no JSON", "stop", new(Raw: "data: bye\n\n") },
        { "an error after the end", "stop", new(Raw: "data: {\"error\": {\"message\": \"late\"}}\n\n") },
        { "usage without the text's", "stop", new(Raw: "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 10}}\n\n") },
        { "usage of another kind", "stop", new(Raw: "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": \"ten\", \"completion_tokens\": 1.5}}\n\n") },
        { "length", "length", new() },
        { "content filter", "content_filter", new() },
    };

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task A_text_that_said_why_it_ends_is_complete_and_its_server_healthy(string what, string reason, UpstreamAnswer after)
    {
        await using var gateway = await StoryGateway.StartAsync();
        var end = Text.Replace("All was well.", "", StringComparison.Ordinal).Replace("null", $"\"{reason}\"", StringComparison.Ordinal);
        gateway.Upstream.Answer = after with { Raw = new StringBuilder(Text).Append("\n\n").Append(end).Append("\n\n").Append(after.Raw).ToString() };
        for (var i = 0; i < 2; i++) // The second one shows that the server does not rest.
        {
            var response = await gateway.PostAsync("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "Mia had a kite." } }, max_tokens = 9 });
            var choice = (await GatewayProcess.JsonAsync(response))["choices"]![0]!;
            Assert.Equal(("large", what), (StoryGateway.Header(response, "x-modm-route"), what));
            Assert.Equal(("All was well.", reason), ((string)choice["message"]!["content"]!, (string)choice["finish_reason"]!));
        }
        Assert.Equal(2, gateway.Upstream.Requests.Count);
    }

    [Fact]
    public async Task A_text_that_did_not_say_why_it_ends_is_written_on()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer(Raw: $"{Text}\n\ndata: [DONE]\n\n");
        var (text, route, model, reason) = await gateway.CompleteAsync();
        Assert.Equal(("fallback", "gpt+mamba", "gpt ended its answer in the middle"), (route, model, reason));
        Assert.StartsWith("All was well.", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_filtered_ending_says_so()
    {
        await using var gateway = await StoryGateway.StartAsync();
        gateway.Upstream.Answer = new UpstreamAnswer(Raw: $"{Text.Replace("null", "\"content_filter\"", StringComparison.Ordinal)}\n\ndata: [DONE]\n\n");
        var body = await GatewayProcess.JsonAsync(await gateway.PostAsync("/v1/stories/endings", new { prompt = StoryGateway.Beginning, sentences = 3 }));
        Assert.Equal(("All was well.", "content_filter"), ((string)body["ending"]!, (string)body["finish_reason"]!));
    }
}
