using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using MoDM.Onnx;

namespace MoDM.Worker.Diffusion;

/// <summary>
/// scheduler_config.json, read field by field. A value that cannot be honoured is an error, and so is a field that no
/// scheduler of diffusers has; a field that only other schedulers have means nothing, as in diffusers (complaint row 18).
/// </summary>
internal sealed partial class SchedulerConfig
{
    /// <summary>Fields of diffusers' schedulers that a config keeps when it is handed from one class to another.</summary>
    private static readonly HashSet<string> OfOthers =
    [
        "algorithm_type", "base_image_seq_len", "base_shift", "beta_end", "beta_schedule", "beta_start", "clip_sample",
        "clip_sample_range", "dynamic_thresholding_ratio", "euler_at_final", "final_sigmas_type", "flow_shift",
        "interpolation_type", "invert_sigmas", "lambda_min_clipped", "lower_order_final", "max_image_seq_len", "max_shift",
        "original_inference_steps", "rescale_betas_zero_snr", "sample_max_value", "set_alpha_to_one", "shift",
        "shift_terminal", "sigma_max", "sigma_min", "skip_prk_steps", "solver_order", "solver_type", "steps_offset",
        "stochastic_sampling", "thresholding", "time_shift_type", "timestep_scaling", "timestep_spacing", "timestep_type",
        "trained_betas", "use_beta_sigmas", "use_dynamic_shifting", "use_exponential_sigmas", "use_flow_sigmas",
        "use_karras_sigmas", "use_lu_lambdas", "variance_type",
    ];

    private readonly string _file;
    private readonly JsonElement _root;
    private readonly HashSet<string> _read = ["_class_name"];

    public SchedulerConfig(string file, JsonElement root, string? className = null)
    {
        (_file, _root) = (file, root);
        ClassName = className ?? (root.TryGetProperty("_class_name", out var name) ? name.ToString() : "");
    }

    public string ClassName { get; }

    /// <param name="className">The class that model_index.json names, which counts more than the file's own.</param>
    public static SchedulerConfig Load(string file, string? className)
    {
        if (!File.Exists(file))
            throw new ModelException($"{file}: is missing.");
        try
        {
            // Python writes an unbounded lambda_min_clipped as -Infinity, which JSON does not know.
            var text = Infinity().Replace(File.ReadAllText(file, Encoding.UTF8), "null");
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new SchedulerConfig(file, document.RootElement.Clone(), className)
                : throw new ModelException($"{file}: is not a JSON object.");
        }
        catch (JsonException e)
        {
            throw new ModelException($"{file}: is not valid JSON: {e.Message}", e);
        }
    }

    public double Number(string name, double fallback) => !Given(name, out var value) ? fallback
        : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(name, "a number");

    public int Whole(string name, int fallback, int min, int max) => !Given(name, out var value) ? fallback
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var i) && i >= min && i <= max
            ? i : throw Wrong(name, $"a whole number from {min} to {max}");

    public bool Flag(string name, bool fallback) => !Given(name, out var value) ? fallback
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false");

    public string OneOf(string name, string fallback, params string[] supported)
    {
        var text = Given(name, out var value) ? value.ToString() : fallback;
        return supported.Contains(text) ? text : throw Wrong(name, $"one of {string.Join(", ", supported)}");
    }

    /// <summary>A switch that must stay off.</summary>
    public void Off(params string[] names)
    {
        foreach (var name in names)
        {
            if (Flag(name, false))
                throw Wrong(name, "false");
        }
    }

    /// <summary>A value that must be left out.</summary>
    public void Absent(params string[] names)
    {
        foreach (var name in names)
        {
            if (Given(name, out _))
                throw Wrong(name, "null");
        }
    }

    /// <summary>Fields that only matter together with a switch that is off.</summary>
    public void Skip(params string[] names) => _read.UnionWith(names);

    public ModelException Wrong(string name, string supported)
    {
        var value = name == "_class_name" ? $"\"{ClassName}\""
            : _root.TryGetProperty(name, out var v) ? v.GetRawText() : "missing";
        return new ModelException($"{_file}: {name} is {value}; supported is {supported}.");
    }

    public void RefuseUnread()
    {
        foreach (var field in _root.EnumerateObject())
        {
            if (field.Name[0] != '_' && !_read.Contains(field.Name) && !OfOthers.Contains(field.Name))
                throw new ModelException($"{_file}: {field.Name} is no field that this {ClassName} knows; remove it.");
        }
    }

    private bool Given(string name, out JsonElement value)
    {
        _read.Add(name);
        return _root.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
    }

    [GeneratedRegex(@"(?<=:\s*)-?Infinity(?=\s*[,}])")]
    private static partial Regex Infinity();
}
