using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MoDM.Onnx;
using MoDM.Worker.Diffusion;

namespace MoDM.Worker.Pipelines;

internal enum ModelFamily
{
    /// <summary>A U-Net in <c>unet/</c>, trained as a denoising diffusion model.</summary>
    StableDiffusion,

    /// <summary>A transformer in <c>transformer/</c>, trained by flow matching.</summary>
    Flow,
}

/// <summary>
/// A pipeline in diffusers' layout, exported to ONNX as optimum does it: read and checked before anything large is loaded.
/// </summary>
/// <param name="Vae">vae_decoder/config.json.</param>
/// <param name="DenoiserConfig">config.json of the denoiser.</param>
internal sealed record ModelFolder(
    string Root, ModelFamily Family, NoiseScheduling Scheduling, VaeShape Vae, DenoiserShape DenoiserConfig)
{
    private static readonly Dictionary<string, ModelFamily> Families = new()
    {
        ["StableDiffusionPipeline"] = ModelFamily.StableDiffusion,
        ["ORTStableDiffusionPipeline"] = ModelFamily.StableDiffusion,
        ["StableDiffusion3Pipeline"] = ModelFamily.Flow,
        ["ORTStableDiffusion3Pipeline"] = ModelFamily.Flow,
    };

    // Parts that are run, and feature_extractor, which only ever serves a safety checker.
    private static readonly HashSet<string> Runnable =
        ["scheduler", "text_encoder", "tokenizer", "vae", "vae_encoder", "vae_decoder", "feature_extractor"];

    /// <summary>
    /// Tells one set of weights from another: SHA-256 over the names and sizes of all files, and both ends of each
    /// (64 KiB). The first 64 bits, in hexadecimal.
    /// </summary>
    public string Revision => field ??= ReadRevision(Root);

    public string DenoiserFolder => Family == ModelFamily.Flow ? "transformer" : "unet";

    public string File(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <exception cref="ModelException">All that is wrong with the folder, a line each.</exception>
    public static ModelFolder Read(string root)
    {
        if (!Directory.Exists(root))
            throw new ModelException($"{root}: is no folder; name the folder that holds model_index.json.");
        var problems = new List<string>();
        var index = Try(problems, () => JsonFile.Read(Path.Combine(root, "model_index.json")));
        var name = index.ValueKind == JsonValueKind.Object && index.TryGetProperty("_class_name", out var n) ? n.ToString() : "";
        if (index.ValueKind == JsonValueKind.Object && !Families.ContainsKey(name))
        {
            problems.Add($"{root}/model_index.json: _class_name is \"{name}\"; "
                + $"supported is one of {string.Join(", ", Families.Keys)}.");
        }
        var family = Families.GetValueOrDefault(name);
        var denoiser = family == ModelFamily.Flow ? "transformer" : "unet";
        if (index.ValueKind == JsonValueKind.Object)
            CheckParts(root, index, denoiser, problems);

        string[] files =
        [
            "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/tokenizer_config.json", "text_encoder/model.onnx",
            $"{denoiser}/model.onnx", "vae_encoder/model.onnx", "vae_decoder/model.onnx",
        ];
        foreach (var file in files)
        {
            if (!System.IO.File.Exists(Path.Combine(root, file)))
                problems.Add($"{root}/{file}: is missing.");
        }
        var scheduling = Try(problems, () => NoiseSchedulers.Read(
            SchedulerConfig.Load(Path.Combine(root, "scheduler", "scheduler_config.json"), SchedulerClass(index))));
        var vae = Try(problems, () => VaeShape.Read(Path.Combine(root, "vae_decoder", "config.json")));
        var shape = Try(problems, () => DenoiserShape.Read(Path.Combine(root, denoiser, "config.json")));
        var flows = scheduling?.Name.StartsWith("FlowMatch", StringComparison.Ordinal);
        if (scheduling is not null && name.Length > 0 && flows != (family == ModelFamily.Flow))
            problems.Add($"{root}/scheduler/scheduler_config.json: {scheduling.Name} does not fit a {name}.");
        if (vae is not null && shape is not null && shape.InChannels != vae.Channels)
        {
            problems.Add($"{root}/{denoiser}/config.json: in_channels is {shape.InChannels}; "
                + $"supported is the autoencoder's {vae.Channels} (inpainting models are not).");
        }
        return problems.Count == 0
            ? new ModelFolder(root, family, scheduling!, vae!, shape!)
            : throw new ModelException(string.Join('\n', problems));
    }

    private static string ReadRevision(string root)
    {
        const int End = 1 << 16;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[End];
        foreach (var file in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            using var handle = System.IO.File.OpenHandle(file);
            var length = RandomAccess.GetLength(handle);
            hash.AppendData(Encoding.UTF8.GetBytes($"{Path.GetRelativePath(root, file)} {length}\n"));
            hash.AppendData(buffer.AsSpan(0, RandomAccess.Read(handle, buffer, 0)));
            if (length > End) hash.AppendData(buffer.AsSpan(0, RandomAccess.Read(handle, buffer, Math.Max(End, length - End))));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8));
    }

    private static void CheckParts(string root, JsonElement index, string denoiser, List<string> problems)
    {
        foreach (var part in index.EnumerateObject())
        {
            if (part.Value.ValueKind != JsonValueKind.Array || part.Name == denoiser || Runnable.Contains(part.Name)
                || part.Value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.Null))
            {
                continue;
            }
            problems.Add($"{root}/model_index.json: {part.Name} is {part.Value.GetRawText()}, which this worker cannot run; "
                + $"it runs models with {denoiser}, one text_encoder, tokenizer, vae and scheduler. Where the model also works "
                + "without that part, write [null, null].");
        }
    }

    private static string? SchedulerClass(JsonElement index) =>
        index.ValueKind == JsonValueKind.Object && index.TryGetProperty("scheduler", out var s)
            && s.ValueKind == JsonValueKind.Array && s.GetArrayLength() == 2
            && s[1].ValueKind == JsonValueKind.String ? s[1].GetString() : null;

    private static T? Try<T>(List<string> problems, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (ModelException e)
        {
            problems.Add(e.Message);
            return default;
        }
    }
}

