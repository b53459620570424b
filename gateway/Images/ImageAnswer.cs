using System.Globalization;
using MoDM.Api;
using MoDM.Onnx;

namespace MoDM.Gateway.Images;

/// <summary>How finished images are told to the client: encoding, headers, body.</summary>
internal static class ImageAnswer
{
    public static ImageEncoding EncodingOf(string? format) => format switch
    {
        "webp" => ImageEncoding.Webp,
        "jpeg" => ImageEncoding.Jpeg,
        _ => ImageEncoding.Png,
    };

    public static string MediaTypeOf(ImageEncoding encoding) => encoding switch
    {
        ImageEncoding.Webp => "image/webp",
        ImageEncoding.Jpeg => "image/jpeg",
        _ => "image/png",
    };

    /// <summary>PNG bytes in the encoding asked for; PNG as it is.</summary>
    public static byte[] Encode(byte[] png, ImageEncoding encoding, int? quality) =>
        encoding == ImageEncoding.Png ? png : RgbImage.Decode(png).Encode(encoding, quality ?? 90);

    public static ImageData Data(HttpRequest http, ImagePlan plan, DrawnImage image)
    {
        var (request, encoding) = (plan.Request, EncodingOf(plan.Request.OutputFormat));
        if (request.ResponseFormat == "url")
        {
            var format = encoding == ImageEncoding.Png ? "" : $"?format={request.OutputFormat}";
            return new ImageData { Url = encoding == ImageEncoding.Png && image.Url is { } elsewhere ? elsewhere : $"{http.Scheme}://{http.Host}/v1/images/{image.Part.Id}{format}", Seed = image.Part.Seed };
        }
        var png = plan.Mixture.Spec.Cache.PngText && encoding == ImageEncoding.Png
            ? Provenance.Of(image.Record).WriteInto(image.Png) : image.Png;
        return new ImageData { B64Json = Encode(png, encoding, request.OutputCompression), Seed = image.Part.Seed };
    }

    /// <summary>What is known before drawing.</summary>
    public static void SetPlanHeaders(HttpResponse response, ImagePlan plan)
    {
        var story = plan.Story();
        response.Headers["x-modm-route"] = plan.RouteName;
        response.Headers["x-modm-skipped-steps"] = Text(plan.Decision.SkipSteps);
        response.Headers["x-modm-seed"] = Text(plan.Seed);
        if (story.Similarity is { } similarity) response.Headers["x-modm-similarity"] = Text(similarity);
        if (story.SourceImage is { } source) response.Headers["x-modm-source-image"] = source;
        if (story.Guard is { } guard) response.Headers["x-modm-guard"] = guard;
        if (story.Degraded is { } degraded) response.Headers["x-modm-degraded"] = degraded;
        if (plan.ExpectedSeconds is { } seconds) response.Headers["x-modm-eta-ms"] = Text((long)(1000 * seconds));
    }

    /// <summary>What is known after drawing: of several images, the first one's.</summary>
    public static void SetDrawnHeaders(HttpResponse response, ImagePlan plan, IReadOnlyList<DrawnImage> images)
    {
        var first = images[0].Part;
        if (plan.Degraded(images) is { } degraded) response.Headers["x-modm-degraded"] = degraded;
        response.Headers["x-modm-model"] = first.Model;
        response.Headers["x-modm-queue-ms"] = Text(first.QueueMs ?? 0);
        response.Headers["Server-Timing"] = string.Create(CultureInfo.InvariantCulture,
            $"embed;dur={plan.Embedding.TotalMilliseconds:0.###}, lookup;dur={plan.LookUp.TotalMilliseconds:0.###}, ")
            + string.Create(CultureInfo.InvariantCulture,
            $"queue;dur={first.QueueMs ?? 0:0.###}, worker;dur={first.GenerationMs ?? 0:0.###}");
    }

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
