using System.Text.Json;
using System.Text.Json.Serialization;

namespace MoDM.Api;

/// <summary>
/// Body of <c>POST /v1/images/generations</c>, and the form fields of <c>POST /v1/images/edits</c>, as the OpenAI
/// Images API names them. The gateway accepts all of it, the worker what a model can do; both refuse unknown fields.
/// </summary>
public sealed record ImageRequest
{
    public string? Model { get; init; }
    public string? Prompt { get; init; }
    public int? N { get; init; }

    /// <summary><c>WIDTHxHEIGHT</c> in pixels, or <c>auto</c>: the model's own size.</summary>
    public string? Size { get; init; }

    /// <summary><c>b64_json</c> or <c>url</c>.</summary>
    public string? ResponseFormat { get; init; }

    /// <summary><c>png</c>, <c>webp</c> or <c>jpeg</c>.</summary>
    public string? OutputFormat { get; init; }

    /// <summary>Quality of webp and jpeg, 0 to 100.</summary>
    public int? OutputCompression { get; init; }

    public string? User { get; init; }
    public bool? Stream { get; init; }

    /// <summary>How many previews a stream shows before the final image, 0 to 3.</summary>
    public int? PartialImages { get; init; }

    // Extras, named as other image servers name them.
    public string? NegativePrompt { get; init; }

    /// <summary>Image i of a request has the seed <c>seed + i</c>; noise comes from that number alone.</summary>
    public long? Seed { get; init; }

    public int? NumInferenceSteps { get; init; }
    public double? GuidanceScale { get; init; }

    // Image-to-image only.

    /// <summary>Share of the steps that is run on the given image, (0, 1]. The gateway's edits, and other engines.</summary>
    public double? Strength { get; init; }

    // Ours.

    /// <summary>Gateway: <c>auto</c>, <c>bypass</c> (neither read nor written) or <c>refresh</c> (written, not read).</summary>
    public string? Cache { get; init; }

    /// <summary>Worker: k, the steps of the schedule that the given image stands in for; exact where strength rounds.</summary>
    public int? SkipSteps { get; init; }
}

/// <summary>Answer to both image endpoints when the request does not stream.</summary>
public sealed record ImageResponse
{
    /// <summary>Unix seconds.</summary>
    public required long Created { get; init; }
    public required IReadOnlyList<ImageData> Data { get; init; }
    public string? OutputFormat { get; init; }
    public string? Size { get; init; }

    /// <summary>Why the images are what they are.</summary>
    public ImageStory? Modm { get; init; }
}

public sealed record ImageData
{
    /// <summary>The encoded picture; base64 on the wire.</summary>
    public byte[]? B64Json { get; init; }
    public string? Url { get; init; }

    /// <summary>What reproduces this image alone.</summary>
    public long? Seed { get; init; }
}

/// <summary>The explanation beside <c>data</c>: how the request was routed and what each image cost.</summary>
public sealed record ImageStory
{
    /// <summary><c>hit</c> or <c>miss</c>; the worker, which has no cache, leaves it out.</summary>
    public string? Route { get; init; }

    /// <summary>The decision in words.</summary>
    public string? Reason { get; init; }

    /// <summary>Cosine between the prompt's and the best cached image's embedding; absent when nothing was compared.</summary>
    public double? Similarity { get; init; }
    public string? SourceImage { get; init; }
    public string? SourcePrompt { get; init; }
    public int? Steps { get; init; }
    public int? SkippedSteps { get; init; }

    /// <summary>What the prompts differ in, so that a cached image, though similar, is not reused; absent when nothing is.</summary>
    public string? Guard { get; init; }

    /// <summary>What is given up while the workers are not enough for the load; absent when nothing is.</summary>
    public string? Degraded { get; init; }
    public IReadOnlyList<ImagePart> Images { get; init; } = [];
}

public sealed record ImagePart
{
    /// <summary>For <c>GET /v1/images/{id}</c>; from the gateway only.</summary>
    public string? Id { get; init; }

    /// <summary>Of an image by URL: whether it is in the store already, and outlives this gateway.</summary>
    public bool? Stored { get; init; }
    public required long Seed { get; init; }
    public required string Model { get; init; }
    public required int Steps { get; init; }
    public required int SkippedSteps { get; init; }
    public double? Guidance { get; init; }

