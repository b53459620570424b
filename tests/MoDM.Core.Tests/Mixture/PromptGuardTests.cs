using CsCheck;
using MoDM.Mixture;

namespace MoDM.Core.Tests.Mixture;

public class PromptGuardTests
{
    private const int LongestPrompt = 32_000;

    private static GuardVerdict? Check(string asked, string cached, params PromptGuard[] on) =>
        PromptGuards.Check(asked, cached, on.Length == 0 ? PromptGuards.All : on);

    /// <summary>Either may be the asked one; the other guards see nothing when this one is off, unless told.</summary>
    private static void Fires(PromptGuard guard, string a, string b, bool alone = true)
    {
        Assert.Equal(guard, Check(a, b, guard)?.Guard);
        Assert.Equal(guard, Check(b, a, guard)?.Guard);
        if (!alone) return;
        PromptGuard[] others = [.. PromptGuards.All.Where(g => g != guard)];
        Assert.Null(Check(a, b, others));
        Assert.Null(Check(b, a, others));
    }

    private static void Passes(string a, string b)
    {
        Assert.Null(Check(a, b));
        Assert.Null(Check(b, a));
    }

    [Theory]
    [InlineData("a cat without a hat", "a cat with a hat")]
    [InlineData("a cat with a hat but no scarf", "a cat with a scarf but no hat")]
    [InlineData("a hatless cat", "a cat with a hat")]
    [InlineData("a sleeveless dress", "a dress with sleeves")]
    [InlineData("a street with no people", "a street with people")]
    [InlineData("a man who isn\u2019t smiling", "a man who is smiling")]
    [InlineData("a man never smiling", "a man always smiling")]
    [InlineData("a sky free of clouds", "a sky with clouds")]
    [InlineData("a cloud-free sky", "a sky, cloud")]
    [InlineData("a tree without leaves", "a tree with leaves")]
    [InlineData("a cat, no watermark", "a cat with a watermark")]
    [InlineData("a dog that is not running on a beach", "a dog that is running on a beach")]
    public void What_a_prompt_goes_without_must_be_equal(string a, string b) => Fires(PromptGuard.Negation, a, b);

    [Theory]
    [InlineData("a cat without a hat", "without a hat, a cat")]
    [InlineData("a cat without a hat", "a hatless cat")]
    [InlineData("a cat not wearing a hat", "a cat with no hat")]
    [InlineData("a man without a hat or a scarf", "a man without a scarf or a hat")]
    [InlineData("a man who doesn't smile", "a man who does not smile")]
    [InlineData("a quiet street, nobody", "a quiet street with no people")]
    [InlineData("a castle, no blur, no watermark", "a castle")]
    [InlineData("an endless, timeless desert", "a desert")]
    [InlineData("a priest will bless a boat unless it rains", "unless it rains a priest will bless a boat")]
    public void The_same_may_be_gone_without_in_other_words(string a, string b) => Passes(a, b);

    [Theory]
    [InlineData("two cats", "three cats")]
    [InlineData("a cat", "two cats")]
    [InlineData("a cat", "cats")] // How many is said with the article; see the next table.
    [InlineData("two cats", "cats")]
    [InlineData("a dozen eggs", "two dozen eggs")]
    [InlineData("a dozen eggs", "11 eggs")]
    [InlineData("twenty-one candles", "twenty candles")]
    [InlineData("a man with two dogs", "a man with a dog")]
    [InlineData("a couple of boats", "3 boats")]
    [InlineData("a two-headed dragon", "a three-headed dragon")]
    [InlineData("1920s fashion", "1980s fashion")]
    [InlineData("the number 7 on a door", "the number 8 on a door")]
    [InlineData("his first bicycle", "his 2nd bicycle")]
    [InlineData("a clock showing 10:30", "a clock showing 4:15")]
    [InlineData("2girls in a park", "3girls in a park")]
    public void Numbers_must_be_equal(string a, string b) => Fires(PromptGuard.Number, a, b);

    [Theory]
    [InlineData("a cat", "one cat")]
    [InlineData("a single cat", "a cat")]
    [InlineData("the cat", "cat")]
    [InlineData("the flower", "flowers")]
    [InlineData("two cats", "2 cats")]
    [InlineData("a dozen eggs", "12 eggs")]
    [InlineData("twenty-one candles", "21 candles")]
    [InlineData("1,000 balloons", "1000 balloons")]
    [InlineData("second house", "2nd house")]
    [InlineData("a pair of glasses on a table", "glasses on a table")]
    [InlineData("several birds", "birds")]
    [InlineData("a castle, 8k, 35mm, f/1.4, Unreal Engine 5", "a castle, 4 k")]
    [InlineData("a castle --ar 16:9 --v 5", "a castle --ar 3:2")]
    [InlineData("a (castle:1.3)", "a castle")]
    public void Numbers_may_be_said_in_other_ways_and_those_of_the_picture_ignored(string a, string b) => Passes(a, b);

