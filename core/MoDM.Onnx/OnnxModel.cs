using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OrtSessionOptions = Microsoft.ML.OnnxRuntime.SessionOptions;

namespace MoDM.Onnx;

/// <summary>
/// One ONNX file, loaded once and run many times. Callers bring memory for inputs and outputs, so a run allocates and
/// copies nothing on a CPU. Safe for concurrent runs; disposing waits for those that are under way.
/// </summary>
public sealed class OnnxModel : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions = new();

    // Runs share it, the end has it alone: native memory that goes away under a run ends the process.
    private readonly ReaderWriterLockSlim _alive = new();
    private bool _disposed;

    private OnnxModel(string file, InferenceSession session)
    {
        File = file;
        _session = session;
        Inputs = Specs(session.InputMetadata, session.InputNames);
        Outputs = Specs(session.OutputMetadata, session.OutputNames);
        Metadata = session.ModelMetadata.CustomMetadataMap;
    }

    public string File { get; }

    /// <summary>In the file's order.</summary>
    public IReadOnlyList<TensorSpec> Inputs { get; }
    public IReadOnlyList<TensorSpec> Outputs { get; }

    /// <summary>What the exporter wrote into the file beside the network.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Whether this build of ONNX Runtime has the CUDA provider at all; a device may still be missing.</summary>
    public static bool HasCuda => OrtEnv.Instance().GetAvailableProviders().Contains("CUDAExecutionProvider");

    /// <exception cref="ModelException">The file is missing or no ONNX model, or the device is not there.</exception>
    public static OnnxModel Load(string file, OnnxOptions options)
    {
        if (!System.IO.File.Exists(file))
            throw new ModelException($"{file}: is missing; export the model to ONNX so that this file exists.");
        using var settings = Settings(options);
        try
        {
            return new OnnxModel(file, new InferenceSession(file, settings));
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelException($"{file}: cannot be loaded; is it a complete ONNX file? ONNX Runtime says: {e.Message}", e);
        }
    }

    /// <summary>Input of that name, or null.</summary>
    public TensorSpec? Input(string name) => Inputs.FirstOrDefault(i => i.Name == name);

    public TensorSpec? Output(string name) => Outputs.FirstOrDefault(o => o.Name == name);

    /// <exception cref="ModelException">The network has no such output, or not of float32.</exception>
    public TensorSpec RequireOutput(string name)
    {
        var output = Output(name) ?? throw new ModelException(
            $"{File}: has no output \"{name}\" but {string.Join(", ", Outputs.Select(o => o.Name))}; export it with that name.");
        return output.Type == TensorElementType.Float
            ? output
            : throw new ModelException($"{File}: {name} is {output.Type}; export the model as float32.");
    }

    /// <summary>Runs the network into the memory of <paramref name="outputs"/>.</summary>
    /// <returns>The time spent inside ONNX Runtime.</returns>
    /// <exception cref="ObjectDisposedException">The model has been disposed of.</exception>
    public TimeSpan Run(
        IReadOnlyCollection<string> inputNames, IReadOnlyCollection<OrtValue> inputs,
        IReadOnlyCollection<string> outputNames, IReadOnlyCollection<OrtValue> outputs)
    {
        _alive.EnterReadLock();
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var start = Stopwatch.GetTimestamp();
            _session.Run(_runOptions, inputNames, inputs, outputNames, outputs);
            return Stopwatch.GetElapsedTime(start);
        }
        finally
        {
            _alive.ExitReadLock();
        }
    }

    public void Dispose()
    {
        _alive.EnterWriteLock();
        try
        {
            _disposed = true;
            _session.Dispose();
            _runOptions.Dispose();
        }
        finally
        {
            _alive.ExitWriteLock();
        }
    }

    private static OrtSessionOptions Settings(OnnxOptions options)
    {
        var settings = new OrtSessionOptions
        {
            IntraOpNumThreads = options.Threads,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            EnableMemoryPattern = true,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        if (!options.Spinning)
            settings.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        if (options.Device == OnnxDevice.Cuda)
            AddCuda(settings, options);
        return settings;
    }

    // The default arena doubles and never shrinks; growing by what is asked for keeps mixed sizes level (complaint row 24).
    private static void AddCuda(OrtSessionOptions settings, OnnxOptions options)
    {
        if (!HasCuda)
        {
            throw new ModelException(
                "device cuda: this build of ONNX Runtime has no CUDA provider; build with -p:Cuda=true, or use --device cpu.");
        }
        var values = new Dictionary<string, string>
        {
            ["device_id"] = "0",
            ["arena_extend_strategy"] = "kSameAsRequested",
        };
        if (options.GpuMemoryLimit is { } limit)
            values["gpu_mem_limit"] = limit.ToString(CultureInfo.InvariantCulture);
        try
        {
            using var cuda = new OrtCUDAProviderOptions();
            cuda.UpdateOptions(values);
            settings.AppendExecutionProvider_CUDA(cuda);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelException(
                $"device cuda: cannot be used; are the driver and the CUDA libraries installed? ONNX Runtime says: {e.Message}",
                e);
        }
    }

    private static TensorSpec[] Specs(IReadOnlyDictionary<string, NodeMetadata> metadata, IReadOnlyList<string> names) =>
        [.. names.Select(n => new TensorSpec(n, metadata[n].ElementDataType, metadata[n].Dimensions))];
}
