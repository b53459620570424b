using MoDM.Onnx;

namespace MoDM.Worker;

/// <summary>The command line.</summary>
/// <param name="Guidance">For requests that name none; null for the family's own default.</param>
internal sealed record WorkerOptions(
    string Model, string Name, string Url, int Threads, OnnxDevice Device, int MaxBatch, double? Guidance, bool ExitWithStdin)
{
    public const int BatchLimit = 16;

    public const string Usage = """
        usage: modm-worker --model FOLDER [options]
          --model FOLDER       pipeline in diffusers' layout, exported to ONNX
          --name NAME          what requests call the model (default: the folder's name)
          --urls URL           where to listen, port 0 for a free one (default: http://127.0.0.1:0)
          --threads N          threads of one network (default: all cores)
          --device DEVICE      auto, cpu or cuda (default: auto, which takes CUDA where it is)
          --max-batch N        images drawn at once, 1 to 16 (default: 1 on a CPU, 4 with CUDA)
          --guidance NUMBER    guidance of requests that name none (default: 7.5, or 7 for flow models)
          --exit-with-stdin    end when standard input ends, that is, when the parent has died
        """;

    private static readonly HashSet<string> Names =
        ["--model", "--name", "--urls", "--threads", "--device", "--max-batch", "--guidance"];
    private static readonly HashSet<string> Flags = ["--exit-with-stdin"];

    /// <returns>The options, or all that is wrong with them.</returns>
    public static (WorkerOptions? Options, IReadOnlyList<string> Problems) Parse(
        IReadOnlyList<string> args, int cores, bool hasCuda)
    {
        var line = new CommandLine(args, Names, Flags);
        var model = line.Text("--model") ?? "";
        if (model.Length == 0) line.Report("--model is missing; name the folder of the model.");
        var url = line.Text("--urls") ?? "http://127.0.0.1:0";
        if (!IsHttp(url)) line.Report($"--urls is {url}; one http URL such as http://127.0.0.1:0 belongs there.");
        var device = line.Text("--device") ?? "auto";
        if (device is not ("auto" or "cpu" or "cuda")) line.Report($"--device is {device}; auto, cpu or cuda belongs there.");
        if (device == "cuda" && !hasCuda)
        {
            line.Report("--device is cuda, but this build of ONNX Runtime has no CUDA provider; "
                + "build with -p:Cuda=true, or take cpu.");
        }
        var cuda = device != "cpu" && hasCuda;
        var threads = line.Whole("--threads", 1, 1024, cores);
        var batch = line.Whole("--max-batch", 1, BatchLimit, cuda ? 4 : 1);
        var guidance = line.Number("--guidance", 0, 100);
        var given = line.Text("--name");
        if (line.Problems.Count > 0) return (null, line.Problems);

        var full = Path.GetFullPath(model);
        var name = given ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(full));
        var placed = cuda ? OnnxDevice.Cuda : OnnxDevice.Cpu;
        return (new(full, name, url, threads, placed, batch, guidance, line.Flag("--exit-with-stdin")), []);
    }

    // Kestrel's wildcards are no host names.
    private static bool IsHttp(string url) =>
        Uri.TryCreate(
            url.Replace("//*", "//0.0.0.0", StringComparison.Ordinal).Replace("//+", "//0.0.0.0", StringComparison.Ordinal),
            UriKind.Absolute, out var uri)
        && uri.Scheme == "http";
}
