using MoDM.Fakes;
using MoDM.Gateway.Importing;

namespace MoDM.Gateway.Tests.Importing;

public sealed class PictureListTests
{
    private readonly string _folder = TempFolder.New();

    [Fact]
    public void A_line_says_all_that_is_known_of_a_picture()
    {
        var listed = Read("""{"image": "a/kite.png", "prompt": "a red kite", "negative_prompt": "rain", "model": "sdxl", "seed": 7, "steps": 60, "user": "ann", "width": 512}""");

        Assert.Equal(
            new Picture(Path.Combine(_folder, "a", "kite.png"), "a red kite") { NegativePrompt = "rain", Model = "sdxl", Seed = 7, Steps = 60, User = "ann" },
            listed.Picture);
        Assert.Equal("list.jsonl line 1", listed.Place);
    }

    [Fact]
    public void The_imagefolder_layout_is_read_as_it_is() =>
        Assert.Equal(new Picture(Path.Combine(_folder, "kite.png"), "a red kite"), Read("""{"file_name": "kite.png", "text": "a red kite", "prompt": null}""").Picture);

    [Theory]
    [InlineData("{\"file_name\": ", "bad line", "is not valid JSON")]
    [InlineData("[1]", "bad line", "is not a JSON object")]
    [InlineData("""{"prompt": "a kite"}""", "bad line", "names no picture")]
    [InlineData("""{"file_name": {"bytes": 1}, "prompt": "a kite"}""", "bad line", "file_name is {\"bytes\": 1}, not a string.")]
    [InlineData("""{"file_name": "k\u0000.png", "prompt": "a kite"}""", "bad line", "holds a zero")]
    [InlineData("""{"file_name": "k.png", "prompt": 5, "seed": -1, "steps": "many"}""", "bad line",
        "prompt is 5, not a string. seed is -1, not a whole number from 0 to 9223372036854775807. steps is \"many\", not a whole number from 1 to 1000.")]
    [InlineData("""{"file_name": "k.png", "prompt": "half \ud800"}""", "bad line", "surrogate")]
    [InlineData("{\"file_name\": \"k.png\", \"prompt\": \"\uFFFD\"}", "bad line", "is not valid UTF-8")]
    [InlineData("""{"file_name": "k.png"}""", "no prompt", "has no prompt")]
    [InlineData("""{"file_name": "k.png", "prompt": "  "}""", "no prompt", "has no prompt")]
    public void A_line_that_is_none_says_why(string line, string kind, string detail)
    {
        var listed = Read(line);

        Assert.Null(listed.Picture);
        Assert.Equal(kind, listed.Unfit!.Kind);
        Assert.Contains(detail, listed.Unfit.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_above_the_limit_of_requests_is_none() =>
        Assert.Equal("text has 32001 characters; at most 32000 are taken.", Read(Paintings.Line("k.png", new string('a', 32_001))).Unfit!.Detail);

    [Fact]
    public void Empty_lines_count_in_the_numbers_of_lines_only()
    {
        File.WriteAllText(Path.Combine(_folder, "list.jsonl"), "\n" + Paintings.Line("a.png", "a") + "\n\n" + Paintings.Line("b.png", "b") + "\n");

        Assert.Equal(["list.jsonl line 2", "list.jsonl line 4"], PictureList.Read(Path.Combine(_folder, "list.jsonl")).Select(l => l.Place));
    }

    [Fact]
    public void A_folder_gives_what_its_metadata_name_and_then_all_other_pictures_once()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "sub"));
        foreach (var name in new[] { "b.png", "a.JPG", "sub/c.webp", "sub/d.jpeg", "sub/e.gif", "sub/bad.png" })
            File.WriteAllBytes(Path.Combine(_folder, name), [1]);
        File.WriteAllLines(Path.Combine(_folder, "sub", "metadata.jsonl"), [Paintings.Line("d.jpeg", "d"), """{"file_name": "bad.png", "prompt": 1}"""]);

        Assert.Equal(
            ["sub/metadata.jsonl line 1", "sub/metadata.jsonl line 2", "a.JPG", "b.png", "sub/c.webp"], PictureList.Read(_folder).Select(l => l.Place));
    }

    private Listed Read(string line)
    {
        File.WriteAllText(Path.Combine(_folder, "list.jsonl"), line + "\n");
        return Assert.Single(PictureList.Read(Path.Combine(_folder, "list.jsonl")));
    }
}