    [Theory]
    [InlineData("a red car and a blue house", "a blue car and a red house")]
    [InlineData("a red car", "a car")]
    [InlineData("a red car", "a blue car")]
    [InlineData("a dark blue dress", "a light-blue dress")]
    [InlineData("a blue-eyed cat", "a green-eyed cat")]
    [InlineData("a woman in red and a man in blue", "a woman in blue and a man in red")]
    [InlineData("a woman with blonde hair", "a woman with brown hair")]
    [InlineData("a black and white photo of a cat", "a photo of a cat")]
    [InlineData("an orange cat", "a cat")]
    [InlineData("a green apple and a red pear", "a red apple and a green pear")]
    public void Each_thing_must_have_its_colours(string a, string b) => Fires(PromptGuard.Colour, a, b);

    [Theory]
    [InlineData("red car", "car red")]
    [InlineData("a red car", "a car that is red")]
    [InlineData("a car painted red", "a red car")]
    [InlineData("a grey horse", "a gray horse")]
    [InlineData("a dark-blue dress", "a dark blue dress")]
    [InlineData("a blue-eyed cat", "a cat with blue eyes")]
    [InlineData("a black and white cat", "a white and black cat")]
    [InlineData("a red, white and blue flag", "a blue, red and white flag")]
    [InlineData("a black and white photo of a cat", "a cat, monochrome")]
    [InlineData("a vintage red car parked on a street", "a red vintage car is parked on the street")]
    [InlineData("a lion, golden hour", "a lion")]
    public void Colours_may_be_said_in_other_words(string a, string b) => Passes(a, b);

    [Theory]
    [InlineData("a cat left of a dog", "a dog left of a cat")]
    [InlineData("a cat to the left of a dog", "a cat to the right of a dog")]
    [InlineData("a cat on the left, a dog on the right", "a dog on the left, a cat on the right")]
    [InlineData("a bird above a house", "a bird below a house")]
    [InlineData("a cat on a table", "a cat under a table")]
    [InlineData("a cat in a house", "a cat outside a house")]
    [InlineData("a man in front of a car", "a man behind a car")]
    [InlineData("a book on top of a box", "a box on top of a book")]
    [InlineData("the top of a tree", "the bottom of a tree")]
    [InlineData("a car facing left", "a car facing right")]
    [InlineData("a car facing left", "a car")]
    [InlineData("left hand raised", "right hand raised")]
    [InlineData("a house north of the river", "a house south of the river")]
    public void Sides_must_be_equal(string a, string b) => Fires(PromptGuard.Side, a, b);

    [Theory]
    [InlineData("a cat left of a dog", "a dog right of a cat")]
    [InlineData("a cat to the left of a dog", "a cat on the left side of a dog")]
    [InlineData("a cat on the left and a dog on the right", "on the right a dog, on the left a cat")]
    [InlineData("a cat under a table", "a table above a cat")]
    [InlineData("a cat inside a house", "a cat in a house")]
    [InlineData("a ship sailing over the sea", "a ship sailing above the ocean")]
    [InlineData("under a starry sky, a wolf howls", "a wolf howls beneath the stars")]
    public void Sides_may_be_said_in_other_words(string a, string b) => Passes(a, b);

    [Theory]
    [InlineData("a sign saying \"open\"", "a sign saying \"closed\"")]
    [InlineData("a sign saying 'open'", "a sign")]
    [InlineData("a sign that reads open", "a sign that reads closed")]
    [InlineData("a poster titled \u201cDune\u201d", "a poster titled \u201cAlien\u201d")]
    [InlineData("\u00abpain\u00bb on a window", "\u00abvin\u00bb on a window")]
    [InlineData("a dog named Rex", "a dog named Max")]
    [InlineData("a sign \"no dogs\"", "a sign \"two cats\"")]
    public void Text_in_the_picture_must_be_equal(string a, string b) => Fires(PromptGuard.Text, a, b);

