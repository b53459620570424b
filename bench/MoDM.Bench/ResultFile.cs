using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.OnnxRuntime;

namespace MoDM.Bench;

/// <summary>What a result was measured with.</summary>
internal sealed record Environs(int Cores, string Architecture, string System, string Runtime, string Modm, string OnnxRuntime)
{
    public static Environs Here() => new(
        Environment.ProcessorCount, RuntimeInformation.ProcessArchitecture.ToString(), RuntimeInformation.OSDescription,
        RuntimeInformation.FrameworkDescription, typeof(Environs).Assembly.GetName().Version!.ToString(3), OrtEnv.Instance().GetVersionString());
}

/// <summary>Results as JSON: camelCase, indented, what was not measured left out, NaN as text.</summary>
internal static class ResultFile
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DictionaryKeyPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = true,
    };

    public static void Write<T>(string file, T result)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(file)) is { } folder)
            Directory.CreateDirectory(folder);
        File.WriteAllText(file, JsonSerializer.Serialize(result, Json) + "\n");
    }
}
