using System.Text.Json;
using k8s;
using k8s.Models;
using MoDM.Cluster;
using MoDM.Operator.Cluster;

namespace MoDM.Operator.Specs;

/// <summary>A child that there should be.</summary>
/// <param name="Hash">Of what it is made from; on the child as <see cref="ClusterNames.HashAnnotation"/>.</param>
/// <param name="Built">Of a Deployment's pod template as this operator makes it; empty for others.</param>
internal sealed record WantedChild(ChildKind Kind, string Name, string Hash, string Built);

/// <summary>All children of a mixture. They are built once to know their hashes, and again only when one has to be written.</summary>
internal static class Children
{
    public static IReadOnlyList<WantedChild> Wanted(MixtureInCluster mixture, OperatorOptions options, IReadOnlyCollection<ChildKind> kinds) =>
        [.. Build(mixture, options, kinds).Select(c => new WantedChild(c.Kind, c.Object.Metadata.Name, HashOf(c.Object), BuiltOf(c.Object)))];

    public static IKubernetesObject<V1ObjectMeta> Build(
        WantedChild child, MixtureInCluster mixture, OperatorOptions options, IReadOnlyCollection<ChildKind> kinds)
    {
        var built = Build(mixture, options, kinds).First(c => c.Kind == child.Kind && c.Object.Metadata.Name == child.Name).Object;
        (built.Metadata.Annotations ??= new Dictionary<string, string>())[ClusterNames.HashAnnotation] = child.Hash;
        if (child.Built.Length > 0) built.Metadata.Annotations[ClusterNames.BuiltAnnotation] = child.Built;
        return built;
    }

    private static IEnumerable<(ChildKind Kind, IKubernetesObject<V1ObjectMeta> Object)> Build(
        MixtureInCluster mixture, OperatorOptions options, IReadOnlyCollection<ChildKind> kinds)
    {
        yield return (ChildKind.Deployment, Deployments.Gateway(mixture, options));
        foreach (var pool in mixture.Spec.Pools)
            yield return (ChildKind.Deployment, Deployments.Workers(mixture, pool, 0, options));
        foreach (var one in Access.All(mixture, options, kinds.Contains(ChildKind.DisruptionBudget)))
            yield return (kinds.First(k => k.Kind == one.Kind), one);
    }

    private static string HashOf(IKubernetesObject<V1ObjectMeta> child) =>
        child is V1Deployment ? child.Metadata.Annotations[ClusterNames.HashAnnotation] : OfJson(child);

    private static string BuiltOf(IKubernetesObject<V1ObjectMeta> child) => child is V1Deployment deployment ? OfJson(deployment.Spec.Template) : "";

    private static string OfJson(object value)
    {
        using var json = JsonDocument.Parse(KubernetesJson.Serialize(value));
        return Deployments.Hash(json.RootElement);
    }
}