    [Theory]
    [InlineData("a sign saying \"Open\"", "a sign that says 'open'")]
    [InlineData("a sign saying open", "a sign saying \u2018open\u2019")]
    [InlineData("a shop window with \"fresh  bread!\"", "a shop window with \"fresh bread\"")]
    [InlineData("\"a cat on a mat\"", "a cat on a mat")]
    [InlineData("a dog's house by the sea", "a dog\u2019s house by the sea")]
    [InlineData("a man reading a book", "a man reads a book")]
    public void Text_may_be_quoted_in_other_ways(string a, string b) => Passes(a, b);

    [Theory]
    [InlineData("a cat", "a dog")]
    [InlineData("a lighthouse on a cliff", "a castle on a cliff")]
    [InlineData("a quokka statue", "a wombat statue")]
    [InlineData("a chef cooking pasta", "a chef cooking steak")]
    [InlineData("portrait of Albert Einstein", "portrait of Marie Curie")]
    [InlineData("albert einstein, portrait", "Marie Curie, portrait")]
    [InlineData("a painting of Harry Potter", "a painting of Emily Potter")]
    [InlineData("a painting by Van Gogh of a harbor", "a painting by Picasso of a harbor")]
    [InlineData("a cat and a dog", "a cat")]
    [InlineData("a young woman", "an old woman")]
    [InlineData("a town in winter", "a town in summer")]
    [InlineData("\U0001F431 on a sofa", "\U0001F436 on a sofa")]
    [InlineData("\u4e00\u53ea\u732b", "\u4e00\u53ea\u72d7")]
    [InlineData("\u043a\u043e\u0442 \u043d\u0430 \u043a\u0440\u044b\u0448\u0435", "\u043f\u0451\u0441 \u043d\u0430 \u043a\u0440\u044b\u0448\u0435")]
    public void What_is_in_the_picture_must_be_equal(string a, string b) => Fires(PromptGuard.Name, a, b);

    [Theory]
    [InlineData("a photo of a cat", "a cat, highly detailed, beautiful")]
    [InlineData("a cat at sunset", "a cat in the evening")]
    [InlineData("a cottage in the woods", "a bungalow in a forest")]
    [InlineData("a sail boat", "a sailboat")]
    [InlineData("a hot-air balloon", "a hot air balloon")]
    [InlineData("a cat, by Greg Rutkowski", "a cat")]
    [InlineData("a man riding a horse", "a horse ridden by a man")]
    [InlineData("kids playing", "children playing")]
    [InlineData("A WIZARD CASTING A SPELL", "a wizard casting a spell")]
    [InlineData("a serene lake", "a tranquil lake")]
    [InlineData("pirate, concept art, digital painting, artstation, sharp focus", "pirate, concept art, highly detailed, quixel megascans, cryengine")]
    [InlineData("three birds sitting on a wire", "3 birds on a wire, sitting")]
    [InlineData("a bowl of fruit on a wooden table, still life, oil painting", "still life oil painting of a bowl of fruit on a wooden table")]
    public void The_same_picture_may_be_named_in_other_words(string a, string b) => Passes(a, b);

    [Theory]
    [InlineData("a wooden house", "a glass house")] // A quality that no table makes exclusive.
    [InlineData("a cat chasing a mouse", "a mouse chasing a cat")] // Who does what to whom is not read.
    [InlineData("a girl with a pearl earring in a boat", "a girl with a pearl earring")] // More things on one side, unless they live.
    public void What_the_guards_do_not_see(string a, string b) => Passes(a, b);

    [Theory]
    [InlineData("", "")]
    [InlineData("", "a cat in a hat")]
    [InlineData(" \t", "\n")]
    [InlineData("...", "\"\"")]
    public void Little_text_is_no_error(string a, string b)
    {
        Assert.Null(Check("", " "));
        _ = (Check(a, b), Check(b, a));
    }

    [Fact]
    public void No_guards_no_verdict() => Assert.Null(PromptGuards.Check("two cats", "no dog", []));

    [Fact]
    public void The_reason_says_which_guard_and_quotes_what_was_asked() => Assert.Equal(
        new GuardVerdict(PromptGuard.Number, "number: \"two cats\" is not what the cached image's prompt says"),
        Check("a photo of two cats", "a photo of three cats"));

