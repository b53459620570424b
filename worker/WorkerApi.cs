using System.Security.Cryptography;
using MoDM.Api;
using MoDM.Http;
using MoDM.Onnx;
using MoDM.Worker.Pipelines;

namespace MoDM.Worker;

/// <summary>The routes: probes, and the OpenAI Images API for one model.</summary>
internal static class WorkerApi
{
    /// <summary>An answer that means: not broken, only busy; come back or go elsewhere.</summary>
    public const string BusyHeader = "x-modm-busy";

    public const string Routes = "POST /v1/images/generations, POST /v1/images/edits";

    private static readonly HashSet<string> NotForGenerations = [.. ImageRequestReader.GatewayOnly, "strength", "skip_steps"];

    public static void AddImages(this IServiceCollection services, ModelFolder folder, WorkerOptions options, Prometheus.CollectorRegistry registry) =>
        services.AddSingleton(folder)
            .AddSingleton(_ => new JobLoop(options.MaxBatch, new WorkerMetrics(registry, options.Name)))
            .AddSingleton<ImageWork>()
            .AddSingleton<IWorkload>(s => s.GetRequiredService<ImageWork>());

    public static void MapProbes(this WebApplication app)
    {
        app.MapGet("/livez", () => Results.Text("ok"));
        app.MapGet("/readyz", (ModelLoading loading) => Results.Json(
            loading.Status, ApiJson.Default.WorkerStatus, statusCode: loading.Status.Phase == "ready" ? 200 : 503));
        // DELETE takes it back, as long as it is not about to end.
        app.MapPost("/drain", (IWorkload work, ModelLoading loading) => Drain(work, loading, true));
        app.MapDelete("/drain", (IWorkload work, ModelLoading loading) => Drain(work, loading, false));
    }

    public static void MapImages(this WebApplication app)
    {
        app.MapPost("/v1/images/generations", async (HttpContext context) =>
        {
            var (request, error) = await ImageBody.ReadJsonAsync(context, NotForGenerations);
            await Serve(context, request, source: null, error);
        });
        app.MapPost("/v1/images/edits", async (HttpContext context) =>
        {
            var (request, source, error) = await ImageBody.ReadFormAsync(context, ImageRequestReader.GatewayOnly);
            await Serve(context, request, source, error);
        });
    }

    private static IResult Drain(IWorkload work, ModelLoading loading, bool drain)
    {
        work.Drain(drain);
        return Results.Json(loading.Status, ApiJson.Default.WorkerStatus);
    }

    private static async Task Serve(HttpContext context, ImageRequest? request, RgbImage? source, ApiError? error)
    {
        var services = context.RequestServices;
        var options = services.GetRequiredService<WorkerOptions>();
        if (error is not null)
        {
            await ApiErrors.WriteAsync(context, error);
            return;
        }
        if (await RefuseAsync(context))
            return;
        var pipeline = services.GetRequiredService<ImageWork>().Pipeline!;
        var (plan, refusal) = DrawingPlan.Make(
            request!, source, options, LimitsOf(pipeline), RandomSeed);
        if (plan is null)
        {
            await ApiErrors.WriteAsync(context, refusal!);
            return;
        }
        using var stream = request!.Stream == true ? new EventStream(plan, source is not null) : null;
        var (loop, tasks) = (services.GetRequiredService<JobLoop>(), plan.Tasks(stream, context.RequestAborted));
        var inBackground = stream is not null && tasks.Count == 1 && context.Request.Headers[WorkerHeaders.Background] == "true";
        var jobs = inBackground ? loop.TryAdmitInBackground(tasks[0]) : loop.TryAdmit(tasks);
        if (jobs is null)
        {
            await BusyAsync(context, "The worker draws as many images as it can.");
            return;
        }
        context.Response.Headers["x-modm-model"] = options.Name;
        context.Response.Headers["x-modm-seed"] = plan.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var created = services.GetRequiredService<TimeProvider>().GetUtcNow().ToUnixTimeSeconds();
        if (stream is not null)
        {
            await stream.WriteAsync(context, jobs, created);
            return;
        }
        var images = await Task.WhenAll(jobs.Select(j => j.Done));
        await context.Response.WriteAsJsonAsync(
            plan.Response(images, created), ApiJson.Default.ImageResponse, cancellationToken: context.RequestAborted);
    }

    private static ModelLimits LimitsOf(DiffusionPipeline pipeline) =>
        new(pipeline.Sizes, pipeline.MaxSteps, pipeline.DefaultGuidance) { Sampler = pipeline.Sampler, Revision = pipeline.Revision };

    /// <summary>Answers a request that comes before the model is ready or after the worker has begun to drain.</summary>
    internal static async Task<bool> RefuseAsync(HttpContext context)
    {
        if (context.RequestServices.GetRequiredService<IWorkload>().Draining)
        {
            await BusyAsync(context, "The worker is draining and takes nothing new.");
            return true;
        }
        if (context.RequestServices.GetRequiredService<ModelLoading>().Ready)
            return false;
        await ApiErrors.WriteAsync(context, ApiError.Unavailable("The model is still loading.", 1));
        return true;
    }

    internal static Task BusyAsync(HttpContext context, string reason)
    {
        context.Response.Headers[BusyHeader] = "true";
        return ApiErrors.WriteAsync(context, ApiError.Unavailable(reason, 1));
    }

    // The one place where chance comes in; every answer reports the seed.
    internal static long RandomSeed() => RandomNumberGenerator.GetInt32(int.MaxValue);
}
