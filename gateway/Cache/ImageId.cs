using System.Security.Cryptography;

namespace MoDM.Gateway.Cache;

/// <summary>
/// Names an image by who owns it and what it is: 16 hexadecimal digits of its tenant (none without keys), then the first 128
/// bits of the SHA-256 of its bytes. Two images never share a name (complaint 33), two tenants' never do, and what was torn or
/// changed shows when it is read.
/// </summary>
internal static class ImageId
{
    private const int ContentLength = 32;
    private const int OwnerLength = 16;

    /// <param name="owner"><see cref="Callers.Caller.Owner"/>.</param>
    public static string Of(string owner, ReadOnlySpan<byte> bytes) =>
        owner + Convert.ToHexStringLower(SHA256.HashData(bytes))[..ContentLength];

    public static bool IsId(string text) =>
        text.Length is ContentLength or OwnerLength + ContentLength && text.All(char.IsAsciiHexDigitLower);

    public static string OwnerOf(string id) => id[..^ContentLength];

    public static string ContentOf(string id) => id[^ContentLength..];

    /// <summary>These are the bytes that were named so.</summary>
    public static bool Names(string id, ReadOnlySpan<byte> bytes) => Of(OwnerOf(id), bytes) == id;
}
