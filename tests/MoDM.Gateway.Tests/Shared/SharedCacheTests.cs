using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using MoDM.Gateway.Cache;
using MoDM.Mixture;
using static MoDM.Gateway.Tests.CachedImages;

namespace MoDM.Gateway.Tests.Shared;

/// <summary>What gateways with one Qdrant and one S3 see of each other's images.</summary>
public sealed class SharedCacheTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_image_of_one_gateway_is_a_source_and_a_picture_for_another()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var (mine, other) = (await stores.OpenAsync(), await stores.OpenAsync());

        await mine.InsertAsync([Fresh(1), Fresh(2)], Cancel);

        var match = (await FindAsync(other, "bucket", Vector(2)))!.Value;
        Assert.Equal((IdOf(2), "prompt 2"), (match.Entry.Id, match.Entry.Prompt));
        Assert.Equal(1, match.Similarity, 1e-4);
        Assert.Equal(Bytes(2), await other.ReadAsync(IdOf(2), forHit: true, Cancel));
        Assert.Equal(Bytes(1), await other.ReadAsync(IdOf(1), forHit: false, Cancel));
        Assert.Equal("prompt 1", (await other.EntryAsync(IdOf(1), Cancel))!.Prompt);
    }

    [Fact]
    public async Task Only_an_equal_bucket_is_compared()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var cache = await stores.OpenAsync();
        await cache.InsertAsync([Fresh(1, "tenant-a/x")], Cancel);

        Assert.Null(await FindAsync(cache, "tenant-b/x", Vector(1)));
        Assert.NotNull(await FindAsync(cache, "tenant-a/x", Vector(1)));
    }

    [Fact]
    public async Task An_image_that_two_gateways_write_is_there_once()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var caches = new[] { await stores.OpenAsync(), await stores.OpenAsync(), await stores.OpenAsync() };

        await Task.WhenAll(caches.Select(c => c.InsertAsync([Fresh(1), Fresh(2), Fresh(1)], Cancel)));

        await caches[0].SweepAsync(TimeSpan.Zero, Cancel);
        Assert.Equal(2, caches[0].State.Entries);
        Assert.Equal(2, (await stores.ObjectsAsync()).Count);
    }

    [Fact]
    public async Task A_removed_image_is_gone_for_all_and_does_not_come_back_from_one_that_was_about_to_write_it()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var (mine, other) = (await stores.OpenAsync(), await stores.OpenAsync());
        await mine.InsertAsync([Fresh(1), FreshRefined(2, 1), FreshRefined(3, 2, 1), Fresh(4)], Cancel);
        var late = (Child: FreshRefined(5, 1), Same: Fresh(1), ByUser: (Fresh(6).Entry with { User = "u" }, Bytes(6)));

        var removed = await mine.RemoveAsync(One(1, descendants: true), Cancel);
        await mine.RemoveAsync(new Removal(null, "", "u", false, Now), Cancel);
        await other.InsertAsync([late.Child, late.Same, late.ByUser], Cancel);

        Assert.Equal([IdOf(2), IdOf(3), IdOf(1)], removed.OrderBy(id => Array.IndexOf([IdOf(2), IdOf(3), IdOf(1)], id)));
        Assert.Equal(IdOf(4), (await FindAsync(other, "bucket", Vector(1)))!.Value.Entry.Id);
        Assert.Null(await other.ReadAsync(IdOf(1), forHit: false, Cancel));
        Assert.Null(await other.EntryAsync(IdOf(2), Cancel));
        Assert.Equal([$"postcards/{IdOf(4)}.png"], await stores.ObjectsAsync());
        Assert.Empty(await other.RemoveAsync(One(9), Cancel));
    }

    [Fact]
    public async Task An_image_that_is_removed_before_it_is_in_the_store_stays_out()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var (mine, other) = (await stores.OpenAsync(), await stores.OpenAsync());
        var late = Fresh(1);

        Assert.Empty(await other.RemoveAsync(One(1), Cancel));
        await mine.InsertAsync([late], Cancel);

        Assert.Null(await FindAsync(other, "bucket", Vector(1)));
        Assert.Empty(await stores.ObjectsAsync());
    }

    [Fact]
    public async Task An_image_that_is_removed_again_while_it_is_written_again_stays_out()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var (mine, other) = (await stores.OpenAsync(), await stores.OpenAsync());
        await mine.RemoveAsync(One(1), Cancel);
        await Task.Delay(5, Cancel); // Times are milliseconds.
        stores.S3Way.Delay = TimeSpan.FromSeconds(1);
        var again = mine.InsertAsync([(Fresh(1).Entry with { Created = Now }, Bytes(1))], Cancel);
        await Task.Delay(300, Cancel); // It waits for S3 now.

        await Task.WhenAll(again, other.RemoveAsync(One(1), Cancel));

        stores.S3Way.Delay = TimeSpan.Zero;
        Assert.Null(await FindAsync(other, "bucket", Vector(1)));
        Assert.Null(await other.ReadAsync(IdOf(1), forHit: false, Cancel));
        await other.SweepAsync(ImageCache.LooseImagesLive, Cancel);
        Assert.Empty(await stores.ObjectsAsync());
    }

    [Fact]
    public async Task Other_tenants_keep_what_they_refined_unless_an_admin_asks()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var cache = await stores.OpenAsync();
        const string Other = "bbbbbbbbbbbbbbbb";
        var theirs = Fresh(2, owner: Other).Entry with { Lineage = [IdOf(1)] };
        await cache.InsertAsync([Fresh(1), (theirs, Bytes(2)), FreshRefined(3, 1)], Cancel);

        Assert.Equal([IdOf(1), IdOf(3)], (await cache.RemoveAsync(One(1, descendants: true), Cancel)).OrderBy(id => id == IdOf(3)));
        await cache.InsertAsync([(theirs with { Id = IdOf(4, Other) }, Bytes(4))], Cancel);
        Assert.NotNull(await FindAsync(cache, "bucket", Vector(2)));

        Assert.Equal(2, (await cache.RemoveAsync(One(1, descendants: true) with { OfAll = true }, Cancel)).Count);
        Assert.Null(await FindAsync(cache, "bucket", Vector(2)));
    }

    [Fact]
    public async Task A_store_that_does_not_answer_is_not_taken_for_one_without_the_image()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var cache = await stores.OpenAsync();
        await cache.InsertAsync([Fresh(1)], Cancel);

        stores.S3Way.Stop();
        await Assert.ThrowsAsync<StoreUnavailableException>(() => cache.ReadAsync(IdOf(1), forHit: false, Cancel).AsTask());
        Assert.Null(await cache.ReadAsync(IdOf(1), forHit: true, Cancel));
        stores.S3Way.Restart();
        stores.Qdrant.SkipThenFail(0, answerLost: false);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => cache.EntryAsync(IdOf(1), Cancel).AsTask());
    }

    [Fact]
    public async Task A_write_that_takes_longer_than_somebody_waits_is_no_trouble_of_the_store()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        stores.Spec = stores.Spec with { LookUpDeadline = TimeSpan.FromMilliseconds(50) };
        var cache = await stores.OpenAsync();
        stores.S3Way.Delay = TimeSpan.FromMilliseconds(300);

        for (var i = 0; i < 5; i++)
        {
            using var hurry = new CancellationTokenSource(50);
            Assert.False(await cache.KeepAsync(IdOf(i), Bytes(i), hurry.Token));
        }

        Assert.Null(cache.State.Trouble);
    }

    [Fact]
    public async Task An_old_Qdrant_which_would_overlook_marks_is_refused()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        stores.Qdrant.Version = "1.16.3";
        Assert.Contains("1.17 or newer", (await Assert.ThrowsAsync<StoreMismatchException>(() => stores.OpenAsync())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_insert_that_broke_off_at_any_call_is_finished_by_the_next_try()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var cache = await stores.OpenAsync();
        for (var calls = 0; calls < 4; calls++)
        {
            stores.Qdrant.SkipThenFail(calls, answerLost: calls % 2 == 1);
            await Assert.ThrowsAsync<StoreUnavailableException>(() => cache.InsertAsync([Fresh(10 + calls)], Cancel));
            stores.Qdrant.Heal();
            // Only the last call makes it a source; of that one just the answer is lost.
            Assert.Equal(calls == 3, (await cache.EntryAsync(IdOf(10 + calls), Cancel))?.IsSource == true);

            await cache.InsertAsync([Fresh(10 + calls)], Cancel);
            Assert.True((await cache.EntryAsync(IdOf(10 + calls), Cancel))!.IsSource);
            Assert.Equal(IdOf(10 + calls), (await FindAsync(cache, "bucket", Vector(10 + calls)))!.Value.Entry.Id);
        }
    }

    [Fact]
    public async Task An_image_drawn_again_after_its_removal_is_a_new_one()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var cache = await stores.OpenAsync();
        await cache.InsertAsync([Fresh(1)], Cancel);
        await cache.RemoveAsync(One(1), Cancel);

        await cache.InsertAsync([(Fresh(1).Entry with { Created = Now + 1000 }, Bytes(1))], Cancel);

        Assert.NotNull(await FindAsync(cache, "bucket", Vector(1)));
    }

    [Fact]
    public async Task All_of_a_tenant_or_of_one_user_of_it_can_go()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var cache = await stores.OpenAsync();
        const string Owner = "aaaaaaaaaaaaaaaa";
        await cache.InsertAsync([
            (Fresh(1, owner: Owner).Entry with { User = "u" }, Bytes(1)), Fresh(2, owner: Owner), (Fresh(3).Entry with { User = "u" }, Bytes(3)),
        ], Cancel);

        Assert.Equal([IdOf(1, Owner)], await cache.RemoveAsync(new Removal(null, Owner, "u", false, Now), Cancel));
        Assert.Equal([IdOf(2, Owner)], await cache.RemoveAsync(new Removal(null, Owner, null, true, Now), Cancel));
        Assert.NotNull(await FindAsync(cache, "bucket", Vector(3)));
    }

    /// <summary>As if the process were killed before, or right after, each of its calls.</summary>
    [Fact]
    public async Task A_removal_survives_a_kill_at_every_step()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var other = await stores.OpenAsync();
        var steps = new List<string>();
        for (var step = 0; ; step++)
        {
            int[] images = [10 * step + 1, 10 * step + 2, 10 * step + 3];
            await other.InsertAsync([Fresh(images[0]), FreshRefined(images[1], images[0]), FreshRefined(images[2], images[1], images[0])], Cancel);
            stores.Qdrant.ClearCalls();
            using var killed = await stores.OpenAsync();
            var before = stores.Qdrant.Calls.Values.Sum();
            // Even steps are lost on the way there, odd ones on the way back: the call took effect. After all of Qdrant's come S3's.
            stores.Qdrant.SkipThenFail(step / 2, answerLost: step % 2 == 1);
            if (step == 10) stores.S3Way.Stop();
            if (step == 11) stores.S3Way.CutAfter(1);
            try
            {
                await killed.RemoveAsync(One(images[0], descendants: true), Cancel);
                stores.Qdrant.Heal();
                break;
            }
            catch (StoreUnavailableException e)
            {
                steps.Add(e.Message);
            }
            stores.Qdrant.Heal();
            if (step >= 10)
            {
                stores.S3Way.Stop();
                stores.S3Way.Restart();
                await GatewayProcess.Eventually(() => Task.FromResult(other.State.Trouble is null));
            }

            // Whoever of them is left, the one that was named is left too; so asking again does the rest.
            var left = new List<int>();
            foreach (var i in images)
            {
                if (await other.EntryAsync(IdOf(i), Cancel) is not null) left.Add(i);
                else Assert.NotEqual(IdOf(i), (await FindAsync(other, "bucket", Vector(i)))?.Entry.Id);
            }
            if (left.Count > 0) Assert.Contains(images[0], left);
            // And where the marks are set, a sweep of any gateway does.
            else await other.SweepAsync(ImageCache.LooseImagesLive, Cancel);
            if (left.Count > 0) await other.RemoveAsync(One(images[0], descendants: true), Cancel);
            Assert.Empty(await stores.ObjectsAsync());
        }
        TestContext.Current.TestOutputHelper!.WriteLine(string.Join('\n', steps));
        Assert.True(steps.Count >= 12, $"{steps.Count} steps");
    }

    [Fact]
    public async Task A_sweep_leaves_neither_entries_without_bytes_nor_bytes_without_an_entry()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var cache = await stores.OpenAsync();
        await cache.InsertAsync([Fresh(1), Fresh(2), (Fresh(3).Entry with { IsSource = false, Vector = [] }, Bytes(3))], Cancel);
        await stores.DeleteAsync($"postcards/{IdOf(1)}.png");
        await stores.PutAsync($"postcards/{IdOf(4)}.png", Bytes(4));
        await stores.PutAsync("elsewhere/not-ours.png", Bytes(5));

        await cache.SweepAsync(ImageCache.LooseImagesLive, Cancel);
        Assert.Null(await cache.EntryAsync(IdOf(1), Cancel));
        Assert.Equal(4, (await stores.ObjectsAsync()).Count); // The loose ones have an hour.

        await Task.Delay(1100, Cancel); // S3 tells whole seconds.
        await cache.SweepAsync(TimeSpan.Zero, Cancel);
        Assert.Equal(["elsewhere/not-ours.png", $"postcards/{IdOf(2)}.png"], await stores.ObjectsAsync());
        Assert.Equal(1, cache.State.Entries);
    }

    [Fact]
    public async Task The_marks_of_removed_images_go_after_an_hour()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var cache = await stores.OpenAsync(time);
        var late = Fresh(1);
        await cache.InsertAsync([late], Cancel);
        await cache.RemoveAsync(One(1), Cancel);

        await cache.SweepAsync(Cancel);
        await cache.InsertAsync([late], Cancel);
        Assert.Null(await FindAsync(cache, "bucket", Vector(1)));

        time.Advance(TimeSpan.FromHours(1.1));
        await cache.SweepAsync(Cancel);
        await cache.InsertAsync([late], Cancel);
        Assert.NotNull(await FindAsync(cache, "bucket", Vector(1)));
    }

    [Theory]
    [InlineData(CacheEviction.Fifo, new[] { 3, 4 })]
    [InlineData(CacheEviction.Lru, new[] { 1, 4 })]
    public async Task A_full_cache_lets_go_of_the_oldest_or_the_least_used(CacheEviction eviction, int[] left)
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        stores.Spec = stores.Spec with { Capacity = 2, Eviction = eviction };
        var cache = await stores.OpenAsync();
        foreach (var i in new[] { 1, 3 })
            await cache.InsertAsync([(Fresh(i).Entry with { Created = 1000 * i }, Bytes(i))], Cancel);
        stores.Qdrant.ClearCalls();
        cache.Used(IdOf(1));
        if (eviction == CacheEviction.Lru) await GatewayProcess.Eventually(() => Task.FromResult(stores.Qdrant.CallsOf("Points/SetPayload") == 1));

        Assert.Equal(1, await cache.InsertAsync([(Fresh(4).Entry with { Created = 4000 }, Bytes(4))], Cancel));

        Assert.Equal(left.Select(i => $"postcards/{IdOf(i)}.png").Order(StringComparer.Ordinal), (await stores.ObjectsAsync()).Order(StringComparer.Ordinal));
        Assert.Equal(2, cache.State.Entries);
    }

    [Fact]
    public async Task An_image_that_is_too_old_is_no_source()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        stores.Spec = stores.Spec with { MaxAge = TimeSpan.FromHours(3) };
        var cache = await stores.OpenAsync();
        await cache.InsertAsync([(Fresh(1).Entry with { Created = Now - (long)TimeSpan.FromHours(4).TotalMilliseconds }, Bytes(1)), Fresh(2)], Cancel);

        Assert.Equal(IdOf(2), (await FindAsync(cache, "bucket", Vector(1)))!.Value.Entry.Id);
        await cache.SweepAsync(Cancel);
        Assert.Equal([$"postcards/{IdOf(2)}.png"], await stores.ObjectsAsync());
    }

    [Fact]
    public async Task A_signed_url_gives_the_picture_without_credentials()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        stores.Spec = stores.Spec with { Shared = stores.Store with { Urls = ImageUrls.Presigned } };
        var cache = await stores.OpenAsync();
        await cache.InsertAsync([Fresh(1)], Cancel);

        using var http = new HttpClient();
        Assert.Equal(Bytes(1), await http.GetByteArrayAsync(cache.UrlOf(IdOf(1)), Cancel));
        Assert.Equal(403, (int)(await http.GetAsync(new Uri(cache.UrlOf(IdOf(1))!).GetLeftPart(UriPartial.Path), Cancel)).StatusCode);
    }

    [Fact]
    public async Task Stores_that_do_not_fit_are_refused_in_words()
    {
        await using var stores = await SharedStoresFixture.StartAsync();
        await stores.OpenAsync();

        var other = await Assert.ThrowsAsync<StoreMismatchException>(() => stores.OpenAsync(dimension: 512));
        Assert.Contains("holds vectors of 128 dimensions by Cosine, and the embedder's have 512", other.Message, StringComparison.Ordinal);
    }

    private static (CacheEntry Entry, byte[] Bytes) Fresh(int i, string bucket = "bucket", string owner = "")
    {
        var (entry, bytes) = Image(i, bucket, owner);
        return (entry with { Created = Now }, bytes);
    }

    private static (CacheEntry Entry, byte[] Bytes) FreshRefined(int i, params int[] from)
    {
        var (entry, bytes) = Refined(i, from);
        return (entry with { Created = Now }, bytes);
    }

    private static async Task<CacheMatch?> FindAsync(SharedCache cache, string bucket, float[] vector) =>
        await cache.FindAsync(bucket, vector, 1, Cancel) is [var best] ? best : null;

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    private static Removal One(int i, bool descendants = false) => new(IdOf(i), "", null, descendants, Now);
}
