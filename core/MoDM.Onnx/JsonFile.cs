using System.Text.Json;

namespace MoDM.Onnx;

/// <summary>The JSON files of model folders.</summary>
public static class JsonFile
{
    /// <summary>The object in a file.</summary>
    /// <exception cref="ModelException">Missing, not JSON, or not an object; the message names the file.</exception>
    public static JsonElement Read(string file)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw new ModelException($"{file}: is a JSON {document.RootElement.ValueKind}, not an object.");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelException($"{file}: is missing.", e);
        }
        catch (JsonException e)
        {
            throw new ModelException($"{file}: is not valid JSON: {e.Message}", e);
        }
    }
}
