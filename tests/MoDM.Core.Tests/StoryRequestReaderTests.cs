using System.Text;
using System.Text.Json;
using MoDM.Api;

namespace MoDM.Core.Tests;

public class StoryRequestReaderTests
{
    [Fact]
    public void A_full_completion_is_read()
    {
        var (request, error) = Completion("""
            {"model": "m", "prompt": ["a", "b"], "max_tokens": 20, "temperature": 0.7, "top_p": 0.9, "n": 2, "stream": true,
             "stream_options": {"include_usage": true, "include_obfuscation": false}, "stop": ["x", "y"], "seed": -7, "echo": true,
             "frequency_penalty": 0.5, "presence_penalty": -0.5, "user": "u", "top_k": 40, "repetition_penalty": 1.1,
             "logprobs": null, "best_of": 1, "suffix": "", "logit_bias": {}}
            """);

        Assert.Null(error);
        Assert.Equal(["a", "b"], request!.Prompts);
        Assert.Equal(["x", "y"], request.Stop);
        Assert.Equal((20, "m", "u"), (request.MaxTokens, request.Model, request.User));
        Assert.Equal((0.7, 0.9, 2, 40, -7L), (request.Temperature, request.TopP, request.N, request.TopK, request.Seed));
        Assert.Equal((0.5, -0.5, 1.1), (request.FrequencyPenalty, request.PresencePenalty, request.RepetitionPenalty));
        Assert.True(request.Stream == true && request.IncludeUsage && request.Echo == true);
        Assert.Null(request.Messages);
    }

    [Fact]
    public void A_chat_becomes_the_texts_of_user_and_assistant_in_order()
    {
        var (request, error) = Chat("""
            {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Mia had a kite. ", "name": "m"},
             {"role": "assistant", "content": " It flew.", "tool_calls": null},
             {"role": "user", "content": [{"type": "text", "text": "Then the "}, {"type": "text", "text": "string snapped."}]}],
             "max_completion_tokens": 9, "stop": "\n", "response_format": {"type": "text"}, "logprobs": false, "tool_choice": "none"}
            """);

        Assert.Null(error);
        Assert.Equal(["Mia had a kite. It flew. Then the string snapped."], request!.Prompts);
        Assert.Equal((9, 4, "system"), (request.MaxTokens, request.Messages!.Count, request.Messages[0].Role));
        Assert.Equal(["\n"], request.Stop);
    }

    [Theory]
    [InlineData("""{"prompt": "x", "n": 0}""", "n")]
    [InlineData("""{"prompt": "x", "n": 17}""", "n")]
    [InlineData("""{"prompt": "x", "max_tokens": 0}""", "max_tokens")]
    [InlineData("""{"prompt": "x", "max_tokens": 1.5}""", "max_tokens")]
    [InlineData("""{"prompt": "x", "temperature": 2.1}""", "temperature")]
    [InlineData("""{"prompt": "x", "temperature": "warm"}""", "temperature")]
    [InlineData("""{"prompt": "x", "top_p": -0.1}""", "top_p")]
    [InlineData("""{"prompt": "x", "top_k": -2}""", "top_k")]
    [InlineData("""{"prompt": "x", "repetition_penalty": 0}""", "repetition_penalty")]
    [InlineData("""{"prompt": "x", "frequency_penalty": 3}""", "frequency_penalty")]
    [InlineData("""{"prompt": "x", "seed": "s"}""", "seed")]
    [InlineData("""{"prompt": "x", "stop": 5}""", "stop")]
    [InlineData("""{"prompt": "x", "stop": ["a", ""]}""", "stop")]
    [InlineData("""{"prompt": "x", "stop": ["a", "b", "c", "d", "e"]}""", "stop")]
    [InlineData("""{"prompt": "x", "stream_options": {"include_usage": true}}""", "stream_options")]
    [InlineData("""{"prompt": "x", "stream": true, "stream_options": {"colour": 1}}""", "stream_options.colour")]
    [InlineData("""{"prompt": "x", "logprobs": 3}""", "logprobs")]
    [InlineData("""{"prompt": "x", "best_of": 2}""", "best_of")]
    [InlineData("""{"prompt": "x", "suffix": "end"}""", "suffix")]
    [InlineData("""{"prompt": "x", "logit_bias": {"50256": -100}}""", "logit_bias")]
    [InlineData("""{"prompt": "x", "messages": []}""", "messages")]
    [InlineData("""{"prompt": "x", "max_completion_tokens": 5}""", "max_completion_tokens")]
    [InlineData("""{"prompt": [1, 2, 3]}""", "prompt")]
    [InlineData("""{"prompt": []}""", "prompt")]
    [InlineData("""{"prompt": ["a", " \n"]}""", "prompt[1]")]
    [InlineData("""{"prompt": "a\u0000b"}""", "prompt")]
    [InlineData("""{"prompt": "a\u0085b"}""", "prompt")]
    [InlineData("""{"prompt": " "}""", "prompt")]
    [InlineData("""{"prompt": null}""", "prompt")]
    [InlineData("{}", "prompt")]
    [InlineData("""{"prompt": "\ud800"}""", "body")]
    [InlineData("[]", "body")]
    public void A_wrong_field_of_a_completion_is_named(string json, string field) => Refused(Completion(json), field);

