namespace MoDM.Onnx;

public enum OnnxDevice
{
    Cpu,
    Cuda,
}

/// <summary>How one network is run.</summary>
public sealed record OnnxOptions
{
    /// <summary>Threads inside one operator; operators run one after the other.</summary>
    public int Threads { get; init; } = 1;

    public OnnxDevice Device { get; init; } = OnnxDevice.Cpu;

    /// <summary>
    /// Whether idle threads spin between operators: faster for a process that does nothing else, wasteful where a network
    /// is only an occasional guest, as the embedder in the gateway.
    /// </summary>
    public bool Spinning { get; init; } = true;

    /// <summary>Upper bound of the CUDA arena in bytes; null leaves it to the driver.</summary>
    public long? GpuMemoryLimit { get; init; }
}

/// <summary>One input or output of a network.</summary>
/// <param name="Dimensions">Axis lengths; -1 where the file leaves it free.</param>
public sealed record TensorSpec(
    string Name, Microsoft.ML.OnnxRuntime.Tensors.TensorElementType Type, IReadOnlyList<int> Dimensions);
