using System.Globalization;
using MoDM.Api;
using MoDM.Http;

namespace MoDM.Worker.Stories;

/// <summary>The OpenAI Completions and Chat Completions APIs for one story model.</summary>
internal static class StoriesApi
{
    public const string Routes = "POST /v1/completions, POST /v1/chat/completions";

    public static void AddStories(this IServiceCollection services, StoryFolder folder, WorkerOptions options, Prometheus.CollectorRegistry registry) =>
        services.AddSingleton(folder)
            .AddSingleton(new StoryLoop(options.MaxTexts, options.MaxQueue, new StoryMetrics(registry, options.Name)))
            .AddSingleton<StoryWork>()
            .AddSingleton<IWorkload>(s => s.GetRequiredService<StoryWork>());

    public static void MapStories(this WebApplication app)
    {
        app.MapPost("/v1/completions", context => Serve(context, body => StoryRequestReader.ReadCompletion(body.Span)));
        app.MapPost("/v1/chat/completions", context => Serve(context, body => StoryRequestReader.ReadChat(body.Span)));
    }

    private static async Task Serve(HttpContext context, Func<ReadOnlyMemory<byte>, (StoryRequest? Request, ApiError? Error)> read)
    {
        var services = context.RequestServices;
        var options = services.GetRequiredService<WorkerOptions>();
        var (body, error) = await JsonBody.ReadAsync(context, JsonBody.Max);
        var request = default(StoryRequest);
        if (error is null)
            (request, error) = read(body);
        if (error is not null)
        {
            await ApiErrors.WriteAsync(context, error);
            return;
        }
        if (await WorkerApi.RefuseAsync(context))
            return;
        var (plan, refusal) = StoryPlan.Make(
            request!, options, services.GetRequiredService<StoryFolder>().Defaults, services.GetRequiredService<StoryWork>().Tokenizer!, WorkerApi.RandomSeed);
        if (plan is null)
        {
            await ApiErrors.WriteAsync(context, refusal!);
            return;
        }
        // However the answer ends, nothing is written on for it.
        using var left = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        try
        {
            await AnswerAsync(context, plan, left.Token);
        }
        finally
        {
            await left.CancelAsync();
        }
    }

    private static async Task AnswerAsync(HttpContext context, StoryPlan plan, CancellationToken cancelled)
    {
        var services = context.RequestServices;
        var stream = plan.Request.Stream == true ? new StoryStream(plan, context.Response.BodyWriter) : null;
        var jobs = services.GetRequiredService<StoryLoop>().TryAdmit(plan.Tasks(stream is null ? null : stream.Post, cancelled));
        if (jobs is null)
        {
            await WorkerApi.BusyAsync(context, "The worker writes as many texts as it can, and as many wait as may.");
            return;
        }
        context.Response.Headers["x-modm-model"] = plan.Model;
        context.Response.Headers["x-modm-seed"] = plan.Seed.ToString(CultureInfo.InvariantCulture);
        if (plan.IgnoresSystem)
            context.Response.Headers["x-modm-ignored"] = "system messages";
        var created = services.GetRequiredService<TimeProvider>().GetUtcNow().ToUnixTimeSeconds();
        var texts = jobs.SelectMany(j => j.Drafts).Select(d => d.Done).ToArray();
        if (stream is not null)
        {
            await stream.WriteAsync(context, texts, created);
            return;
        }
        var (stories, answers) = (await Task.WhenAll(texts), plan.Answers(created));
        List<WrittenText> written = [.. stories.Select((s, i) => new WrittenText(plan.Echo(i) + s.Text, StoryPlan.Reason(s)))];
        if (plan.Chat)
            await context.Response.WriteAsJsonAsync(answers.Chat(written, plan.Usage(stories)), ApiJson.Default.ChatResponse, cancellationToken: cancelled);
        else
            await context.Response.WriteAsJsonAsync(answers.Completion(written, plan.Usage(stories)), ApiJson.Default.CompletionResponse, cancellationToken: cancelled);
    }
}
