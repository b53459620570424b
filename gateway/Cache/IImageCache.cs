namespace MoDM.Gateway.Cache;

/// <summary>
/// The final images, and which of them are sources for others. Bytes are written before the entry and removed after it, so
/// that an entry never lacks its image, whenever a process is killed. Safe for concurrent use.
/// </summary>
internal interface IImageCache
{
    /// <summary>What to show of it.</summary>
    CacheState State { get; }

    /// <summary>The most similar sources of the bucket, the best first; none when it has none, or the store does not say in time.</summary>
    /// <param name="vector">Of unit length.</param>
    ValueTask<IReadOnlyList<CacheMatch>> FindAsync(string bucket, float[] vector, int most, CancellationToken cancel);

    /// <exception cref="IOException">Whether there is one cannot be told now.</exception>
    ValueTask<CacheEntry?> EntryAsync(string id, CancellationToken cancel);

    /// <summary>The image's bytes; null when they are gone, or not those that were written.</summary>
    /// <param name="forHit">Somebody waits for a source, who can do without it: null also where it cannot be read now.</param>
    /// <exception cref="IOException">Whether they are there cannot be told now.</exception>
    ValueTask<byte[]?> ReadAsync(string id, bool forHit, CancellationToken cancel);

    /// <summary>Writes bytes whose entry follows.</summary>
    /// <returns>False: they are not in the store yet, and come with their entry.</returns>
    ValueTask<bool> KeepAsync(string id, byte[] bytes, CancellationToken cancel);

    /// <summary>Where a client gets a stored image without this gateway; null: nowhere else.</summary>
    string? UrlOf(string id);

    /// <summary>Returns when the images are in the store and can be found. What was removed meanwhile stays out.</summary>
    /// <returns>How many sources left for them.</returns>
    /// <exception cref="IOException">Nothing of it counts.</exception>
    Task<int> InsertAsync(IReadOnlyList<(CacheEntry Entry, byte[] Bytes)> images, CancellationToken cancel);

    /// <summary>Returns when no gateway reuses the images any more, and their bytes are gone.</summary>
    /// <returns>The ids of those that were there.</returns>
    /// <exception cref="IOException">Not all of it was done; asking again goes on with it.</exception>
    Task<IReadOnlyList<string>> RemoveAsync(Removal removal, CancellationToken cancel);

    /// <summary>The image was a source just now.</summary>
    void Used(string id);

    /// <summary>Removes what is too old, and what a crash left behind.</summary>
    Task SweepAsync(CancellationToken cancel);
}

/// <param name="Trouble">Why the store is not asked at present; null when all is well.</param>
internal sealed record CacheState(string Store, long Entries, long? Bytes, int Capacity, string? Trouble);