    /// <summary>As long as the public may send; it would not end if the work grew with the square of the length.</summary>
    [Theory]
    [InlineData("\"")]
    [InlineData(" '")]
    [InlineData("'a' ")]
    [InlineData("no ")]
    [InlineData("not a cat or ")]
    [InlineData("says ")]
    [InlineData("one hundred thousand ")]
    [InlineData("9")]
    [InlineData("9,")]
    [InlineData("a'")]
    [InlineData("a-")]
    [InlineData("hot air ")]
    [InlineData("red and ")]
    [InlineData("left of a cat, ")]
    [InlineData("less")]
    [InlineData("x")]
    [InlineData("\ud83d")]
    [InlineData("((((")]
    public void The_longest_prompts_are_read(string piece)
    {
        var a = string.Concat(Enumerable.Repeat(piece, LongestPrompt / piece.Length));
        var b = string.Concat(Enumerable.Range(0, LongestPrompt / 8).Select(i => $"a z{i:x5} "));
        Assert.Null(Check(a, a + " "));
        _ = (Check(a, b), Check(b, a));
    }

    // Properties

    private const int Cases = 5000;

    private static readonly string[] Pieces =
    [
        "a", "an", "the", "two", "3", "1920s", "21", "dozen", "no", "without", "not", "never", "hatless", "or", "and", "of", "in",
        "on", "by", "is",
        "red", "dark", "blue", "black and white", "left", "right", "above", "behind", "top", "cat", "dogs", "wizard", "Einstein",
        "quokka", "glasses",
        "pair of", "running", "painted", "photo", "lighting", "artstation", "8k", "--ar 16:9", "says", "\"open\"", "'shut", "it's",
        "isn't", "\u201ca",
        "\u00e9t\u00e9", "\u4e00\u53ea\u732b", "\U0001F431", "\u03c2", "\u0130", "\u00df", ",", ".", ";", "-", "(", ":", "'", "\"",
        "free of", "haired",
    ];

    private static readonly Gen<string> Prompt = Gen.OneOf(
        Gen.Int[0, Pieces.Length - 1].Select(i => Pieces[i]).Array[0, 20].Select(p => string.Join(' ', p)),
        Gen.String[0, 60], Gen.String[Gen.Char["a -'\",.:19\u2019\u00ab"], 0, 40]);

    [Fact]
    public void It_never_throws() => Gen.Select(Prompt, Prompt).Sample((a, b) => _ = Check(a, b), iter: Cases);

    [Fact]
    public void A_prompt_passes_for_itself_in_any_case_and_spacing() => Prompt.Sample(p =>
    {
        Assert.Null(Check(p, p));
        Assert.Null(Check(p, p.ToUpperInvariant()));
        Assert.Null(Check(p.ToLowerInvariant(), p));
        Assert.Null(Check(p, $" {p.Replace(" ", " \t ", StringComparison.Ordinal)}\n"));
    }, iter: Cases);

    [Fact]
    public void Who_asked_does_not_change_whether_one_fires() => Gen.Select(Prompt, Prompt).Sample((a, b) =>
        Check(a, b) is null == Check(b, a) is null, iter: Cases);

    /// <summary>Words of the reasons themselves.</summary>
    private static readonly HashSet<string> Ours =
    [

        .. ("negation number colour side text name the cached image s prompt does not go goes without something that this one is what "
            + "says how many of and in has a which elsewhere or missing so on an animal").Split(' '),
    ];

    /// <summary>What stands in quotes is a piece of what was asked, and the rest is ours.</summary>
    [Fact]
    public void The_reason_shows_nothing_of_the_cached_prompt() => Gen.Select(Prompt, Prompt, Gen.Int[0, 5]).Sample((a, b, guard) =>
    {
        var reason = Check(a, b, PromptGuards.All[guard])?.Reason ?? "";
        var (open, close) = (reason.IndexOf('"', StringComparison.Ordinal), reason.LastIndexOf('"'));
        if (open >= 0)
        {
            Assert.Contains(reason[(open + 1)..close].TrimEnd('\u2026'), a, StringComparison.Ordinal);
            reason = reason[..open] + reason[(close + 1)..];
        }
        Assert.Subset(Ours, Words(reason).ToHashSet());
    }, iter: Cases);

    [Theory]
    [InlineData("two cats", "seven walruses in a submarine without periscopes, \"ahoy\"")]
    [InlineData("a house", "a green house left of a quokka")]
    public void The_cached_prompts_words_stay_with_it(string asked, string cached) => Assert.All(PromptGuards.All, guard =>
        Assert.Empty(Words(Check(asked, cached, guard)?.Reason ?? "").Intersect(Words(cached).Except(Words(asked)).Except(Ours))));

    private static string[] Words(string text) =>
        new string([.. text.Select(c => char.IsLetterOrDigit(c) ? char.ToLowerInvariant(c) : ' ')])
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
