using System.Globalization;
using MoDM.Bench.Traces;
using MoDM.Mixture;
using MoDM.Planning;

namespace MoDM.Bench.Simulating;

internal sealed record OwnRow(
    string System, double ImagesPerMinute, double Attainment, double MeanSeconds, double P99Seconds, double GpuHours, int Refused, int Swaps);

/// <summary>One workload of the caller's own, on all systems.</summary>
internal sealed record OwnWorkload(
    GpuProfile Gpu, int Gpus, IReadOnlyList<string> Models, Arrivals Arrivals, IHitModel Hits, double Slo, SloObjective Objective, int Seed)
{
    /// <returns>Null with the problems reported on the line.</returns>
    public static OwnWorkload? Read(CommandLine line, int seed)
    {
        try
        {
            var gpu = GpuProfile.Read(line.Text("--gpu") ?? "MI210");
            var models = (line.Text("--models") ?? string.Join(',', gpu.Models.Take(2).Select(m => m.Name))).Split(',');
            foreach (var model in models)
                _ = gpu[model];
            var objective = Enum.TryParse<SloObjective>(line.Text("--objective") ?? "Quality", out var o) && Enum.IsDefined(o) ? o
                : throw new InvalidDataException($"--objective is {line.Text("--objective")}; {string.Join(" or ", Enum.GetNames<SloObjective>())} belongs there.");
            return new OwnWorkload(gpu, line.Whole("--gpus", 1, 100_000, 16), models,
                ReadArrivals(line.Text("--arrivals") ?? "poisson:10", 60.0 * line.Whole("--minutes", 1, 100_000, 60)),
                ReadHits(line.Text("--hits") ?? "0.72", PaperWorld.Hits), Number(line.Text("--slo") ?? "2", "--slo"), objective, seed);
        }
        catch (InvalidDataException e)
        {
            line.Report(e.Message);
            return null;
        }
    }

    public IReadOnlyList<OwnRow> Run()
    {
        double[] seconds = [.. Models.Select(m => Gpu[m].Seconds)];
        double[] load = [.. Models.Select(m => Gpu[m].LoadSeconds)];
        var spec = PaperWorld.Mixture(Gpu, Gpus, Slo, Objective, DegradeStep.SmallForMisses, [.. Models]);
        var requests = PaperWorld.Requests(Arrivals, Hits, Seed).ToList();
        var rows = new List<OwnRow>();
        void Add(string name, IFleetPolicy policy, Func<SimRequest, SimJob> classify, bool deadlines, double[] s, double[] l, MixtureSpec mixture)
        {
            int[] start = [Math.Max(1, Gpus - s.Length + 1), .. Enumerable.Repeat(Gpus >= s.Length ? 1 : 0, s.Length - 1)];
            var r = new Simulation(new SimSettings(mixture, s, l, start, deadlines, Seed), policy, classify).Run(requests);
            rows.Add(new OwnRow(name, r.PerMinute, r.Attainment, r.Latencies.Count > 0 ? r.Latencies.Average() : double.NaN, r.Percentile(99), r.GpuHours, r.Refused, r.Swaps));
        }
        var alone = PaperWorld.Mixture(Gpu, Gpus, Slo, Objective, DegradeStep.None, Models[0]);
        Add("large only", new FixedFleet(Gpus), PaperWorld.Miss, false, seconds[..1], load[..1], alone);
        if (Models.Count < 2) return rows;
        Add($"small only ({Models[^1]})", new FixedFleet(Gpus), PaperWorld.Miss, false, seconds[^1..], load[^1..], alone);
        if (Models.Count == 2) Add("paper's rule", new PaperFleet(spec, seconds, throughput: false), PaperWorld.ByPolicy, false, seconds, load, spec);
        Add("ours", new OurFleet(spec), PaperWorld.ByPolicy, true, seconds, load, spec);
        return rows;
    }

    public static string Render(IReadOnlyList<OwnRow> rows) => Table.Render(
        ["system", "images/min", "within SLO", "mean s", "p99 s", "GPU hours", "refused", "swaps"],
        [.. rows.Select(r => (IReadOnlyList<string>)[r.System, $"{r.ImagesPerMinute:0.00}", $"{r.Attainment:0.000}", $"{r.MeanSeconds:0.0}",
            $"{r.P99Seconds:0.0}", $"{r.GpuHours:0.0}", $"{r.Refused}", $"{r.Swaps}"])]);

    public static Arrivals ReadArrivals(string text, double seconds)
    {
        if (text.Split(':') is [var kind, var value])
        {
            var range = value.Split('-', 'x');
            double At(int i) => i < range.Length ? Number(range[i], "--arrivals") : throw new InvalidDataException($"--arrivals {text}: {kind} needs two numbers.");
            switch (kind)
            {
                case "poisson": return Arrivals.Steady(At(0), seconds);
                case "rising": return Arrivals.Ramp(At(0), At(1), seconds);
                case "diurnal": return Arrivals.Diurnal(At(0), At(1));
                case "burst": return Arrivals.Burst(At(0), At(1), seconds / 3, Math.Min(300, seconds / 6), seconds);
            }
        }
        if (!File.Exists(text))
            throw new InvalidDataException($"--arrivals is {text}; poisson:10, rising:6-26, burst:12x2, diurnal:4-22 or a file belongs there.");
        return FromTrace(text);
    }

    /// <summary>The times of a JSONL trace, whose lines need <c>at</c>.</summary>
    public static Arrivals FromTrace(string file)
    {
        var (trace, problems) = TraceFile.Read(File.ReadLines(file), 0);
        if (problems.Count > 0) throw new InvalidDataException($"{file}: {string.Join(" ", problems.Take(5))}");
        if (trace.Count == 0 || trace.Any(t => t.At is null)) throw new InvalidDataException($"{file}: every line needs \"at\": seconds.");
        double[] times = [.. trace.Select(t => t.At!.Value)];
        return new(Path.GetFileName(file), t => 60 * RateAround(times, t), times[^1]) { Times = times };
    }

    /// <param name="hits">The document's table; similarities are drawn on its scale.</param>
    public static IHitModel ReadHits(string text, IReadOnlyList<HitThreshold> hits)
    {
        var spread = SimilarityHits.PaperDeviation * Math.Max(0.01, hits[^1].Similarity - hits[0].Similarity)
            / (PaperWorld.Hits[^1].Similarity - PaperWorld.Hits[0].Similarity);
        var parts = text.Split(':');
        return parts switch
        {
            ["index", _] when hits != PaperWorld.Hits => throw new InvalidDataException(
                $"--hits is {text}; the index has CLIP ViT-L/14's similarities, which do not fit the document's table. Give a rate."),
            ["index", var n] => new IndexHits((int)Number(n, "--hits")),
            ["fixed", var rate, var shares] => new FixedHits(
                Number(rate, "--hits"), [.. shares.Split('/').Select(s => Number(s, "--hits"))], hits),
            [var rate] => SimilarityHits.WithRate(Math.Clamp(Number(rate, "--hits"), 0.0001, 0.9999), hits[0].Similarity, spread),
            _ => throw new InvalidDataException($"--hits is {text}; a rate, fixed:RATE:S1/S2/... or index:N belongs there."),
        };
    }

    private static double RateAround(double[] times, double t)
    {
        int At(double x) => Array.BinarySearch(times, x) is var i && i < 0 ? ~i : i;
        return (At(t + 150) - At(t - 150)) / 300.0;
    }

    private static double Number(string text, string option) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var d) && d >= 0 && double.IsFinite(d) ? d
            : throw new InvalidDataException($"{option}: {text} is no number of 0 or more.");
}
