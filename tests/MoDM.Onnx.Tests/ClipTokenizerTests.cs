using System.Text.Json;
using MoDM.Fakes;

namespace MoDM.Onnx.Tests;

public class ClipTokenizerTests
{
    private static readonly ClipTokenizer Tokenizer = ClipTokenizer.Load(Repo.File("models", "postcards-clip", "tokenizer"));

    public static TheoryData<int> Rows() => [.. Enumerable.Range(0, Golden.Json("tokens.json").GetArrayLength())];

    [Theory, MemberData(nameof(Rows))]
    public void Tokens_equal_those_of_transformers(int row)
    {
        var golden = Golden.Json("tokens.json")[row];
        var tokens = Tokenizer.Encode(golden.GetProperty("text").GetString()!);

        Assert.Equal(Ints(golden.GetProperty("input_ids")), tokens.Ids);
        Assert.Equal(Ints(golden.GetProperty("attention_mask")).Sum(), tokens.Length);
        if (golden.GetProperty("unpadded") is { ValueKind: JsonValueKind.Array } unpadded)
            Assert.Equal(unpadded.GetArrayLength(), tokens.Total);
    }

    // Complaint row 34: prompts that differ only after the last token that is read look the same.
    [Fact]
    public void A_prompt_longer_than_the_model_reads_is_cut_and_said_so()
    {
        var words = string.Join(' ', Enumerable.Repeat("red", 40));
        var kite = Tokenizer.Encode(words + " kite");
        var castle = Tokenizer.Encode(words + " castle");

        Assert.Equal(kite.Ids, castle.Ids);
        Assert.True(kite.Truncated);
        Assert.Equal(43, castle.Total);
        Assert.Equal("red</w>", kite.FirstLost);
        Assert.False(Tokenizer.Encode("a red kite").Truncated);
    }

    [Fact]
    public void A_prompt_that_just_fits_is_not_cut()
    {
        Assert.False(Tokenizer.Encode(string.Join(' ', Enumerable.Repeat("red", 30))).Truncated);
        Assert.Equal("castle</w>", Tokenizer.Encode(string.Join(' ', Enumerable.Repeat("red", 30)) + " castle").FirstLost);
    }

    [Fact]
    public void Special_tokens_are_found_in_any_case_since_they_are_matched_after_lower_casing() =>
        Assert.Equal(Tokenizer.Encode("<|endoftext|>").Ids, Tokenizer.Encode("<|EndOfText|>").Ids);

    [Fact]
    public void Letters_outside_the_first_plane_are_one_word() =>
        // Mathematical bold a and b: letters to Unicode, two surrogates each to UTF-16.
        Assert.Equal(1 + 7 + 1 + 1, Tokenizer.Encode("\U0001d41a\U0001d41b").Total);

    [Fact]
    public void A_single_word_of_32000_letters_takes_no_time_to_speak_of()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.True(Tokenizer.Encode(new string('n', 32_000)).Truncated);
        Assert.True(Tokenizer.Encode("a" + new string('\u0301', 31_999)).Truncated);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
    }

    [Fact]
    public void Half_a_surrogate_and_NUL_are_text_like_any_other()
    {
        Assert.Equal(Tokenizer.Encode("a\ufffdb").Ids, Tokenizer.Encode("a\ud800b").Ids);
        Assert.False(Tokenizer.Encode("a\0b").Truncated);
    }

    [Fact]
    public void A_folder_without_a_vocabulary_is_refused_by_the_name_of_the_file()
    {
        var e = Assert.Throws<ModelException>(() => ClipTokenizer.Load(Repo.File("models", "judge")));
        Assert.Contains("tokenizer_config.json: is missing", e.Message, StringComparison.Ordinal);
    }

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(v => v.GetInt32())];
}
