using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace MoDM.Bench.Load;

/// <summary>A ModelMixture file, rewritten for the systems under test; its folders become absolute.</summary>
internal sealed class MixtureDocument
{
    private readonly YamlMappingNode _root;

    private MixtureDocument(YamlMappingNode root) => _root = root;

    public string Name => Text(Map(_root, "metadata"), "name");

    public int Slots => int.Parse(Text(Spec, "gpuBudget"));

    public string EmbedderFolder => Text(Map(Map(Spec, "cache"), "embedder"), "path");

    /// <summary>Images in the cache; the document's default where it says nothing.</summary>
    public int Capacity => Map(Spec, "cache").Children.TryGetValue("capacity", out var images)
        ? int.Parse(((YamlScalarNode)images).Value!, CultureInfo.InvariantCulture) : 100_000;

    /// <summary>The cosine of the last hit threshold, from which on the document trusts a cached picture most.</summary>
    public double TopThreshold => double.Parse(
        Text((YamlMappingNode)((YamlSequenceNode)Map(Spec, "cache").Children["hits"]).Children[^1], "similarity"), CultureInfo.InvariantCulture);

    /// <summary>The models' names and folders, the large one first.</summary>
    public IReadOnlyList<(string Name, string Folder)> Models =>
    [
        .. Small.Prepend(Map(Spec, "large")).Select(pool => (Path: Text(Map(pool, "model"), "path"), Pool: pool))
            .Select(p => (p.Pool.Children.TryGetValue("name", out var name) ? ((YamlScalarNode)name).Value! : Path.GetFileName(p.Path), p.Path)),
    ];

    private YamlMappingNode Spec => Map(_root, "spec");

    private IEnumerable<YamlMappingNode> Small => ((YamlSequenceNode)Spec.Children["small"]).Children.Cast<YamlMappingNode>();

    /// <exception cref="InvalidDataException">A part that the benchmark has to change is missing.</exception>
    public static MixtureDocument Read(TextReader yaml, string folder)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(yaml);
            var document = new MixtureDocument((YamlMappingNode)stream.Documents[0].RootNode);
            foreach (var owner in document.Small.Select(s => Map(s, "model")).Append(Map(Map(document.Spec, "large"), "model"))
                .Append(Map(Map(document.Spec, "cache"), "embedder")))
                Set(owner, "path", Path.GetFullPath(Text(owner, "path"), folder));
            // What the paper's system does not have, unless the document asks for it: guards, and drawings to compare hits with.
            var cache = Map(document.Spec, "cache");
            if (!cache.Children.ContainsKey("guards"))
                cache.Children["guards"] = new YamlSequenceNode { Style = YamlDotNet.Core.Events.SequenceStyle.Flow };
            if (!cache.Children.ContainsKey("quality")) cache.Children["quality"] = new YamlMappingNode("sample", "0");
            return document;
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidCastException or ArgumentOutOfRangeException)
        {
            throw new InvalidDataException("the document is no ModelMixture with spec.large, spec.small, spec.cache and spec.gpuBudget", e);
        }
    }

    /// <summary>The mixture on so many slots for the large model and the first small one; other small ones get none.</summary>
    public void UseSplit(int large, int small)
    {
        Set(Spec, "gpuBudget", (large + small).ToString(CultureInfo.InvariantCulture));
        SetReplicas(Map(Spec, "large"), large);
        foreach (var (rank, pool) in Small.Index())
            SetReplicas(pool, rank == 0 ? small : 0);
    }

    /// <summary>Every slot has the large model, and there is no other.</summary>
    public void UseLargeOnly(int slots)
    {
        Set(Spec, "gpuBudget", slots.ToString(CultureInfo.InvariantCulture));
        SetReplicas(Map(Spec, "large"), slots);
        Spec.Children["small"] = new YamlSequenceNode { Style = YamlDotNet.Core.Events.SequenceStyle.Flow };
    }

    /// <summary>Every slot has the first small model in the large one's place, and there is no other.</summary>
    /// <exception cref="InvalidDataException">There is no small model.</exception>
    public void UseSmallOnly(int slots)
    {
        Spec.Children["large"] = Small.FirstOrDefault()
            ?? throw new InvalidDataException("spec.small is empty; there is no small model to draw alone.");
        UseLargeOnly(slots);
    }

    public void Save(string file)
    {
        using var writer = new StreamWriter(file);
        new YamlStream(new YamlDocument(_root)).Save(writer, assignAnchors: false);
    }

    private static void SetReplicas(YamlMappingNode pool, int replicas) => pool.Children["replicas"] =
        new YamlMappingNode("min", replicas.ToString(), "max", replicas.ToString());

    private static YamlMappingNode Map(YamlMappingNode node, string key) => (YamlMappingNode)node.Children[key];

    private static string Text(YamlMappingNode node, string key) => ((YamlScalarNode)node.Children[key]).Value ?? "";

    private static void Set(YamlMappingNode node, string key, string value) => node.Children[key] = new YamlScalarNode(value);
}
