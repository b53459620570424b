using MoDM.Api;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Scheduling;
using MoDM.Http;
using MoDM.Mixture;
using MoDM.Onnx;

namespace MoDM.Gateway.Images;

/// <summary>The OpenAI Images API.</summary>
internal static partial class ImagesApi
{
    private static readonly HashSet<string> NotForGenerations = ["skip_steps", "strength"];
    private static readonly HashSet<string> NotForEdits = ["skip_steps", "cache"];

    public static void MapImages(this WebApplication app)
    {
        var images = app.MapGroup("/v1").WithTags("Images");
        images.MapPost("/images/generations", GenerateAsync)
            .Accepts<ImageRequest>("application/json").Describe("Draw images from a prompt");
        images.MapPost("/images/edits", EditAsync)
            .Accepts<ImageRequest>("multipart/form-data").Describe("Draw images from a prompt and a picture (image-to-image)");
        images.MapKeptImages();
        images.MapGet("/models", (CurrentMixture mixture) =>
                Results.Json(new ModelList([CardOf(mixture.Now)]), ApiJson.Default.ModelList))
            .WithSummary("List the models, that is the mixture").Produces<ModelList>();
        images.MapGet("/models/{id}", (string id, CurrentMixture mixture) => id == mixture.Now.Name
            ? Results.Json(CardOf(mixture.Now), ApiJson.Default.ModelCard) : ApiErrors.Result(UnknownModel(id, mixture.Now)))
            .WithSummary("Get one model").Produces<ModelCard>();
    }

    private static async Task GenerateAsync(HttpContext context, ImageFlow flow, CurrentMixture mixture, TimeProvider time)
    {
        var (request, error) = await ImageBody.ReadJsonAsync(context, NotForGenerations);
        await AnswerAsync(context, flow, mixture.Now, time, request, null, error);
    }

    private static async Task EditAsync(HttpContext context, ImageFlow flow, CurrentMixture mixture, TimeProvider time)
    {
        var (request, picture, error) = await ImageBody.ReadFormAsync(context, NotForEdits);
        await AnswerAsync(context, flow, mixture.Now, time, request, picture?.Encode(ImageEncoding.Png), error);
    }

    private static async Task AnswerAsync(
        HttpContext context, ImageFlow flow, ModelMixture mixture, TimeProvider time,
        ImageRequest? request, byte[]? picture, ApiError? error)
    {
        var started = time.GetTimestamp();
        if (error is null && request!.Model is { } model && model != mixture.Name) error = UnknownModel(model, mixture);
        error ??= CallerTurn.Of(context)?.Take(request!.N ?? 1);
        ImagePlan? plan = null;
        string drawnBy = "none";
        try
        {
            if (error is null) (plan, error) = await flow.PlanAsync(mixture, Caller.Of(context), request!, picture, context.RequestAborted);
            if (plan is null)
                await ApiErrors.WriteAsync(context, error!);
            else if (request!.Stream == true)
                (drawnBy, error) = await StreamAsync(context, flow, plan, time);
            else
                (drawnBy, error) = await RespondAsync(context, flow, plan, time);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            error = new ApiError(499, "The client went away.", "client_closed", null, null);
        }
        finally
        {
            if (plan is not null) flow.Abandon(plan);
            CallerTurn.Of(context)?.Settle(error?.Status ?? 200, error?.Code);
            var log = context.RequestServices.GetRequiredService<ILogger<ImageFlow>>();
            Count(log, mixture, plan, drawnBy, error, time.GetElapsedTime(started));
        }
    }

    private static async Task<(string Model, ApiError? Error)> RespondAsync(
        HttpContext context, ImageFlow flow, ImagePlan plan, TimeProvider time)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var results = await Task.WhenAll(plan.Tickets.Select((_, i) =>
            DrawAsync(flow, plan, i, static (_, _) => ValueTask.CompletedTask, stop)));
        context.RequestAborted.ThrowIfCancellationRequested();
        if (results.Select(r => r.Error).FirstOrDefault(e => e is not null) is { } error)
        {
            await ApiErrors.WriteAsync(context, error);
            return ("none", error);
        }

