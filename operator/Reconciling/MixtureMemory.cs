using MoDM.Cluster;
using MoDM.Mixture;
using MoDM.Operator.Load;
using MoDM.Operator.Resources;
using MoDM.Operator.Specs;
using MoDM.Planning;

namespace MoDM.Operator.Reconciling;

/// <summary>
/// What is remembered of a mixture from one pass to the next. All of it can be lost: a new operator begins with what runs
/// and what the status says.
/// </summary>
internal sealed class MixtureMemory
{
    private (long Generation, string Roll, Verdict Verdict)? _read;

    /// <summary>Of the mixture: one that is made again under its name is another.</summary>
    public required string Uid { get; init; }

    /// <summary>The children of the document in force.</summary>
    public (MixtureInCluster Of, IReadOnlyList<WantedChild> Children)? Wanted { get; set; }

    public PlanState? Plan { get; set; }
    public Allocation? Allocation { get; set; }
    public LoadHistory History { get; set; } = new();
    public MeasuredLoad? Load { get; set; }

    /// <summary>Null: the load is known. Otherwise why it is not.</summary>
    public (string Reason, string Why)? Unknown { get; set; } = ("NotReadYet", "the load has not been read yet");

    /// <summary>When to plan again, on the reconciler's clock.</summary>
    public TimeSpan NextPlan { get; set; }

    /// <summary>From a worker's creation until it served, as last seen, by pool.</summary>
    public Dictionary<string, double> LoadSeconds { get; } = [];
    public Dictionary<string, ColdStartStatus> ColdStarts { get; } = [];

    /// <summary>The version of each child that was last written or taken for ours, by path.</summary>
    public Dictionary<string, string> Versions { get; } = [];

    /// <summary>Replicas that were written and not yet seen, with the generation that has them, by Deployment.</summary>
    public Dictionary<string, (int Replicas, long Generation)> Replicas { get; } = [];

    /// <summary>Hashes of the Deployments' templates that were written last, which the watch may not show yet, by Deployment.</summary>
    public Dictionary<string, string> Templates { get; } = [];

    /// <summary>Deployments that were made and have not been seen yet.</summary>
    public HashSet<string> Unseen { get; } = [];

    /// <summary>Drain marks that were written and not yet seen, by pod.</summary>
    public Dictionary<string, bool> Marks { get; } = [];

    /// <summary>How often a pod's phases were asked for in vain, and at which plan last.</summary>
    public Dictionary<string, (int Tries, TimeSpan Plan)> PhaseTries { get; } = [];

    /// <summary>The document that was last planned for.</summary>
    public MixtureSpec? PlannedSpec { get; set; }

    public MixtureStatus? Status { get; set; }

    /// <summary>Of the same as it is written, to be compared with.</summary>
    public string? StatusHash { get; set; }
    public TimeSpan LoadShownAt { get; set; } = TimeSpan.MinValue;

    /// <summary>Reads the document of a generation once.</summary>
    public Verdict Read(MixtureObject resource)
    {
        var generation = resource.Metadata.Generation ?? 0;
        var roll = resource.Metadata.Annotations is { } notes && notes.TryGetValue(Verdict.RollAnnotation, out var text) ? text : "";
        if (_read is { } before && before.Generation == generation && before.Roll == roll) return before.Verdict;
        // Not the resource's own status: that may be older than what was written last.
        var verdict = Verdict.Of(resource, roll, _read?.Verdict.Accepted ?? Status?.Accepted);
        _read = (generation, roll, verdict);
        return verdict;
    }
}

/// <summary>What is thought of a document, and which one is in force.</summary>
/// <param name="InForce">This one if it has no mistakes, else the last one that had none; null: there never was one.</param>
/// <param name="Accepted">As the status keeps it.</param>
internal sealed record Verdict(IReadOnlyList<MixtureProblem> Problems, MixtureInCluster? InForce, AcceptedDocument? Accepted)
{
    /// <summary>On a mixture: another text rolls all of its pods, onto the operator's present images too.</summary>
    public const string RollAnnotation = "modm.dev/roll";

    /// <param name="last">The last document without mistakes, for when this one has some; null: there never was one.</param>
    public static Verdict Of(MixtureObject resource, string roll, AcceptedDocument? last = null)
    {
        var (mixture, problems) = Check(resource, resource.Spec);
        if (mixture is not null)
            return new Verdict([], InCluster(mixture), new AcceptedDocument { Generation = resource.Metadata.Generation ?? 0, Spec = resource.Spec });
        if (last is not null && Check(resource, last.Spec).Mixture is { } before)
            return new Verdict(problems, InCluster(before), last);
        return new Verdict(problems, null, null);

        MixtureInCluster InCluster(ModelMixture m) => new(m, resource.Metadata.NamespaceProperty, resource.Metadata.Uid, roll);
    }

    /// <summary>As an operator wrote it before; null when there is none, or another version's.</summary>
    public static MixtureStatus? StatusOf(MixtureObject resource)
    {
        try
        {
            return resource.Status is { } status ? System.Text.Json.JsonSerializer.Deserialize(status, StatusJson.Default.MixtureStatus) : null;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    private static (ModelMixture? Mixture, IReadOnlyList<MixtureProblem> Problems) Check(MixtureObject resource, System.Text.Json.JsonElement spec)
    {
        var (mixture, problems) = MixtureReader.Read(resource.Document(spec));
        if (mixture is null) return (null, problems);
        var more = ClusterRules.Check(mixture).ToList();
        return more.Count == 0 ? (mixture, []) : (null, more);
    }
}
