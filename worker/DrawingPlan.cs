using MoDM.Api;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker;

/// <summary>What the model can do, as far as a request may ask for it.</summary>
internal sealed record ModelLimits(SizeRule Sizes, int MaxSteps, double Guidance)
{
    /// <summary>Which noise scheduler, and which weights, so that an image can be traced to them.</summary>
    public string? Sampler { get; init; }
    public string? Revision { get; init; }
}

/// <summary>A request that this worker can serve, with every default filled in.</summary>
/// <param name="Skip">k; 0 without a picture to start from.</param>
internal sealed record DrawingPlan(
    ImageRequest Request, string Model, long Seed, int Count, int Width, int Height, int Steps, int Skip, double Guidance,
    ImageEncoding Encoding, RgbImage? Source)
{
    /// <summary>As diffusers: 50 steps, and 0.8 of them on a given picture.</summary>
    public const int DefaultSteps = 50;
    public const double DefaultStrength = 0.8;

    public string? Sampler { get; init; }
    public string? Revision { get; init; }

    public string Format => Encoding switch
    {
        ImageEncoding.Webp => "webp",
        ImageEncoding.Jpeg => "jpeg",
        _ => "png",
    };

    public string Size => $"{Width}x{Height}";

    public static (DrawingPlan? Plan, ApiError? Error) Make(
        ImageRequest request, RgbImage? source, WorkerOptions options, ModelLimits limits, Func<long> randomSeed)
    {
        if (request.Model is { } model && model != options.Name)
        {
            var reason = $"This worker serves \"{options.Name}\", not \"{model}\".";
            return (null, ApiError.NotFound(reason, "model", "model_not_found"));
        }
        var problems = new List<FieldProblem>();
        if (request.ResponseFormat == "url")
            problems.Add(new("response_format", "\"url\" needs a gateway, which keeps images; a worker answers b64_json."));
        var (width, height) = (limits.Sizes.Width, limits.Sizes.Height);
        if (request.Size is { } size && size != "auto")
        {
            (width, height) = ImageRequestReader.ParseSize(size)!.Value;
            if (limits.Sizes.Refuse(width, height) is { } reason)
                problems.Add(new("size", reason));
        }
        var steps = request.NumInferenceSteps ?? DefaultSteps;
        if (steps > limits.MaxSteps)
        {
            problems.Add(new(
                "num_inference_steps", $"{steps} is more than this model's schedule has; it goes up to {limits.MaxSteps}."));
        }
        var guidance = request.GuidanceScale ?? options.Guidance ?? limits.Guidance;
        if (guidance <= 1 && !string.IsNullOrEmpty(request.NegativePrompt))
            problems.Add(new("negative_prompt", "is not looked at unless guidance_scale is above 1; leave one of them out."));
        var skip = 0;
        if (source is not null)
        {
            skip = request.SkipSteps ?? Skipped(steps, request.Strength ?? DefaultStrength);
            if (request.SkipSteps is not null && skip >= steps)
            {
                problems.Add(new("skip_steps", $"{skip} leaves none of {steps} steps; send at most {steps - 1}."));
            }
            else if (skip >= steps)
            {
                problems.Add(new(
                    "strength", $"{request.Strength} of {steps} steps is less than one; send at least {1.0 / steps:0.####}."));
            }
        }
        if (problems.Count > 0)
            return (null, ApiError.BadRequest(problems));
        var encoding = request.OutputFormat switch
        {
            "webp" => ImageEncoding.Webp,
            "jpeg" => ImageEncoding.Jpeg,
            _ => ImageEncoding.Png,
        };
        return (new DrawingPlan(
            request, options.Name, request.Seed ?? randomSeed(), request.N ?? 1, width, height, steps, skip,
            guidance, encoding, source)
        { Sampler = limits.Sampler, Revision = limits.Revision }, null);
    }

    /// <summary>Steps that a picture stands in for at a strength, rounded as diffusers rounds.</summary>
    public static int Skipped(int steps, double strength) => Math.Max(steps - Math.Min((int)(steps * strength), steps), 0);

    /// <summary>One task an image; image i has the seed Seed + i.</summary>
    public IReadOnlyList<ImageTask> Tasks(EventStream? stream, CancellationToken cancelled)
    {
        // To its size once, not once an image.
        var source = Source?.Cover(Width, Height);
        var previews = Previews(Skip, Steps, Request.PartialImages ?? 0);
        return [.. Enumerable.Range(0, Count).Select(i => new ImageTask
        {
            Prompt = Request.Prompt!,
            Negative = Request.NegativePrompt ?? "",
            Seed = Seed + i,
            Width = Width,
            Height = Height,
            Steps = Steps,
            Skip = Skip,
            Guidance = (float)Guidance,
            Source = source,
            PreviewAfter = previews,
            Progress = stream is null ? null : (step, preview) => stream.Post(i, step, preview),
            Cancelled = cancelled,
        })];
    }

    /// <summary>Steps after which a preview is shown: <paramref name="count"/> of them, evenly over those that are run.</summary>
    public static IReadOnlySet<int> Previews(int skip, int steps, int count) => Enumerable.Range(1, count)
        .Select(i => skip + (steps - skip) * i / (count + 1))
        .Where(s => s > skip && s < steps)
        .ToHashSet();

    public byte[] Encode(RgbImage picture) => picture.Encode(Encoding, Request.OutputCompression ?? 90);

    public ImagePart Part(int index, DrawnImage image) => new()
    {
        Seed = Seed + index,
        Model = Model,
        Steps = Steps,
        SkippedSteps = Skip,
        Guidance = Guidance,
        Sampler = Sampler,
        Revision = Revision,
        GenerationMs = Math.Round(image.Generation.TotalMilliseconds, 3),
        InferenceMs = Math.Round(image.Inference.TotalMilliseconds, 3),
    };

    public ImageStory Story(IReadOnlyList<ImagePart> parts) => new() { Steps = Steps, SkippedSteps = Skip, Images = parts };

    public ImageResponse Response(IReadOnlyList<DrawnImage> images, long created) => new()
    {
        Created = created,
        Data = [.. images.Select((image, i) => new ImageData { B64Json = Encode(image.Picture), Seed = Seed + i })],
        OutputFormat = Format,
        Size = Size,
        Modm = Story([.. images.Select((image, i) => Part(i, image))]),
    };
}
