using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace MoDM.Gateway.Callers;

/// <summary>A key that opens, with what it may.</summary>
/// <param name="Bucket">Null: it has no rate.</param>
/// <param name="Errand">Opens as the key does, in this process only: for what another process of ours does for its caller.</param>
internal sealed record CallerKey(Caller Caller, byte[] Hash, TokenBucket? Bucket, string Errand)
{
    public byte[] ErrandHash { get; } = KeyRing.HashOf(Errand);
}

/// <summary>The keys in force, swapped whole; a rate that has not changed goes on where it was.</summary>
internal sealed class KeyRing
{
    private readonly TimeProvider _time;
    private volatile CallerKey[] _keys = [];

    public KeyRing(IReadOnlyList<KeyLine> lines, TimeProvider time)
    {
        _time = time;
        Take(lines);
    }

    public int Count => _keys.Length;

    public void Take(IReadOnlyList<KeyLine> lines)
    {
        var before = _keys;
        _keys = [.. lines.Select(line =>
        {
            var hash = Convert.FromHexString(line.Sha256);
            var old = Array.Find(before, k => k.Caller.Name == line.Name);
            return new CallerKey(
                new Caller(line.Tenant, line.Name, line.Admin, line.Weight), hash, BucketOf(line, old?.Bucket),
                old is not null && old.Hash.AsSpan().SequenceEqual(hash) ? old.Errand : NewKey());
        })];
    }

    /// <summary>256 random bits in base64url, after a prefix by which it is known where it leaks.</summary>
    public static string NewKey() => "modm_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    public static byte[] HashOf(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>
    /// In time that tells nothing of the keys: hashes are compared, each one whole, and all of them whichever fits. They are few.
    /// </summary>
    public CallerKey? Find(string key)
    {
        var hash = HashOf(key);
        CallerKey? found = null;
        foreach (var candidate in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(candidate.Hash, hash) | CryptographicOperations.FixedTimeEquals(candidate.ErrandHash, hash)) found = candidate;
        }
        return found;
    }

    private TokenBucket? BucketOf(KeyLine line, TokenBucket? before) => line.Rate is not { } rate ? null
        : before is not null && before.PerMinute.Equals(rate) && before.Burst == line.BurstInForce ? before
        : new TokenBucket(rate, line.BurstInForce, _time);
}
