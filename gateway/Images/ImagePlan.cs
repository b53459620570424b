using System.Security.Cryptography;
using System.Text;
using MoDM.Api;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Gateway.Images;

/// <summary>A request after the decisions about it: what is drawn, from where, and its places in the queue.</summary>
internal sealed record ImagePlan
{
    /// <summary>As it was when the request came.</summary>
    public required ModelMixture Mixture { get; init; }
    public required Caller Caller { get; init; }
    public required ImageRequest Request { get; init; }
    public required HitDecision Decision { get; init; }
    public CacheMatch? Match { get; init; }

    /// <summary>What kept the match from standing in.</summary>
    public string? Guard { get; init; }

    /// <summary>The picture to start from: the cached image of a hit, the caller's image of an edit.</summary>
    public byte[]? Source { get; init; }
    public bool IsEdit { get; init; }
    public required bool PromptCut { get; init; }
    public required string Bucket { get; init; }
    public required string Size { get; init; }
    public required int Steps { get; init; }
    public required long Seed { get; init; }
    public required IReadOnlyList<Ticket> Tickets { get; init; }

    /// <summary>What was given up when the request came.</summary>
    public DegradeStep Degrade { get; init; }
    public required TimeSpan Embedding { get; init; }
    public required TimeSpan LookUp { get; init; }

    public CacheMode Mode => ModeOf(Request);

    public static CacheMode ModeOf(ImageRequest request) => request.Cache switch
    {
        "bypass" => CacheMode.Bypass,
        "refresh" => CacheMode.Refresh,
        _ => CacheMode.Auto,
    };

    /// <summary>What must be equal, not merely similar, for one image to stand in for another.</summary>
    /// <param name="partition">Whose images are looked at: a tenant's owner hash, or empty for all.</param>
    /// <param name="guidance">The request's own; pictures drawn by another kind of guidance look different.</param>
    public static string BucketOf(string partition, string embedderRevision, string size, string? negativePrompt, double? guidance)
    {
        var negative = string.IsNullOrEmpty(negativePrompt) ? "none"
            : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(negativePrompt)))[..16];
        return $"{partition}/{embedderRevision}/{size}/{negative}/{GuidanceClass(guidance)}";
    }

    private static string GuidanceClass(double? guidance) => guidance switch
    {
        null => "default",
        <= 1 => "none",
        <= 5 => "low",
        <= 10 => "middle",
        _ => "high",
    };

    public string RouteName => Decision.Route == CacheRoute.Hit ? "hit" : "miss";

    /// <summary>Null when nothing is given up; a miss that waited may be drawn by a small worker that was put to it meanwhile.</summary>
    public string? Degraded(params IReadOnlyList<DrawnImage> images)
    {
        var step = Degrade < DegradeStep.SmallForMisses && StandIn(images).Length > 0 ? DegradeStep.SmallForMisses : Degrade;
        return step == DegradeStep.None ? null : LivePlan.NameOf(step);
    }

    /// <summary>Expected seconds until the last image, as known on arrival.</summary>
    public double? ExpectedSeconds => Tickets.Max(t => t.Expected?.Expected);

    /// <summary>The explanation that every response carries.</summary>
    public ImageStory Story(params IReadOnlyList<DrawnImage> images) => new()
    {
        Route = RouteName,
        Reason = Decision.Reason + StandIn(images),
        Similarity = Match is { } compared ? Math.Round(compared.Similarity, 4) : null,
        SourceImage = Decision.Route == CacheRoute.Hit ? Match?.Entry.Id : null,
        // What a tenant asked for is nobody else's to read, also where pictures are shared.
        SourcePrompt = Decision.Route == CacheRoute.Hit && Match?.Entry.Owner == Caller.Owner ? Match?.Entry.Prompt : null,
        Guard = Guard,
        Steps = Steps,
        SkippedSteps = Decision.SkipSteps,
        Degraded = Degraded(images),
        Images = [.. images.Select(i => i.Part)],
    };

    private string StandIn(IReadOnlyList<DrawnImage> images) =>
        Decision.Route == CacheRoute.Miss && images.FirstOrDefault(i => i.BySmall) is { } image
            ? $"; {image.Part.Model} drew {(images.Count == 1 ? "it" : "of it what large workers had no time for")} under this load" : "";
}

/// <summary>A finished image: PNG bytes and how they came about.</summary>
internal sealed record DrawnImage(byte[] Png, ImagePart Part, CacheEntry Record)
{
    public bool BySmall { get; init; }

    /// <summary>Of the stored picture, where it is not this gateway's.</summary>
    public string? Url { get; init; }
}
