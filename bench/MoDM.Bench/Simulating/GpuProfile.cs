using System.Text.Json;

namespace MoDM.Bench.Simulating;

/// <param name="Seconds">Of a full drawing.</param>
/// <param name="LoadSeconds">From the decision to start a worker until it serves.</param>
internal sealed record ModelTimes(string Name, double Seconds, double LoadSeconds);

/// <summary>How long models take on a kind of GPU.</summary>
internal sealed record GpuProfile(string Name, IReadOnlyList<ModelTimes> Models)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>
    /// Service times as published (arXiv 2503.11972 and its code: 91.5, 16.5 and 6.5 s). Load times are not published; these
    /// are what reading 16, 7 and 5 GB of weights at about 0.5 GB/s takes.
    /// </summary>
    public static readonly GpuProfile Mi210 = new("MI210", [new("sd3.5-large", 91.5, 35), new("sdxl", 16.5, 15), new("sana", 6.5, 10)]);

    /// <summary>The paper has no table for it: SD3.5 Large breaks "above 5 a minute on 4", which is 48 s; the others in the MI210's proportion.</summary>
    public static readonly GpuProfile A40 = new("A40", [new("sd3.5-large", 48, 35), new("sdxl", 8.7, 15), new("sana", 3.4, 10)]);

    /// <summary>The demo models on one thread of a CPU.</summary>
    public static readonly GpuProfile Demo = new("demo", [new("postcards-large", 1, 1.2), new("postcards-small", 0.17, 0.9)]);

    public ModelTimes this[string model] => Models.FirstOrDefault(m => m.Name == model)
        ?? throw new InvalidDataException($"the GPU profile {Name} has no times of {model}; it has {string.Join(", ", Models.Select(m => m.Name))}");

    /// <summary>One that is built in, or a file: <c>{"name": "...", "models": [{"name", "seconds", "loadSeconds"}]}</c>.</summary>
    /// <exception cref="InvalidDataException">Neither.</exception>
    public static GpuProfile Read(string nameOrFile)
    {
        if (new[] { Mi210, A40, Demo }.FirstOrDefault(p => p.Name.Equals(nameOrFile, StringComparison.OrdinalIgnoreCase)) is { } known)
            return known;
        if (!File.Exists(nameOrFile))
            throw new InvalidDataException($"{nameOrFile} is neither a GPU profile (MI210, A40, demo) nor a file.");
        try
        {
            var profile = JsonSerializer.Deserialize<GpuProfile>(File.ReadAllText(nameOrFile), Json);
            if (profile is { Name: not null, Models.Count: > 0 } && profile.Models.All(m => m is { Name: not null, Seconds: > 0, LoadSeconds: >= 0 }))
                return profile;
        }
        catch (JsonException)
        {
            // Said below.
        }
        throw new InvalidDataException($$"""{{nameOrFile}} is no GPU profile; it should be {"name": "X", "models": [{"name": "m", "seconds": 9.5, "loadSeconds": 30}]}.""");
    }
}