    /// <summary>The noise scheduler, as diffusers calls it; with the revision of the weights, from our workers only.</summary>
    public string? Sampler { get; init; }
    public string? Revision { get; init; }

    /// <summary>Milliseconds in the gateway's queue.</summary>
    public double? QueueMs { get; init; }

    /// <summary>Milliseconds from admission to the picture as the gateway expected them then; compare queue + generation.</summary>
    public double? EstimatedMs { get; init; }

    /// <summary>Milliseconds from the worker's start on it to the finished picture.</summary>
    public double? GenerationMs { get; init; }

    /// <summary>Milliseconds of it inside the denoiser, the text encoder and the autoencoder (ONNX Runtime).</summary>
    public double? InferenceMs { get; init; }
}

/// <summary>One server-sent event of a streamed image request; <see cref="Type"/> repeats the event's name.</summary>
public sealed record ImageEvent
{
    public required string Type { get; init; }

    /// <summary>Which of the n images, from 0.</summary>
    public int Index { get; init; }
    public byte[]? B64Json { get; init; }
    public string? Url { get; init; }
    public long? CreatedAt { get; init; }
    public string? Size { get; init; }
    public string? OutputFormat { get; init; }
    public int? PartialImageIndex { get; init; }

    /// <summary>Steps done of <see cref="Steps"/>, in a progress event.</summary>
    public int? Step { get; init; }
    public int? Steps { get; init; }
    public long? Seed { get; init; }
    public ImageStory? Modm { get; init; }
}

/// <summary>Event names of the OpenAI Images API, and the worker's own progress event.</summary>
public static class ImageEvents
{
    public const string PartialGeneration = "image_generation.partial_image";
    public const string CompletedGeneration = "image_generation.completed";
    public const string PartialEdit = "image_edit.partial_image";
    public const string CompletedEdit = "image_edit.completed";

    /// <summary>Worker to gateway, after every step. Clients get it as an SSE comment, which every parser skips.</summary>
    public const string Progress = "modm.progress";
    public const string Error = "error";
}

public sealed record ModelList(IReadOnlyList<ModelCard> Data)
{
    public string Object { get; } = "list";
}

public sealed record ModelCard(string Id, long Created)
{
    public string Object { get; } = "model";
    public string OwnedBy { get; } = "modm";
}

public static class WorkerHeaders
{
    /// <summary>
    /// "true" from gateway to worker: nobody waits for this image. It is taken only by an idle worker, and ends at its next step,
    /// without a last event, as soon as anything else comes, from whichever gateway.
    /// </summary>
    public const string Background = "x-modm-background";
}

/// <summary>What a worker says on <c>/readyz</c>, with 200 once it can serve and with 503 before.</summary>
public sealed record WorkerStatus
{
    /// <summary><c>loading</c>, <c>warming</c>, <c>ready</c> or <c>draining</c>: it takes nothing new and is about to end.</summary>
    public required string Phase { get; init; }
    public required string Model { get; init; }

    /// <summary>
    /// How many images it draws at once, where one more is answered 503 with <c>x-modm-busy: true</c>; how many texts it writes
    /// at once, where some more wait.
    /// </summary>
    public required int Capacity { get; init; }

    /// <summary>What it draws; known once the model is loaded.</summary>
    public SizeRule? Sizes { get; init; }
    public double? LoadSeconds { get; init; }
}

/// <summary>Field names are snake_case on the wire, absent instead of null, and unknown fields are refused.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ImageRequest))]
[JsonSerializable(typeof(ImageResponse))]
[JsonSerializable(typeof(ImageEvent))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelCard))]
[JsonSerializable(typeof(WorkerStatus))]
[JsonSerializable(typeof(ApiErrorBody))]
[JsonSerializable(typeof(CompletionResponse))]
[JsonSerializable(typeof(ChatResponse))]
[JsonSerializable(typeof(TokenUsage))]
[JsonSerializable(typeof(EndingRequest))]
[JsonSerializable(typeof(EndingResponse))]
[JsonSerializable(typeof(EndingDelta))]
[JsonSerializable(typeof(EndingImage))]
public sealed partial class ApiJson : JsonSerializerContext;
