using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Fakes;

namespace MoDM.Onnx.Tests;

public class NeoxTokenizerTests
{
    private static readonly NeoxTokenizer Tokenizer = NeoxTokenizer.Load(Repo.Model("postcards-mamba"));

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, Golden.Json("stories/tokenizer.json").GetProperty("cases").GetArrayLength())];

    [Theory, MemberData(nameof(Cases))]
    public void Tokens_and_what_they_decode_to_equal_those_of_transformers(int index)
    {
        var golden = Golden.Json("stories/tokenizer.json").GetProperty("cases")[index];
        var ids = Tokenizer.Encode(golden.GetProperty("text").GetString()!);

        Assert.Equal(golden.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32()), ids);
        Assert.Equal(golden.GetProperty("decoded").GetString(), Tokenizer.Decode(ids));
    }

    [Fact]
    public void Tokens_of_all_reference_stories_equal_those_of_transformers()
    {
        foreach (var golden in Golden.Json("stories/generation.json").GetProperty("cases").EnumerateArray())
        {
            Assert.Equal(Ints(golden.GetProperty("ids")), Tokenizer.Encode(golden.GetProperty("prompt").GetString()!));
            Assert.Equal(golden.GetProperty("greedy_text").GetString(), Tokenizer.Decode(Ints(golden.GetProperty("greedy_ids")), skipSpecial: true));
        }
    }

    [Fact]
    public void Special_tokens_are_told_from_text()
    {
        Assert.True(Tokenizer.IsSpecial(0));
        Assert.Equal(0, Tokenizer.Id("<|endoftext|>"));
        Assert.False(Tokenizer.IsSpecial(260));
        Assert.Equal(" a", Tokenizer.Decode([0, 260, 1], skipSpecial: true));
        Assert.Empty(Tokenizer.Bytes(99_999).ToArray());
    }

    [Fact]
    public void A_character_of_several_tokens_is_whole_only_together()
    {
        var ids = Tokenizer.Encode("🌙");
        Assert.Equal(" 🌙", Tokenizer.Decode(ids));
        Assert.EndsWith("\ufffd", Tokenizer.Decode(ids[..^1]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"NFC\"", "\"NFKC\"", "normalizer is NFKC")]
    [InlineData("\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\"post", "\"use_regex\":false},\"post", "use_regex")]
    [InlineData("\"BPE\"", "\"Unigram\"", "model is Unigram")]
    [InlineData("\"lstrip\":false", "\"lstrip\":true", "lstrip")]
    public void Another_kind_of_tokenizer_is_refused_by_what_differs(string from, string to, string named)
    {
        var folder = TempFolder.New();
        var text = File.ReadAllText(Path.Combine(Repo.Model("postcards-mamba"), "tokenizer.json"));
        Assert.Contains(from, text, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), text.Replace(from, to, StringComparison.Ordinal));
        Assert.Contains(named, Assert.Throws<ModelException>(() => NeoxTokenizer.Load(folder)).Message, StringComparison.Ordinal);
    }

    private const string TextAlone = """
        {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}}
        """;

    /// <summary>As transformers' GPTNeoXTokenizerFast saves it with add_bos_token and add_eos_token off, and what says the same.</summary>
    [Theory]
    [InlineData(TextAlone)]
    [InlineData($$"""{"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": true}, {{TextAlone}}]}""")]
    [InlineData("null")]
    public void A_post_processor_that_adds_no_token_is_as_good_as_none(string processor)
    {
        var tokenizer = NeoxTokenizer.Load(WithPostProcessor(processor));
        Assert.Equal(Tokenizer.Encode("Mia had a red kite."), tokenizer.Encode("Mia had a red kite."));
    }

    [Theory]
    [InlineData("""{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}""",
        "post_processor.single is SpecialToken <s> A; only A,")]
    [InlineData("""{"type": "Sequence", "processors": [{"type": "RobertaProcessing"}]}""", "post_processor is RobertaProcessing;")]
    [InlineData("""{"type": "TemplateProcessing", "single": []}""", "post_processor.single is ;")]
    public void A_post_processor_that_adds_tokens_is_refused_by_name(string processor, string named) => Assert.Contains(
        named, Assert.Throws<ModelException>(() => NeoxTokenizer.Load(WithPostProcessor(processor))).Message, StringComparison.Ordinal);

    private static string WithPostProcessor(string processor)
    {
        var folder = TempFolder.New();
        var root = JsonNode.Parse(File.ReadAllText(Path.Combine(Repo.Model("postcards-mamba"), "tokenizer.json")))!;
        root["post_processor"] = JsonNode.Parse(processor);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), root.ToJsonString());
        return folder;
    }

    [Fact]
    public void A_hundred_thousand_characters_take_no_time_to_speak_of()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        foreach (var text in new[] { new string(' ', 100_000), new string('n', 100_000), string.Concat(Enumerable.Repeat("a \n", 33_000)) })
            Assert.Equal(text[0] == ' ' ? text : " " + text, Tokenizer.Decode(Tokenizer.Encode(text)));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
    }

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(v => v.GetInt32())];
}
