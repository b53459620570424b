using System.Globalization;
using MoDM.Api;
using MoDM.Gateway.Callers;
using MoDM.Http;
using MoDM.Mixture;

namespace MoDM.Gateway.Stories;

/// <summary>OpenAI's Completions and Chat Completions APIs, and endings of stories, for a Story mixture.</summary>
internal static partial class StoriesApi
{
    public static void MapStories(this WebApplication app)
    {
        var stories = app.MapGroup("/v1").WithTags("Stories");
        stories.MapPost("/completions", (Delegate)((HttpContext context) => AnswerAsync(context, body => StoryRequestReader.ReadCompletion(body.Span))))
            .WithSummary("Write on a text").Produces<CompletionResponse>();
        stories.MapPost("/chat/completions", (Delegate)((HttpContext context) => AnswerAsync(context, body => StoryRequestReader.ReadChat(body.Span))))
            .WithSummary("Write on a conversation").Produces<ChatResponse>();
        stories.MapPost("/stories/endings", (Delegate)EndingsApi.AnswerAsync)
            .Accepts<EndingRequest>("application/json").WithSummary("End a story in whole sentences, with a picture if wanted").Produces<EndingResponse>();
        // Under a name of its own too, for whoever reaches it through an image gateway.
        foreach (var path in (string[])["/models", "/stories/models"])
            stories.MapGet(path, (CurrentMixture mixture) =>
                    Results.Json(new ModelList([.. StoryFlow.NamesOf(mixture.Now).Select(n => new ModelCard(n, 0))]), ApiJson.Default.ModelList))
                .WithSummary("List the models: the mixture and its members").Produces<ModelList>();
        stories.MapGet("/models/{id}", (string id, CurrentMixture mixture) => StoryFlow.NamesOf(mixture.Now).Contains(id)
                ? Results.Json(new ModelCard(id, 0), ApiJson.Default.ModelCard)
                : ApiErrors.Result(ApiError.NotFound(
                    $"There is no model \"{id}\" here; there are {string.Join(", ", StoryFlow.NamesOf(mixture.Now))}.", "model", "model_not_found")))
            .WithSummary("Get one model").Produces<ModelCard>();
    }

    private static async Task AnswerAsync(HttpContext context, Func<ReadOnlyMemory<byte>, (StoryRequest? Request, ApiError? Error)> read)
    {
        var (body, error) = await JsonBody.ReadAsync(context, JsonBody.Max);
        var request = default(StoryRequest);
        if (error is null) (request, error) = read(body);
        await ServeAsync(context, request, error, (plan, flow, stop) => request!.Stream == true
            ? new StoryStream(context, plan, flow).RunAsync(stop) : RespondAsync(context, plan, flow, stop));
    }

    /// <summary>Plans, answers and counts; an error is written unless the answer has begun.</summary>
    public static async Task ServeAsync(
        HttpContext context, StoryRequest? request, ApiError? error,
        Func<StoryPlan, StoryFlow, CancellationTokenSource, Task<(WrittenStory? Story, ApiError? Error)>> answer)
    {
        var services = context.RequestServices;
        var (flow, mixture, time) = (services.GetRequiredService<StoryFlow>(), services.GetRequiredService<CurrentMixture>().Now, services.GetRequiredService<TimeProvider>());
        var (started, story) = (time.GetTimestamp(), default(WrittenStory));
        // However the answer ends, nothing is written on for it.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        try
        {
            var plan = default(StoryPlan);
            error ??= CallerTurn.Of(context)?.Take((request!.N ?? 1) * request.Prompts.Count, "text");
            if (error is null) (plan, error) = flow.Plan(mixture, Caller.Of(context), request!);
            if (plan is not null) (story, error) = await answer(plan, flow, stop);
            if (error is not null && !context.Response.HasStarted) await ApiErrors.WriteAsync(context, error);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            error = new ApiError(499, "The client went away.", "client_closed", null, null);
        }
        finally
        {
            await stop.CancelAsync();
            CallerTurn.Of(context)?.Settle(error?.Status ?? 200, error?.Code);
            var took = time.GetElapsedTime(started);
            var (route, model) = (story?.Why.Route ?? "none", story?.Model ?? "none");
            Log.Answered(services.GetRequiredService<ILogger<StoryFlow>>(), error?.Status ?? 200, route, model, took.TotalMilliseconds, error?.Message ?? story?.Why.Reason ?? "");
            GatewayMetrics.Requests.WithLabels(mixture.Name, route, model, $"{error?.Status ?? 200}").Inc();
            if (error is null)
            {
                GatewayMetrics.RequestSeconds.WithLabels(mixture.Name, route).Observe(took.TotalSeconds);
                if (took > mixture.Spec.Slo.Latency) GatewayMetrics.SloMisses.WithLabels(mixture.Name).Inc();
            }
        }
    }

