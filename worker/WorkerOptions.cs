using MoDM.Onnx;

namespace MoDM.Worker;

/// <summary>The command line.</summary>
/// <param name="MaxBatch">Images drawn at once.</param>
/// <param name="Guidance">For requests that name none; null for the family's own default.</param>
/// <param name="MaxTexts">Texts written at once.</param>
/// <param name="MaxQueue">Texts that may wait beyond those.</param>
internal sealed record WorkerOptions(
    string Model, string Name, string Url, int Threads, OnnxDevice Device, int MaxBatch, double? Guidance, bool ExitWithStdin,
    int MaxTexts, int MaxQueue, int MaxPromptTokens)
{
    public const int BatchLimit = 16;

    public const string Usage = """
        usage: modm-worker --model FOLDER [options]
          --model FOLDER       pipeline in diffusers' layout, or Mamba story model in transformers', exported to ONNX
          --name NAME          what requests call the model (default: the folder's name)
          --urls URL           where to listen, port 0 for a free one (default: http://127.0.0.1:0)
          --threads N          threads of one network (default: all cores)
          --device DEVICE      auto, cpu or cuda (default: auto, which takes CUDA where it is)
          --max-batch N        images drawn at once, 1 to 16 (default: 1 on a CPU, 4 with CUDA), or texts written (default: 16)
          --guidance NUMBER    guidance of requests that name none (default: 7.5, or 7 for flow models)
          --max-prompt-tokens N  of a story's prompt, 1 to 1000000 (default: 8192)
          --max-queue N        texts that may wait while others are written, 0 to 100000 (default: 128)
          --exit-with-stdin    end when standard input ends, that is, when the parent has died
        """;

    private static readonly HashSet<string> Names =
        ["--model", "--name", "--urls", "--threads", "--device", "--max-batch", "--guidance", "--max-prompt-tokens", "--max-queue"];
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
        var texts = line.Texts("--max-batch").Count > 0 ? batch : BatchLimit;
        var (prompt, queue) = (line.Whole("--max-prompt-tokens", 1, 1_000_000, 8192), line.Whole("--max-queue", 0, 100_000, 128));
        var given = line.Text("--name");
        if (line.Problems.Count > 0) return (null, line.Problems);

        var full = Path.GetFullPath(model);
        var name = given ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(full));
        var placed = cuda ? OnnxDevice.Cuda : OnnxDevice.Cpu;
        return (new(full, name, url, threads, placed, batch, guidance, line.Flag("--exit-with-stdin"), texts, queue, prompt), []);
    }

    // Kestrel's wildcards are no host names.
    private static bool IsHttp(string url) =>
        Uri.TryCreate(
            url.Replace("//*", "//0.0.0.0", StringComparison.Ordinal).Replace("//+", "//0.0.0.0", StringComparison.Ordinal),
            UriKind.Absolute, out var uri)
        && uri.Scheme == "http";
}