/// <summary>What the pipeline must know of an autoencoder: denoiser latents are (latent - Shift) * Scaling.</summary>
/// <param name="Factor">Pixels a latent stands for, along one side.</param>
internal sealed record VaeShape(int Channels, int Factor, float Scaling, float Shift)
{
    public static VaeShape Read(string file)
    {
        var config = JsonFile.Read(file);
        foreach (var name in new[] { "latents_mean", "latents_std" })
        {
            if (config.TryGetProperty(name, out var v) && v.ValueKind != JsonValueKind.Null)
                throw new ModelException($"{file}: {name} is {v.GetRawText()}; supported is null.");
        }
        var blocks = config.TryGetProperty("block_out_channels", out var b)
            && b.ValueKind == JsonValueKind.Array && b.GetArrayLength() > 0
            ? b.GetArrayLength() : throw new ModelException($"{file}: block_out_channels is missing.");
        return new VaeShape(
            (int)Value(config, file, "latent_channels", 4),
            1 << (blocks - 1),
            (float)Value(config, file, "scaling_factor", 0.18215),
            (float)Value(config, file, "shift_factor", 0));
    }

    internal static double Value(JsonElement config, string file, string name, double fallback) =>
        !config.TryGetProperty(name, out var v) || v.ValueKind == JsonValueKind.Null ? fallback
        : v.ValueKind == JsonValueKind.Number ? v.GetDouble()
        : throw new ModelException($"{file}: {name} is {v.GetRawText()}; supported is a number.");
}

/// <param name="SampleSize">Side of a square latent that the model was trained for.</param>
/// <param name="Patch">Latents a transformer's token stands for, along one side; 1 for a U-Net.</param>
internal sealed record DenoiserShape(int InChannels, int SampleSize, int Patch)
{
    public static DenoiserShape Read(string file)
    {
        var config = JsonFile.Read(file);
        foreach (var name in new[] { "time_cond_proj_dim", "addition_embed_type", "class_embed_type", "encoder_hid_dim_type" })
        {
            if (config.TryGetProperty(name, out var v) && v.ValueKind != JsonValueKind.Null)
                throw new ModelException($"{file}: {name} is {v.GetRawText()}; supported is null.");
        }
        return new DenoiserShape(
            (int)VaeShape.Value(config, file, "in_channels", 4),
            (int)VaeShape.Value(config, file, "sample_size", 64),
            (int)VaeShape.Value(config, file, "patch_size", 1));
    }
}
