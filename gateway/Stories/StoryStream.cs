using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using MoDM.Api;

namespace MoDM.Gateway.Stories;

/// <summary>
/// A streamed answer as OpenAI sends it. It begins with the first words, so that the headers can say who writes; when another
/// model takes over after that, a comment and the chunks' <c>model</c> say so.
/// </summary>
internal sealed class StoryStream(HttpContext context, StoryPlan plan, StoryFlow flow)
{
    private static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(10);

    private readonly Channel<(int Choice, StoryPiece? Piece, WrittenStory? Story, ApiError? Error)> _events =
        Channel.CreateUnbounded<(int, StoryPiece?, WrittenStory?, ApiError?)>();

    private readonly long _created = StoriesApi.Created(context);
    private readonly string?[] _models = new string?[plan.Texts.Count];

    private bool Chat => plan.Request.Messages is not null;

    public async Task<(WrittenStory? Story, ApiError? Error)> RunAsync(CancellationTokenSource stop)
    {
        var writing = plan.Texts.Select((_, i) => WriteAsync(i, stop)).ToList();
        try
        {
            return await AnswerAsync(stop);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(writing);
        }
    }

    private async Task WriteAsync(int choice, CancellationTokenSource stop)
    {
        try
        {
            var (story, error) = await flow.WriteAsync(plan, choice, piece =>
            {
                _events.Writer.TryWrite((choice, piece, null, null));
                return ValueTask.FromResult(true);
            }, stop.Token);
            _events.Writer.TryWrite((choice, null, story, error));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Nobody reads on.
        }
        catch (Exception e)
        {
            _events.Writer.TryWrite((choice, null, null, Http.ApiErrors.Failure(e)));
        }
    }

    private async Task<(WrittenStory?, ApiError?)> AnswerAsync(CancellationTokenSource stop)
    {
        var stories = new WrittenStory?[plan.Texts.Count];
        for (var open = stories.Length; open > 0;)
        {
            var next = _events.Reader.ReadAsync(stop.Token).AsTask();
            while (await Task.WhenAny(next, Task.Delay(HeartbeatEvery, stop.Token)) != next)
            {
                if (context.Response.HasStarted) await SendAsync(": heartbeat\n\n");
                stop.Token.ThrowIfCancellationRequested();
            }
            var (choice, piece, story, error) = await next;
            if (error is not null)
            {
                if (context.Response.HasStarted) await SendAsync($"data: {Json(new ApiErrorBody(error), ApiJson.Default.ApiErrorBody)}\n\n");
                return (null, error);
            }
            if (piece is { } added)
            {
                await BeginAsync(choice, added.Model, added.Why);
                await ChunkAsync(choice, added.Text, null);
            }
            if (story is not null)
            {
                await BeginAsync(choice, story.Model, story.Why);
                await ChunkAsync(choice, "", story.FinishReason);
                stories[choice] = story;
                open--;
            }
        }
        List<WrittenStory> done = [.. stories.Select(s => s!)];
        if (plan.Request.IncludeUsage && StoriesApi.UsageOf(plan, done) is { } usage)
        {
            var answers = Answers(0);
            await SendAsync(Chat ? $"data: {Json(answers.ChatUsage(usage), ApiJson.Default.ChatResponse)}\n\n"
                : $"data: {Json(answers.CompletionUsage(usage), ApiJson.Default.CompletionResponse)}\n\n");
        }
        await SendAsync("data: [DONE]\n\n");
        return (done.Find(s => s.Why.Route == "fallback") ?? done[0], null);
    }

    private async Task BeginAsync(int choice, string model, StoryProvenance why)
    {
        if (!context.Response.HasStarted)
        {
            StoriesApi.SetHeaders(context.Response, plan, model, why);
            context.Response.ContentType = "text/event-stream";
            context.Response.Headers.CacheControl = "no-store";
            context.Response.Headers["X-Accel-Buffering"] = "no";
        }
        var before = _models[choice];
        if (before is null)
        {
            _models[choice] = model;
            if (Chat) await SendAsync($"data: {Json(Answers(choice).ChatChunk(choice, new ChatText("assistant", ""), null), ApiJson.Default.ChatResponse)}\n\n");
            else if (plan.Echo(choice) is { Length: > 0 } echo) await ChunkAsync(choice, echo, null);
        }
        // A finished text names both of its writers.
        else if (before != model && !model.Contains('+', StringComparison.Ordinal))
        {
            _models[choice] = model;
            await SendAsync($": modm {Json(new EndingDelta("takeover", $"{model}: {why.Reason}"), ApiJson.Default.EndingDelta)}\n\n");
        }
    }

    private Task ChunkAsync(int choice, string text, string? reason) => SendAsync(Chat
        ? $"data: {Json(Answers(choice).ChatChunk(choice, new ChatText(null, reason is null ? text : null), reason), ApiJson.Default.ChatResponse)}\n\n"
        : $"data: {Json(Answers(choice).CompletionChunk(choice, text, reason), ApiJson.Default.CompletionResponse)}\n\n");

    private StoryAnswers Answers(int choice) => new(plan.Id, _models[choice]!, _created, plan.Request.IncludeUsage);

    private async Task SendAsync(string text)
    {
        await context.Response.WriteAsync(text, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private static string Json<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.Serialize(value, type);
}
