namespace MoDM.Gateway.Cache;

/// <summary>Images that are to go: one, or all of a tenant's, or all of one user of a tenant's.</summary>
/// <param name="Id">Null: all of <paramref name="Owner"/>'s.</param>
/// <param name="User">Hash of the request's <c>user</c>; null: whoever's.</param>
/// <param name="Descendants">With all that were refined from them.</param>
/// <param name="At">Milliseconds since 1970: what was made before it, and waits to be written, goes too.</param>
/// <param name="OfAll">Descendants of whatever tenant, where tenants share pictures; otherwise <paramref name="Owner"/>'s alone.</param>
internal sealed record Removal(string? Id, string Owner, string? User, bool Descendants, long At, bool OfAll = false)
{
    /// <summary>Names the images themselves, not their descendants.</summary>
    public bool Names(CacheEntry entry) => entry.Created <= At
        && (Id is null ? entry.Owner == Owner && (User is null || entry.User == User) : entry.Id == Id);

    /// <summary>Goes with the images that are named, if it was refined from one of them.</summary>
    public bool TakesDescendant(string id) => Descendants && (OfAll || ImageId.OwnerOf(id) == Owner);
}