        var images = results.Select(r => r.Image!).ToList();
        ImageAnswer.SetPlanHeaders(context.Response, plan);
        ImageAnswer.SetDrawnHeaders(context.Response, plan, images);
        var response = new ImageResponse
        {
            Created = time.GetUtcNow().ToUnixTimeSeconds(),
            Data = [.. images.Select(i => ImageAnswer.Data(context.Request, plan, i))],
            OutputFormat = plan.Request.OutputFormat ?? "png",
            Size = plan.Size,
            Modm = plan.Story(images),
        };
        await context.Response.WriteAsJsonAsync(response, ApiJson.Default.ImageResponse, cancellationToken: context.RequestAborted);
        return (images[0].Part.Model, null);
    }

    private static async Task<(string Model, ApiError? Error)> StreamAsync(
        HttpContext context, ImageFlow flow, ImagePlan plan, TimeProvider time)
    {
        ImageAnswer.SetPlanHeaders(context.Response, plan);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        using var stream = new ImageStream(context, flow, plan, time);
        var results = await stream.RunAsync((i, onEvent) => DrawAsync(flow, plan, i, onEvent, stop), stop);
        context.RequestAborted.ThrowIfCancellationRequested();
        return (results.Select(r => r.Image?.Part.Model).FirstOrDefault(m => m is not null) ?? "none",
            results.Select(r => r.Error).FirstOrDefault(e => e is not null));
    }

    /// <summary>One failed image fails the request, and the others need not be drawn.</summary>
    private static async Task<(DrawnImage? Image, ApiError? Error)> DrawAsync(
        ImageFlow flow, ImagePlan plan, int index, Func<ImageEvent, WorkerSlot, ValueTask> onEvent, CancellationTokenSource stop)
    {
        try
        {
            var result = await flow.DrawAsync(plan, index, onEvent, stop.Token);
            if (result.Error is not null) await stop.CancelAsync();
            return result;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return (null, null);
        }
    }

    private static void Count(
        ILogger log, ModelMixture mixture, ImagePlan? plan, string model, ApiError? error, TimeSpan took)
    {
        var route = plan?.RouteName ?? "none";
        Log.Answered(log, error?.Status ?? 200, route, model, took.TotalMilliseconds, error?.Message ?? LoggedReason(plan!));
        GatewayMetrics.Requests.WithLabels(mixture.Name, route, model, $"{error?.Status ?? 200}").Inc();
        if (error is not null) return;
        GatewayMetrics.RequestSeconds.WithLabels(mixture.Name, route).Observe(took.TotalSeconds);
        if (took > mixture.Spec.Slo.Latency) GatewayMetrics.SloMisses.WithLabels(mixture.Name).Inc();
    }

    /// <summary>A guard's reason quotes the prompt, which is in no log.</summary>
    private static string LoggedReason(ImagePlan plan) => plan.Guard is { } guard ? $"guarded: {guard}" : plan.Decision.Reason;

    private static ModelCard CardOf(ModelMixture mixture) => new(mixture.Name, 0);

    private static ApiError UnknownModel(string model, ModelMixture mixture) =>
        ApiError.NotFound($"There is no model \"{model}\" here; there is {mixture.Name}.", "model", "model_not_found");

    private static void Describe(this RouteHandlerBuilder route, string summary) => route.WithSummary(summary)
        .Produces<ImageResponse>().Produces<ImageEvent>(contentType: "text/event-stream")
        .Produces<ApiErrorBody>(400).Produces<ApiErrorBody>(404).Produces<ApiErrorBody>(413).Produces<ApiErrorBody>(429)
        .Produces<ApiErrorBody>(502).Produces<ApiErrorBody>(503).Produces<ApiErrorBody>(504);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Status} {Route} {Model} {Milliseconds:0} ms: {Reason}")]
        public static partial void Answered(
            ILogger log, int status, string route, string model, double milliseconds, string reason);
    }
}
