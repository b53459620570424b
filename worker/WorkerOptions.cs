using System.Globalization;
using MoDM.Onnx;

namespace MoDM.Worker;

/// <summary>The command line.</summary>
/// <param name="Guidance">For requests that name none; null for the family's own default.</param>
internal sealed record WorkerOptions(
    string Model, string Name, string Url, int Threads, OnnxDevice Device, int MaxBatch, double? Guidance, bool ExitWithStdin)
{
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

    /// <returns>The options, or all that is wrong with them.</returns>
    public static (WorkerOptions? Options, IReadOnlyList<string> Problems) Parse(IReadOnlyList<string> args, int cores, bool hasCuda)
    {
        var problems = new List<string>();
        var given = new Dictionary<string, string>();
        string[] known = ["--model", "--name", "--urls", "--threads", "--device", "--max-batch", "--guidance"];
        var exit = false;
        for (var i = 0; i < args.Count; i++)
        {
            var parts = args[i].Split('=', 2);
            if (parts[0] == "--exit-with-stdin" && parts.Length == 1)
                exit = true;
            else if (!known.Contains(parts[0]))
                problems.Add($"{args[i]}: is no option.");
            else if (parts.Length == 1 && i + 1 == args.Count)
                problems.Add($"{args[i]}: needs a value.");
            else if (!given.TryAdd(parts[0], parts.Length == 2 ? parts[1] : args[++i]))
                problems.Add($"{parts[0]}: is given twice.");
        }

        var model = given.GetValueOrDefault("--model", "");
        if (model.Length == 0)
            problems.Add("--model: is missing; name the folder of the model.");
        var url = given.GetValueOrDefault("--urls", "http://127.0.0.1:0");
        if (!Uri.TryCreate(url.Replace("//*", "//0.0.0.0", StringComparison.Ordinal).Replace("//+", "//0.0.0.0", StringComparison.Ordinal), UriKind.Absolute, out var uri) || uri.Scheme != "http")
            problems.Add($"--urls: {url} is not one http URL, such as http://127.0.0.1:0.");
        var device = given.GetValueOrDefault("--device", "auto");
        if (device is not ("auto" or "cpu" or "cuda"))
            problems.Add($"--device: {device} is not auto, cpu or cuda.");
        if (device == "cuda" && !hasCuda)
            problems.Add("--device: this build of ONNX Runtime has no CUDA provider; build with -p:Cuda=true, or take cpu.");
        var cuda = device != "cpu" && hasCuda;
        var threads = Whole("--threads", cores, 1, 1024);
        var batch = Whole("--max-batch", cuda ? 4 : 1, 1, 16);
        double? guidance = null;
        if (given.TryGetValue("--guidance", out var text))
        {
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var g) && g is >= 0 and <= 100)
                guidance = g;
            else
                problems.Add($"--guidance: {text} is not a number from 0 to 100.");
        }
        if (problems.Count > 0)
            return (null, problems);

        var full = Path.GetFullPath(model);
        var name = given.GetValueOrDefault("--name") ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(full));
        return (new(full, name, url, threads, cuda ? OnnxDevice.Cuda : OnnxDevice.Cpu, batch, guidance, exit), problems);

        int Whole(string option, int fallback, int min, int max)
        {
            if (!given.TryGetValue(option, out var value))
                return fallback;
            if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max)
                return number;
            problems.Add($"{option}: {value} is not a whole number from {min} to {max}.");
            return fallback;
        }
    }
}
