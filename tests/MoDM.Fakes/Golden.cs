using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace MoDM.Fakes;

/// <summary>Reference outputs in tests/golden, made with transformers, diffusers, ONNX Runtime for Python and the libraries that score texts.</summary>
public static partial class Golden
{
    public static string File(string name) => Repo.File("tests", "golden", name);

    public static byte[] Bytes(string name) => System.IO.File.ReadAllBytes(File(name));

    public static JsonElement Json(string name)
    {
        using var document = JsonDocument.Parse(Bytes(name));
        return document.RootElement.Clone();
    }

    /// <summary>A .npy file of little-endian float32 in C order (NumPy's format, versions 1 to 3).</summary>
    public static (int[] Shape, float[] Values) Npy(string name)
    {
        var bytes = Bytes(name);
        var length = bytes[6] == 1 ? BitConverter.ToUInt16(bytes, 8) : (int)BitConverter.ToUInt32(bytes, 8);
        var start = bytes[6] == 1 ? 10 : 12;
        var header = Encoding.ASCII.GetString(bytes, start, length);
        if (!header.Contains("'<f4'", StringComparison.Ordinal) || !header.Contains("'fortran_order': False", StringComparison.Ordinal))
            throw new InvalidDataException($"{name}: {header}");
        var shape = ShapePattern().Match(header).Groups[1].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(d => int.Parse(d, CultureInfo.InvariantCulture)).ToArray();
        return (shape, MemoryMarshal.Cast<byte, float>(bytes.AsSpan(start + length)).ToArray());
    }

    /// <summary>All numbers of nested arrays, in order.</summary>
    public static float[] Floats(JsonElement array) => array.ValueKind == JsonValueKind.Array
        ? [.. array.EnumerateArray().SelectMany(Floats)]
        : [array.GetSingle()];

    [GeneratedRegex(@"'shape': \(([^)]*)\)")]
    private static partial Regex ShapePattern();
}
