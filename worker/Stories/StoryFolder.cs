using System.Text.Json;
using MoDM.Onnx;

namespace MoDM.Worker.Stories;

/// <summary>What a request gets that does not say, from generation_config.json as transformers writes it.</summary>
/// <param name="MaxTokens">Its max_new_tokens.</param>
internal sealed record StoryDefaults(SamplingRule Rule, int MaxTokens)
{
    public const int FallbackTokens = 256;
}

/// <summary>A Mamba folder in transformers' layout with its network exported to ONNX (models/README.md).</summary>
internal sealed record StoryFolder(string Root, StoryDefaults Defaults)
{
    public string Network => Path.Combine(Root, "model.onnx");

    /// <summary>With weights that the exporter put beside it.</summary>
    public long NetworkBytes => Directory.EnumerateFiles(Root, "model.onnx*").Sum(f => new FileInfo(f).Length);

    /// <summary>Whether it is for the story worker: the <c>model_type</c> of its config.json is mamba.</summary>
    public static bool Is(string root)
    {
        try
        {
            var config = JsonFile.Read(Path.Combine(root, "config.json"));
            return config.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String && type.GetString() == "mamba";
        }
        // Then it is no story model; what else is wrong with it, the image worker says.
        catch (ModelException)
        {
            return false;
        }
    }

    /// <exception cref="ModelException">All that is wrong with the folder, a line each.</exception>
    public static StoryFolder Read(string root)
    {
        var problems = new List<string>();
        if (!File.Exists(Path.Combine(root, "model.onnx")))
            problems.Add($"{root}/model.onnx: is missing; export the model as models/README.md says.");
        if (!File.Exists(Path.Combine(root, "tokenizer.json")))
            problems.Add($"{root}/tokenizer.json: is missing.");
        var defaults = new StoryDefaults(new SamplingRule(), StoryDefaults.FallbackTokens);
        var file = Path.Combine(root, "generation_config.json");
        if (File.Exists(file))
        {
            try { defaults = ReadDefaults(file, problems); }
            catch (ModelException e) { problems.Add(e.Message); }
        }
        return problems.Count == 0 ? new StoryFolder(root, defaults) : throw new ModelException(string.Join('\n', problems));
    }

    private static StoryDefaults ReadDefaults(string file, List<string> problems)
    {
        var config = JsonFile.Read(file);
        var greedy = config.TryGetProperty("do_sample", out var sample) && sample.ValueKind == JsonValueKind.False;
        var rule = new SamplingRule(
            Temperature: greedy ? 0 : Number("temperature", 0, 100, 1),
            TopK: (int)Number("top_k", 0, 1_000_000, 0),
            TopP: Number("top_p", 0, 1, 1),
            RepetitionPenalty: Number("repetition_penalty", 0.1, 10, 1));
        return new StoryDefaults(rule, (int)Number("max_new_tokens", 1, Api.StoryRequestReader.MaxTokens, StoryDefaults.FallbackTokens));

        double Number(string name, double min, double max, double fallback)
        {
            if (!config.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
                return fallback;
            if (value.ValueKind == JsonValueKind.Number && value.GetDouble() is var number && number >= min && number <= max)
                return number;
            problems.Add($"{file}: {name} is {value}; a number from {min} to {max} belongs there.");
            return fallback;
        }
    }
}
