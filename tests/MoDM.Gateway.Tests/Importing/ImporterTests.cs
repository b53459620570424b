using Microsoft.Extensions.Time.Testing;
using MoDM.Fakes;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Images;
using MoDM.Gateway.Importing;
using MoDM.Mixture;
using MoDM.Onnx;

namespace MoDM.Gateway.Tests.Importing;

/// <summary>What an import makes of pictures, with the demo's embedder and a cache of its own.</summary>
public sealed class ImporterTests : IDisposable
{
    private readonly string _folder = TempFolder.New();
    private readonly StringWriter _said = new();
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private readonly ClipEmbedder _embedder = ClipEmbedder.Load(Repo.Model("postcards-clip"), 1);
    private readonly ImageCache _cache;
    private MixtureSpec _spec = TestMixture.Spec();

    public ImporterTests()
    {
        _spec = _spec with { Cache = _spec.Cache with { Capacity = 1000 } };
        _cache = ImageCache.Open(TempFolder.New(), () => _spec.Cache, _time, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
    }

    public void Dispose()
    {
        _cache.Dispose();
        _embedder.Dispose();
        _said.Dispose();
    }

    [Fact]
    public async Task A_picture_becomes_a_source_with_what_its_line_says()
    {
        Write("kite.png", Paintings.Png(1));
        Lines("""{"file_name": "kite.png", "prompt": "a red kite", "negative_prompt": "rain", "model": "sdxl", "seed": 7, "steps": 60, "user": "ann"}""");

        var tally = await ImportAsync();

        Assert.Equal("1 imported (16x12: 1), 0 were there already, 0 could not be, 0 left the full cache", tally.ToString());
        var entry = _cache.Entry(ImageId.Of("", Paintings.Png(1)))!;
        Assert.Equal(
            ("a red kite", "sdxl", 7L, 60, 0, Caller.HashOf("ann"), true, "postcards"),
            (entry.Prompt, entry.Model, entry.Seed, entry.Steps, entry.SkippedSteps, entry.User, entry.IsSource, entry.Mixture));
        Assert.Empty(entry.Lineage);
        Assert.Equal(_time.GetUtcNow().ToUnixTimeMilliseconds(), entry.Created);
        Assert.Equal(ImagePlan.BucketOf("", _embedder.Revision, "16x12", "rain", null), entry.Bucket);
        Assert.Equal(1, _cache.Find(entry.Bucket, _embedder.EmbedImage(Paintings.Picture(1)))!.Value.Similarity, 1e-5);
        Assert.Equal(Paintings.Png(1), _cache.Read(entry.Id));
    }

    [Fact]
    public async Task A_PNG_is_kept_byte_for_byte_and_others_become_one()
    {
        byte[] open = [.. Paintings.Png(3), 0]; // Something behind its end.
        foreach (var (name, bytes) in new[]
        {
            ("a.png", Paintings.Png(1)), ("b.jpg", Paintings.Picture(2).Encode(ImageEncoding.Jpeg)),
            ("c.webp", Paintings.Picture(2).Encode(ImageEncoding.Webp)), ("d.png", open),
        })
        {
            Write(name, bytes);
            Write(Path.ChangeExtension(name, ".txt"), "a picture\n"u8.ToArray());
        }

        Assert.Equal(4, (await ImportAsync()).Imported);

        byte[][] kept =
        [
            Paintings.Png(1), RgbImage.Decode(Paintings.Picture(2).Encode(ImageEncoding.Jpeg)).Encode(ImageEncoding.Png),
            RgbImage.Decode(Paintings.Picture(2).Encode(ImageEncoding.Webp)).Encode(ImageEncoding.Png), Paintings.Png(3),
        ];
        Assert.All(kept, bytes => Assert.Equal(bytes, _cache.Read(ImageId.Of("", bytes))));
        Assert.All(kept, bytes => Assert.Equal("a picture", _cache.Entry(ImageId.Of("", bytes))!.Prompt));
    }

    [Fact]
    public async Task What_cannot_be_imported_is_named_and_the_rest_is()
    {
        Write("good.png", Paintings.Png(1));
        Write("text.png", "no picture"u8.ToArray());
        Write("torn.png", Paintings.Png(2)[..100]);
        Write("cut.png", Paintings.Png(3));
        Write("alone.png", Paintings.Png(4));
        Write("long.png", Paintings.Png(5));
        Write("long.txt", System.Text.Encoding.ASCII.GetBytes(new string('a', 32_001)));
        Write("few.png", Paintings.Png(6));
        Lines(
            Paintings.Line("gone.png", "a kite"), Paintings.Line("text.png", "a kite"), Paintings.Line("torn.png", "a kite"),
            Paintings.Line("cut.png", string.Join(' ', Enumerable.Repeat("kite", 40))), "{", """{"file_name": "few.png", "prompt": "a kite", "steps": 20}""",
            Paintings.Line("good.png", "a kite"));

        var tally = await ImportAsync();

        Assert.Equal(
            "1 imported (16x12: 1), 0 were there already, 8 could not be (bad line: 1, no prompt: 1, no such picture: 1, not a picture: 2, "
            + "not admitted: 2, prompt too long: 1), 0 left the full cache", tally.ToString());
        foreach (var expected in new[]
        {
            $"metadata.jsonl line 1: {Path.Combine(_folder, "gone.png")} is not there.",
            $"metadata.jsonl line 2: {Path.Combine(_folder, "text.png")} is not a PNG, JPEG or WebP picture.",
            $"metadata.jsonl line 3: {Path.Combine(_folder, "torn.png")} is damaged or cut off",
            "metadata.jsonl line 4: is kept out: the prompt is longer than the embedder reads.",
            "metadata.jsonl line 5: is not valid JSON",
            "metadata.jsonl line 6: is kept out: it was drawn in 20 steps, fewer than the mixture's 50.",
            "alone.png: has no prompt: neither a line of a metadata.jsonl nor a .txt file beside it says what it shows.",
            "long.png: has a prompt of 32001 characters; at most 32000 are taken.",
        })
        {
            Assert.Contains(expected, _said.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_is_there_is_not_embedded_again_and_what_is_listed_twice_is_there_once()
    {
        Write("a.png", Paintings.Png(1));
        Write("b.jpg", Paintings.Picture(2).Encode(ImageEncoding.Jpeg));
        Write("c.png", Paintings.Png(1));
        Lines(Paintings.Line("a.png", "a"), Paintings.Line("b.jpg", "b"), Paintings.Line("c.png", "c"));

        var (first, second) = (await ImportAsync(), await ImportAsync());

        Assert.Equal((2, 1), (first.Imported, first.There));
        Assert.Equal((0, 3, 0), (second.Imported, second.There, second.Unfit));
        Assert.Equal(2, _cache.Count);
    }

    [Fact]
    public async Task The_first_of_the_list_is_the_first_to_leave()
    {
        _spec = _spec with { Cache = _spec.Cache with { Capacity = 60 } };
        for (var i = 0; i < 100; i++)
            Write($"{i}.png", Paintings.Png(i));
        Lines([.. Enumerable.Range(0, 100).Select(i => Paintings.Line($"{i}.png", $"picture {i}"))]);

        var tally = await ImportAsync();

        Assert.Equal((100, 40), (tally.Imported, tally.Evicted));
        Assert.Equal(Enumerable.Range(40, 60), Enumerable.Range(0, 100).Where(i => _cache.Entry(ImageId.Of("", Paintings.Png(i))) is not null));
    }

    [Theory]
    [InlineData(CacheSharing.Tenant, "acme", "acme")]
    [InlineData(CacheSharing.Mixture, "acme", "")]
    [InlineData(CacheSharing.Tenant, "", "")]
    public async Task A_tenants_pictures_are_its_own_and_found_as_the_cache_is_shared(CacheSharing sharing, string tenant, string partition)
    {
        _spec = _spec with { Cache = _spec.Cache with { Sharing = sharing } };
        Write("a.png", Paintings.Png(1));
        Lines(Paintings.Line("a.png", "a"));

        await ImportAsync(tenant);

        var entry = _cache.Entry(ImageId.Of(Caller.HashOf(tenant), Paintings.Png(1)))!;
        Assert.Equal(Caller.HashOf(tenant), entry.Owner);
        Assert.Equal(ImagePlan.BucketOf(Caller.HashOf(partition), _embedder.Revision, "16x12", null, null), entry.Bucket);
    }

    [Fact]
    public async Task Where_small_models_are_kept_out_theirs_are_and_unknown_ones_are_not()
    {
        _spec = _spec with { Cache = _spec.Cache with { Admit = CacheAdmit.Large } };
        Write("a.png", Paintings.Png(1));
        Write("b.png", Paintings.Png(2));
        Lines("""{"file_name": "a.png", "prompt": "a", "model": "small"}""", Paintings.Line("b.png", "b"));

        Assert.Equal((1, 1), (await ImportAsync() is var tally ? tally.Imported : 0, tally.Unfit));
        Assert.Equal("imported", _cache.Entry(ImageId.Of("", Paintings.Png(2)))!.Model);
    }

    [Fact]
    public async Task A_stop_keeps_what_was_written_and_the_next_import_goes_on()
    {
        for (var i = 0; i < 600; i++)
            Write($"{i}.png", Paintings.Png(i));
        Lines([.. Enumerable.Range(0, 600).Select(i => Paintings.Line($"{i}.png", $"picture {i}"))]);
        using var stop = new CancellationTokenSource();

        var stopped = await ImportAsync(onListed: i => { if (i == 300) stop.Cancel(); }, stop: stop);

        Assert.Equal(_cache.Count, stopped.Imported);
        Assert.InRange(stopped.Imported, 1, 310);
        Assert.Equal(600 - stopped.Imported, (await ImportAsync()).Imported);
        Assert.Equal(600, _cache.Count);
    }

    [Fact]
    public void The_line_of_progress_says_how_far_it_is_how_fast_and_how_long_it_takes()
    {
        Assert.Equal("[######..................] 2,500 of 10,000, 500/s, 0:15 left", ImportProgress.Line(2500, 10_000, 500));
        Assert.Equal("[........................] 0 of 10, 0/s, ? left", ImportProgress.Line(0, 10, 0));
        Assert.Equal("[############............] 500,000 of 1,000,000, 100/s, 1:23:20 left", ImportProgress.Line(500_000, 1_000_000, 100));
    }

    private void Write(string name, byte[] bytes) => File.WriteAllBytes(Path.Combine(_folder, name), bytes);

    private void Lines(params string[] lines) => File.WriteAllLines(Path.Combine(_folder, "metadata.jsonl"), lines);

    private async Task<Tally> ImportAsync(string tenant = "", Action<int>? onListed = null, CancellationTokenSource? stop = null)
    {
        var (tally, options) = (new Tally(), new ImportOptions(_folder, new ModelMixture("postcards", _spec), "", tenant, "imported"));
        var list = PictureList.Read(_folder).Select((listed, i) =>
        {
            onListed?.Invoke(i);
            return listed;
        });
        await new Importer(_cache, _embedder, options, cores: 2, _time)
            .RunAsync(list, tally, new ImportProgress(1, _said, isTerminal: false, _time), stop?.Token ?? TestContext.Current.CancellationToken);
        return tally;
    }
}
