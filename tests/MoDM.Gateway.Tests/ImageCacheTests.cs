using Microsoft.Extensions.Time.Testing;
using MoDM.Fakes;
using MoDM.Gateway.Cache;
using static MoDM.Gateway.Tests.CachedImages;

namespace MoDM.Gateway.Tests;

public sealed class ImageCacheTests
{
    private readonly string _folder = TempFolder.New();
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());

    [Fact]
    public void What_was_inserted_is_found_after_a_restart()
    {
        using (var cache = Open())
            cache.Insert([Image(1), Image(2), Image(3)]);

        using var again = Open();
        var match = again.Find("bucket", Vector(2))!.Value;

        Assert.Equal(3, again.Count);
        Assert.Equal("prompt 2", match.Entry.Prompt);
        Assert.Equal(1, match.Similarity, 1e-5);
        Assert.Equal(Bytes(2), again.Read(match.Entry.Id));
    }

    [Fact]
    public void Only_an_equal_bucket_is_compared()
    {
        // Complaint 14: partition by equality before any search.
        using var cache = Open();
        cache.Insert([Image(1, bucket: "other")]);

        Assert.Null(cache.Find("bucket", Vector(1)));
        Assert.NotNull(cache.Find("other", Vector(1)));
    }

    [Fact]
    public void The_oldest_leaves_first_with_its_bytes()
    {
        using var cache = Open(capacity: 2);
        cache.Insert([Image(1), Image(2)]);

        Assert.Equal(1, cache.Insert([Image(3)]));

        Assert.Equal(2, cache.Count);
        Assert.Null(cache.Read(IdOf(1)));
        Assert.NotNull(cache.Read(IdOf(2)));
        Assert.NotEqual("prompt 1", cache.Find("bucket", Vector(1))!.Value.Entry.Prompt);
    }

    [Fact]
    public void A_torn_record_is_cut_off_at_any_byte_and_all_before_it_stand()
    {
        long two, three;
        using (var cache = Open())
        {
            cache.Insert([Image(1), Image(2)]);
            two = IndexLength();
            cache.Insert([Image(3)]);
            three = IndexLength();
        }
        var whole = File.ReadAllBytes(IndexFile);
        for (var length = two; length < three; length += 7)
        {
            File.WriteAllBytes(IndexFile, whole[..(int)length]);
            using var cache = Open();
            Assert.Equal(2, cache.Count);
            cache.Insert([Image(4)]);
            Assert.Equal(3, cache.Count);
        }
    }

    [Fact]
    public void A_flipped_bit_in_the_index_is_noticed()
    {
        using (var cache = Open())
            cache.Insert([Image(1), Image(2)]);
        var bytes = File.ReadAllBytes(IndexFile);
        bytes[^10] ^= 1;
        File.WriteAllBytes(IndexFile, bytes);

        using var again = Open();

        Assert.Equal(1, again.Count);
    }

    [Fact]
    public void A_damaged_image_is_no_source_and_is_forgotten()
    {
        using var cache = Open();
        cache.Insert([Image(1)]);
        var file = Directory.EnumerateFiles(_folder, "*.png", SearchOption.AllDirectories).Single();
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..^1]);

        Assert.Null(cache.Read(IdOf(1)));
        Assert.Equal(0, cache.Count);
        Assert.Null(cache.Find("bucket", Vector(1)));
    }

    [Fact]
    public void An_entry_whose_file_is_gone_is_dropped_at_start()
    {
        using (var cache = Open())
            cache.Insert([Image(1), Image(2)]);
        File.Delete(Directory.EnumerateFiles(_folder, IdOf(1) + ".png", SearchOption.AllDirectories).Single());

        using var again = Open();

        Assert.Equal(1, again.Count);
    }

    [Fact]
    public void The_index_file_does_not_grow_with_what_has_left()
    {
        using (var cache = Open(capacity: 10))
        {
            for (var i = 0; i < 3000; i += 10)
                cache.Insert([.. Enumerable.Range(i, 10).Select(n => Image(n))]);
        }
        Assert.InRange(IndexLength(), 1, 1_000_000);

        using var again = Open(capacity: 10);
        Assert.Equal(10, again.Count);
        Assert.NotNull(again.Read(IdOf(2999)));
    }

    [Fact]
    public void Files_that_no_entry_names_are_swept_when_they_are_old()
    {
        using var cache = Open();
        cache.Insert([Image(1)]);
        cache.Files.Write(IdOf(2), Bytes(2));
        Directory.CreateDirectory(Path.Combine(_folder, "images", "ab"));
        File.WriteAllText(Path.Combine(_folder, "images", "ab", "torn.png.123.part"), "x");
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;

        Assert.Equal(0, cache.Sweep(now.AddHours(-1)));
        Assert.Equal(2, cache.Sweep(now.AddHours(1)));
        Assert.NotNull(cache.Read(IdOf(1)));
        Assert.Null(cache.Read(IdOf(2)));
    }

    [Fact]
    public void A_file_that_is_written_again_lives_its_hour_once_more()
    {
        using var cache = Open();
        cache.Files.Write(IdOf(1), Bytes(1));

        _time.Advance(TimeSpan.FromMinutes(50));
        cache.Files.Write(IdOf(1), Bytes(1));
        _time.Advance(TimeSpan.FromMinutes(50));

        Assert.Equal(0, cache.Sweep(_time.GetUtcNow().UtcDateTime.AddHours(-1)));
        Assert.NotNull(cache.Read(IdOf(1)));
    }

    [Fact]
    public void An_image_that_comes_back_after_it_left_is_the_newest()
    {
        using (var cache = Open(capacity: 2))
        {
            foreach (var i in new[] { 1, 2, 3, 1 })
                cache.Insert([Image(i)]);
            Assert.Null(cache.Read(IdOf(2)));
        }

        using var again = Open(capacity: 2);
        again.Insert([Image(4)]);
        Assert.Null(again.Read(IdOf(3)));
        Assert.NotNull(again.Read(IdOf(1)));
    }

    [Fact]
    public void A_second_process_cannot_open_the_folder()
    {
        using var cache = Open();

        Assert.Throws<IOException>(() => Open());
    }

    private string IndexFile => Path.Combine(_folder, "index.log");

    private long IndexLength() => new FileInfo(IndexFile).Length;

    private ImageCache Open(int capacity = 100) => CachedImages.Open(_folder, _time, new() { Capacity = capacity });
}