    [Theory]
    [InlineData("{}", "messages")]
    [InlineData("""{"messages": []}""", "messages")]
    [InlineData("""{"messages": "hi"}""", "messages")]
    [InlineData("""{"messages": ["hi"]}""", "messages[0]")]
    [InlineData("""{"messages": [{"role": "tool", "content": "x"}]}""", "messages[0].role")]
    [InlineData("""{"messages": [{"content": "x"}]}""", "messages[0].role")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}, {"role": "user"}]}""", "messages[1].content")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}""", "messages[0].content")]
    [InlineData("""{"messages": [{"role": "user", "content": "a\u0007"}]}""", "messages[0].content")]
    [InlineData("""{"messages": [{"role": "user", "content": "x", "tool_calls": []}]}""", "messages[0].tool_calls")]
    [InlineData("""{"messages": [{"role": "system", "content": "x"}]}""", "messages")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}""", "messages")]
    [InlineData("""{"messages": [{"role": "user", "content": " "}]}""", "messages")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "max_completion_tokens": 4}""", "max_completion_tokens")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}], "prompt": "y"}""", "prompt")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}], "echo": true}""", "echo")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}], "logprobs": true}""", "logprobs")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}""", "tools")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_object"}}""", "response_format")]
    public void A_wrong_field_of_a_chat_is_named(string json, string field) => Refused(Chat(json), field);

    [Fact]
    public void All_wrong_fields_are_named_at_once()
    {
        var (_, error) = Completion("""{"prompt": 3, "n": 0, "stop": 1, "colour": 1}""");

        foreach (var field in new[] { "prompt", "n", "stop", "colour" })
            Assert.Contains($"{field}: ", error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Enormous_prompts_are_refused_with_both_lengths()
    {
        var half = new string('x', 60_000);
        Assert.Contains("120000 characters; at most 100000", Completion($$"""{"prompt": ["{{half}}", "{{half}}"]}""").Error!.Message, StringComparison.Ordinal);
        Assert.Contains("120000 characters", Chat($$"""{"messages": [{"role": "user", "content": "{{half}}{{half}}"}]}""").Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Usage_is_absent_null_or_there()
    {
        var chunk = new CompletionResponse { Id = "i", Created = 1, Model = "m", Choices = [new("t", 0, null)] };
        const string Start = """{"id":"i","object":"text_completion","created":1,"model":"m","choices":[{"text":"t","index":0,"finish_reason":null,"logprobs":null}]""";
        Assert.Equal(Start + "}", Json(chunk));
        Assert.Equal(Start + ",\"usage\":null}", Json(chunk with { Usage = new(null) }));
        Assert.Equal(
            Start + ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}", Json(chunk with { Usage = new(new TokenUsage(3, 4)) }));
    }

    private static string Json(CompletionResponse response) => JsonSerializer.Serialize(response, ApiJson.Default.CompletionResponse);

    private static void Refused((StoryRequest? Request, ApiError? Error) answer, string field)
    {
        Assert.Null(answer.Request);
        Assert.Equal((400, "invalid_request_error", field), (answer.Error!.Status, answer.Error.Type, answer.Error.Param));
        Assert.Contains($"{field}: ", answer.Error.Message, StringComparison.Ordinal);
    }

    private static (StoryRequest? Request, ApiError? Error) Completion(string json) => StoryRequestReader.ReadCompletion(Encoding.UTF8.GetBytes(json));

    private static (StoryRequest? Request, ApiError? Error) Chat(string json) => StoryRequestReader.ReadChat(Encoding.UTF8.GetBytes(json));
}
