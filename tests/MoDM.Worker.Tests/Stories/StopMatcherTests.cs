using System.Text;
using MoDM.Fakes;
using MoDM.Onnx;
using MoDM.Worker.Stories;

namespace MoDM.Worker.Tests.Stories;

public sealed class StopMatcherTests
{
    private static readonly NeoxTokenizer Tokenizer = NeoxTokenizer.Load(Repo.Model("postcards-mamba"));

    [Fact]
    public void A_stop_string_over_several_pieces_ends_the_text_before_it()
    {
        var matcher = new StopMatcher(["END"]);
        Assert.Equal(["a", " b", "", ""], new[] { "a", " bE", "N", "D c" }.Select(matcher.Add));
        Assert.True(matcher.Stopped);
        Assert.Equal("", matcher.Add("more") + matcher.End());
    }

    [Fact]
    public void Text_is_held_back_only_as_long_as_it_may_become_a_stop_string()
    {
        var matcher = new StopMatcher(["\n\n", "abcabd"]);
        Assert.Equal(["x", "", "\ny", "", "abc", "abce"], new[] { "x", "\n", "y", "abc", "abc", "e" }.Select(matcher.Add));
        Assert.Equal("z", matcher.Add("zabcab"));
        Assert.False(matcher.Stopped);
        Assert.Equal("abcab", matcher.End());
    }

    [Fact]
    public void Without_stop_strings_nothing_is_held_back() => Assert.Equal("abc", new StopMatcher([]).Add("abc"));

    // Against the definition, character by character, for random texts, stop strings and borders.
    [Fact]
    public void Wherever_the_borders_are_the_text_ends_at_the_first_completed_stop_string()
    {
        var random = new Random(1);
        for (var round = 0; round < 3000; round++)
        {
            var text = Letters(random, 40);
            var stops = Enumerable.Range(0, random.Next(1, 4)).Select(_ => Letters(random, random.Next(1, 6))).ToArray();
            var wanted = text;
            for (var end = 1; end <= text.Length && wanted == text; end++)
            {
                if (stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length) is { } stop)
                    wanted = text[..(end - stop.Length)];
            }
            var matcher = new StopMatcher(stops);
            var got = new StringBuilder();
            for (var at = 0; at < text.Length;)
            {
                var length = Math.Min(random.Next(1, 5), text.Length - at);
                got.Append(matcher.Add(text.Substring(at, length)));
                at += length;
            }
            got.Append(matcher.End());
            Assert.Equal(wanted, got.ToString());
            Assert.Equal(wanted != text || stops.Any(s => text.EndsWith(s, StringComparison.Ordinal)), matcher.Stopped);
        }

        static string Letters(Random random, int length) =>
            string.Concat(Enumerable.Range(0, length).Select(_ => "abc"[random.Next(3)]));
    }

    [Fact]
    public void A_character_of_several_tokens_is_shown_when_it_is_whole()
    {
        var text = new StoryText(Tokenizer, [], trimStart: false);
        var shown = Tokenizer.Encode("a 🪁é!").Select(text.Add).ToArray();
        Assert.Equal(" a 🪁é!", string.Concat(shown));
        Assert.All(shown, s => Assert.True(s.Length == 0 || !char.IsSurrogate(s[0]) || s.Length % 2 == 0));
        Assert.Equal("", text.End());
    }

    [Fact]
    public void Half_a_character_at_the_end_becomes_a_replacement_character_as_in_the_whole_text()
    {
        var ids = Tokenizer.Encode("a 🪁")[..^1];
        var text = new StoryText(Tokenizer, [], trimStart: false);
        var shown = string.Concat(ids.Select(text.Add)) + text.End();
        Assert.Equal(Tokenizer.Decode(ids), shown);
        Assert.Equal(shown, text.ToString());
    }

    [Fact]
    public void White_space_at_the_start_and_special_tokens_can_be_left_out()
    {
        var text = new StoryText(Tokenizer, ["x"], trimStart: true);
        Assert.Equal("Mia had", string.Concat(new[] { 222, 0, 1003, 1, 329 }.Select(text.Add)));
    }
}
