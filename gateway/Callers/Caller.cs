using System.Security.Cryptography;
using System.Text;

namespace MoDM.Gateway.Callers;

/// <summary>
/// Who asks, as the key says; never as a header or a field of the request does (complaint 15). A gateway without keys knows
/// one caller only.
/// </summary>
/// <param name="Tenant">Whose images are shared with each other; empty without keys.</param>
/// <param name="Name">Of the key.</param>
/// <param name="Weight">Share in the queue, beside the other tenants'.</param>
internal sealed record Caller(string Tenant, string Name, bool IsAdmin, double Weight)
{
    /// <summary>Everybody, where there are no keys.</summary>
    public static readonly Caller Anyone = new("", "", IsAdmin: true, 1);

    /// <summary>Whoever comes without a key where keys are needed for all but pictures: nothing is theirs.</summary>
    public static readonly Caller Nobody = new("", "", IsAdmin: false, 1);

    /// <summary>What stands for the tenant in ids, buckets and stores: 16 hexadecimal digits, or nothing for <see cref="Anyone"/>.</summary>
    public string Owner { get; } = HashOf(Tenant);

    /// <summary>The first 64 bits of the SHA-256 of a name, in lower-case hexadecimal; empty for none.</summary>
    public static string HashOf(string name) =>
        name.Length == 0 ? "" : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..16];

    /// <summary>May look into an image of this owner, and remove it.</summary>
    public bool MayManage(string owner) => IsAdmin || Owner.Length > 0 && Owner == owner;

    public static Caller Of(HttpContext context) => context.Features.Get<Caller>() ?? Anyone;
}
