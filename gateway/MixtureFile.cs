using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using MoDM.Mixture;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace MoDM.Gateway;

/// <summary>Reads a ModelMixture from a YAML file. Model folders and key files in it are relative to the file.</summary>
internal static class MixtureFile
{
    /// <param name="modelsAreHere">The models' folders have to exist on this machine.</param>
    public static (ModelMixture? Mixture, IReadOnlyList<MixtureProblem> Problems) Read(string file, bool modelsAreHere = true)
    {
        JsonElement document;
        try
        {
            using var reader = new StreamReader(file);
            var yaml = new YamlStream();
            yaml.Load(reader);
            if (yaml.Documents.Count != 1)
                return Wrong($"holds {yaml.Documents.Count} YAML documents; one ModelMixture belongs here.");
            document = JsonSerializer.SerializeToElement(ToJson(yaml.Documents[0].RootNode));
        }
        catch (YamlException e)
        {
            return Wrong($"is not YAML at line {e.Start.Line}, column {e.Start.Column}: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Wrong($"cannot be read: {e.Message} Name another with --mixture FILE.");
        }

        var (mixture, problems) = MixtureReader.Read(document);
        if (mixture is null) return (null, problems);
        var resolved = ResolvePaths(mixture, Path.GetDirectoryName(Path.GetFullPath(file))!);
        var missing = modelsAreHere ? MissingFolders(resolved.Spec).ToList() : [];
        return missing.Count == 0 ? (resolved, []) : (null, missing);
    }

    private static ModelMixture ResolvePaths(ModelMixture mixture, string folder)
    {
        string Resolve(string path) => Path.GetFullPath(path, folder);
        WorkerPool Pool(WorkerPool p) => p with { ModelPath = Resolve(p.ModelPath) };
        var spec = mixture.Spec;
        return mixture with
        {
            Spec = spec with
            {
                Large = Pool(spec.Large),
                Small = [.. spec.Small.Select(Pool)],
                Cache = spec.Modality == Modality.Story ? spec.Cache : spec.Cache with
                {
                    EmbedderPath = Resolve(spec.Cache.EmbedderPath),
                    Shared = spec.Cache.Shared is { QdrantKeyFile: { } key } shared ? shared with { QdrantKeyFile = Resolve(key) } : spec.Cache.Shared,
                },
                External = spec.External is { KeyFile: { } file } external ? external with { KeyFile = Resolve(file) } : spec.External,
            },
        };
    }

    private static IEnumerable<MixtureProblem> MissingFolders(MixtureSpec spec)
    {
        var folders = spec.PlacedPools.Select(p => (Path: $"{p.Path}.model.path", Folder: p.Pool.ModelPath));
        if (spec.Modality == Modality.Image) folders = folders.Append((Path: "spec.cache.embedder.path", Folder: spec.Cache.EmbedderPath));
        return folders.Where(f => !Directory.Exists(f.Folder))
            .Select(f => new MixtureProblem(f.Path, $"is {f.Folder}, which is not a folder."));
    }

    /// <summary>YAML 1.2 core schema: plain scalars may be null, booleans or numbers; quoted ones are text.</summary>
    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(c =>
            KeyValuePair.Create(((YamlScalarNode)c.Key).Value ?? "", ToJson(c.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => Plain(scalar.Value ?? ""),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => throw new YamlException(node.Start, node.End, "aliases that point at themselves are not read"),
    };

    private static JsonValue? Plain(string text) => text switch
    {
        "" or "~" or "null" => null,
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var i) => JsonValue.Create(i),
        _ when char.IsAsciiDigit(text[^1]) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var d)
            => JsonValue.Create(d),
        _ => JsonValue.Create(text),
    };

    private static (ModelMixture?, IReadOnlyList<MixtureProblem>) Wrong(string message) => (null, [new("document", message)]);
}