    public static void SetHeaders(HttpResponse response, StoryPlan plan, string model, StoryProvenance why)
    {
        response.Headers["x-modm-route"] = why.Route;
        response.Headers["x-modm-model"] = model;
        response.Headers["x-modm-reason"] = Printable(why.Reason);
        response.Headers["x-modm-seed"] = plan.Seed.ToString(CultureInfo.InvariantCulture);
        if (plan.Ignored(why.Route) is { } ignored) response.Headers["x-modm-ignored"] = ignored;
    }

    private static async Task<(WrittenStory?, ApiError?)> RespondAsync(HttpContext context, StoryPlan plan, StoryFlow flow, CancellationTokenSource stop)
    {
        var results = await Task.WhenAll(plan.Texts.Select(async (_, i) =>
        {
            try
            {
                var result = await flow.WriteAsync(plan, i, static _ => ValueTask.FromResult(true), stop.Token);
                if (result.Error is not null) await stop.CancelAsync();
                return result;
            }
            catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
            {
                return (null, null); // Another text failed, and with it the request.
            }
        }));
        context.RequestAborted.ThrowIfCancellationRequested();
        if (Array.Find(results, r => r.Error is not null).Error is { } error) return (null, error);
        List<WrittenStory> stories = [.. results.Select(r => r.Story!)];
        var whose = stories.Find(s => s.Why.Route == "fallback") ?? stories[0];
        SetHeaders(context.Response, plan, whose.Model, whose.Why);
        var answers = new StoryAnswers(plan.Id, whose.Model, Created(context), includeUsage: false);
        List<WrittenText> texts = [.. stories.Select((s, i) => new WrittenText(plan.Echo(i) + s.Text, s.FinishReason))];
        if (plan.Request.Messages is null)
            await context.Response.WriteAsJsonAsync(answers.Completion(texts, UsageOf(plan, stories)), ApiJson.Default.CompletionResponse, cancellationToken: context.RequestAborted);
        else
            await context.Response.WriteAsJsonAsync(answers.Chat(texts, UsageOf(plan, stories)), ApiJson.Default.ChatResponse, cancellationToken: context.RequestAborted);
        return (whose, null);
    }

    /// <summary>Null when one of them was not counted. A prompt counts once, however many texts it has.</summary>
    public static TokenUsage? UsageOf(StoryPlan plan, IReadOnlyList<WrittenStory> stories) => stories.All(s => s.Usage is not null)
        ? new TokenUsage(stories.Where((_, i) => i % (plan.Request.N ?? 1) == 0).Sum(s => s.Usage!.PromptTokens), stories.Sum(s => s.Usage!.CompletionTokens)) : null;

    public static long Created(HttpContext context) =>
        context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow().ToUnixTimeSeconds();

    /// <summary>As a header may hold it.</summary>
    private static string Printable(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c : '?'));

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Status} {Route} {Model} {Milliseconds:0} ms: {Reason}")]
        public static partial void Answered(ILogger log, int status, string route, string model, double milliseconds, string reason);
    }
}
