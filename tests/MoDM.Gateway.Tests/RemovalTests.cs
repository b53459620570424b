using Microsoft.Extensions.Time.Testing;
using MoDM.Fakes;
using MoDM.Gateway.Cache;
using MoDM.Mixture;
using static MoDM.Gateway.Tests.CachedImages;

namespace MoDM.Gateway.Tests;

/// <summary>What is removed from the embedded cache, or too old for it, stays away, whenever the process is killed.</summary>
public sealed class RemovalTests
{
    private readonly string _folder = TempFolder.New();
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());

    [Fact]
    public void A_removed_image_is_no_source_and_its_bytes_are_gone()
    {
        using var cache = Open(_folder, _time);
        cache.Insert([Image(1), Image(2)]);

        Assert.Equal([IdOf(1)], cache.Remove(One(1)));

        Assert.NotEqual(IdOf(1), cache.Find("bucket", Vector(1))!.Value.Entry.Id);
        Assert.Null(cache.Read(IdOf(1)));
        Assert.Null(cache.Entry(IdOf(1)));
        Assert.Empty(cache.Remove(One(1)));
    }

    [Fact]
    public void Descendants_go_with_it_when_asked_and_stay_otherwise()
    {
        using var cache = Open(_folder, _time);
        cache.Insert([Image(1), Refined(2, 1), Refined(3, 2, 1), Refined(4, 9), Image(5)]);

        Assert.Equal([IdOf(2)], cache.Remove(One(2)));
        Assert.NotNull(cache.Entry(IdOf(3)));

        Assert.Equal([IdOf(3), IdOf(1)], cache.Remove(One(1, descendants: true)));
        Assert.Equal(2, cache.Count);
    }

    [Fact]
    public void Descendants_of_one_that_left_go_too_and_other_tenants_keep_theirs_unless_an_admin_asks()
    {
        const string Other = "bbbbbbbbbbbbbbbb";
        using var cache = Open(_folder, _time);
        var theirs = (Image(4, owner: Other).Entry with { Lineage = [IdOf(1)] }, Bytes(4));
        cache.Insert([Refined(3, 1), theirs]);

        Assert.Equal([IdOf(3)], cache.Remove(One(1, descendants: true)));
        Assert.NotNull(cache.Read(IdOf(4, Other)));
        cache.Insert([(theirs.Item1 with { Id = IdOf(5, Other) }, Bytes(5))]);
        Assert.Equal(2, cache.Count);

        Assert.Equal([IdOf(4, Other), IdOf(5, Other)], cache.Remove(One(1, descendants: true) with { OfAll = true }));
    }

    [Fact]
    public void Nothing_of_a_removed_image_is_left_in_the_index_after_a_sweep()
    {
        using var cache = Open(_folder, _time);
        cache.Insert([Image(1), Image(2)]);
        cache.Remove(One(1));

        cache.Sweep(_time.GetUtcNow().UtcDateTime.AddHours(-1));

        var index = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(IndexFile));
        Assert.DoesNotContain("prompt 1", index, StringComparison.Ordinal);
        Assert.Contains("prompt 2", index, StringComparison.Ordinal);
    }

    [Fact]
    public void A_removal_that_could_not_be_written_down_is_not_half_done()
    {
        var cache = Open(_folder, _time);
        cache.Insert([Image(1)]);
        cache.Dispose(); // The index takes no more records, as on a full disk.

        Assert.ThrowsAny<Exception>(() => cache.Remove(One(1)));

        Assert.NotNull(cache.Entry(IdOf(1)));
        Assert.True(cache.Files.Exists(IdOf(1)));
    }

    [Fact]
    public void An_image_that_cannot_be_read_just_now_is_not_taken_for_gone()
    {
        using var cache = Open(_folder, _time);
        cache.Insert([Image(1)]);
        var file = Directory.EnumerateFiles(_folder, IdOf(1) + ".png", SearchOption.AllDirectories).Single();
        File.Move(file, file + ".away");
        Directory.CreateDirectory(file);

        Assert.Throws<IOException>(() => cache.Read(IdOf(1)));

        Directory.Delete(file);
        File.Move(file + ".away", file);
        Assert.Equal(Bytes(1), cache.Read(IdOf(1)));
        Assert.NotNull(cache.Entry(IdOf(1)));
    }

    [Fact]
    public void All_of_a_tenant_or_of_one_user_of_it_can_go()
    {
        using var cache = Open(_folder, _time);
        var (mine, bytes) = Image(1, owner: "aaaaaaaaaaaaaaaa");
        cache.Insert([
            (mine with { User = "u" }, bytes), Image(2, owner: "aaaaaaaaaaaaaaaa"), Image(3, owner: "bbbbbbbbbbbbbbbb"),
            (Image(4).Entry with { User = "u" }, Bytes(4)),
        ]);

        Assert.Equal([mine.Id], cache.Remove(new Removal(null, "aaaaaaaaaaaaaaaa", "u", false, Now)));
        Assert.Equal([IdOf(2, "aaaaaaaaaaaaaaaa")], cache.Remove(new Removal(null, "aaaaaaaaaaaaaaaa", null, false, Now)));
        Assert.Equal(2, cache.Count);
    }

    [Fact]
    public void What_waits_to_be_written_while_it_is_removed_stays_out()
    {
        using var cache = Open(_folder, _time);
        cache.Insert([Image(1)]);
        cache.Remove(One(1, descendants: true));
        cache.Remove(new Removal(null, "", "u", false, Now));

        cache.Insert([Image(1), Refined(2, 1), (Image(3).Entry with { User = "u" }, Bytes(3)), Image(4)]);

        Assert.Equal(1, cache.Count);
        Assert.NotNull(cache.Entry(IdOf(4)));
    }

    [Fact]
    public void The_same_image_drawn_again_afterwards_is_a_new_one()
    {
        using var cache = Open(_folder, _time);
        cache.Insert([Image(1)]);
        cache.Remove(One(1));

        cache.Insert([(Image(1).Entry with { Created = Now + 1 }, Bytes(1))]);

        Assert.NotNull(cache.Read(IdOf(1)));
    }

    [Fact]
    public void A_removal_survives_a_kill_at_every_step()
    {
        long before;
        using (var cache = Open(_folder, _time))
        {
            cache.Insert([Image(1), Refined(2, 1), Refined(3, 2, 1), Image(4)]);
            before = new FileInfo(IndexFile).Length;
            Assert.Equal(3, cache.Remove(One(1, descendants: true)).Count);
        }
        var log = File.ReadAllBytes(IndexFile);
        int[] order = [2, 3, 1];
        for (var (written, deleted) = ((int)before, 0); deleted <= order.Length; _ = written < log.Length ? written++ : deleted++)
        {
            // The folder as it is at this step: so much of the index is written, so many files are deleted.
            var folder = TempFolder.New();
            using (var whole = Open(folder, _time))
                whole.Insert([Image(1), Refined(2, 1), Refined(3, 2, 1), Image(4)]);
            File.WriteAllBytes(Path.Combine(folder, "index.log"), log[..written]);
            foreach (var i in order.Take(deleted))
                File.Delete(Directory.EnumerateFiles(folder, IdOf(i) + ".png", SearchOption.AllDirectories).Single());

            using var cache = Open(folder, _time);
            foreach (var i in order)
            {
                // Removed as a whole or not at all; and while any of them is left, so is the one that was named.
                Assert.Equal(cache.Entry(IdOf(i)) is null, !cache.Files.Exists(IdOf(i)));
                if (cache.Entry(IdOf(i)) is not null) Assert.NotNull(cache.Entry(IdOf(1)));
            }
            if (written == log.Length) Assert.Equal(1, cache.Count);
            cache.Remove(One(1, descendants: true));
            Assert.Equal(IdOf(4), cache.Find("bucket", Vector(3))!.Value.Entry.Id);
            Assert.Single(Directory.EnumerateFiles(folder, "*.png", SearchOption.AllDirectories));
        }
    }

    [Fact]
    public void An_image_that_is_too_old_is_no_source_and_is_swept()
    {
        using var cache = Open(_folder, _time, new() { MaxAge = TimeSpan.FromHours(3) });
        cache.Insert([(Image(1).Entry with { Created = Now }, Bytes(1))]);
        _time.Advance(TimeSpan.FromHours(2));
        cache.Insert([(Image(2).Entry with { Created = Now }, Bytes(2))]);
        Assert.Equal(IdOf(1), cache.Find("bucket", Vector(1))!.Value.Entry.Id);

        _time.Advance(TimeSpan.FromHours(1.1));

        // The best is too old, so the second best it is.
        Assert.Equal(IdOf(2), cache.Find("bucket", Vector(1))!.Value.Entry.Id);
        Assert.Null(cache.Read(IdOf(1)));
        _time.Advance(TimeSpan.FromHours(2));
        cache.Sweep(_time.GetUtcNow().UtcDateTime.AddHours(-1));
        Assert.Equal(0, cache.Count);
    }

    [Fact]
    public void With_lru_the_one_that_was_no_source_for_the_longest_time_leaves()
    {
        using var cache = Open(_folder, _time, new() { Capacity = 3, Eviction = CacheEviction.Lru });
        cache.Insert([Image(1), Image(2), Image(3)]);
        cache.Used(IdOf(1));

        cache.Insert([Image(4), Image(5)]);

        Assert.Equal([false, false, true, true, true], new[] { 2, 3, 1, 4, 5 }.Select(i => cache.Entry(IdOf(i)) is not null));
    }

    [Fact]
    public void An_image_that_is_no_source_is_found_by_id_only_and_lives_an_hour()
    {
        var loose = (Image(1).Entry with { IsSource = false, Vector = [], Created = Now }, Bytes(1));
        using (var cache = Open(_folder, _time))
            cache.Insert([loose]);
        using var again = Open(_folder, _time);

        Assert.Null(again.Find("bucket", Vector(1)));
        Assert.Equal((0, false), (again.Count, again.Entry(IdOf(1))!.IsSource));
        Assert.NotNull(again.Read(IdOf(1)));
        _time.Advance(TimeSpan.FromHours(1.1));
        again.Sweep(_time.GetUtcNow().UtcDateTime.AddHours(-1));
        Assert.Null(again.Read(IdOf(1)));
    }

    [Fact]
    public void One_picture_of_two_tenants_is_two_images()
    {
        using var cache = Open(_folder, _time);
        cache.Insert([Image(1, "a", "aaaaaaaaaaaaaaaa"), Image(1, "b", "bbbbbbbbbbbbbbbb")]);

        cache.Remove(new Removal(IdOf(1, "aaaaaaaaaaaaaaaa"), "aaaaaaaaaaaaaaaa", null, true, Now));

        Assert.Null(cache.Find("a", Vector(1)));
        Assert.NotNull(cache.Read(IdOf(1, "bbbbbbbbbbbbbbbb")));
    }

    private string IndexFile => Path.Combine(_folder, "index.log");

    private long Now => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private Removal One(int i, bool descendants = false) => new(IdOf(i), "", null, descendants, Now);
}
