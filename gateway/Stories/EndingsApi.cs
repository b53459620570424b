using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using MoDM.Api;
using MoDM.Http;
using MoDM.Mixture;

namespace MoDM.Gateway.Stories;

/// <summary><c>POST /v1/stories/endings</c>: the beginning of a story in, so many whole sentences out, and their picture if wanted.</summary>
internal static class EndingsApi
{
    private const string Delta = "story.ending.delta", Completed = "story.ending.completed";
    private const string Drawn = "story.image.completed", NotDrawn = "story.image.failed";

    /// <summary>More than a sentence has.</summary>
    private const int TokensPerSentence = 60;

    public static async Task AnswerAsync(HttpContext context)
    {
        var (body, error) = await JsonBody.ReadAsync(context, JsonBody.Max);
        var request = default(EndingRequest);
        if (error is null) (request, error) = StoryRequestReader.ReadEnding(body.Span);
        var illustrator = context.RequestServices.GetRequiredService<Illustrator>();
        if (request?.Illustrate == true && illustrator.Address is null)
            error = ApiError.BadRequest("illustrate", "cannot be done: no image mixture is named; set spec.illustrator.url, or --illustrator URL.");
        await StoriesApi.ServeAsync(context, request is null ? null : StoryOf(request), error,
            (plan, flow, stop) => EndAsync(context, request!, plan, flow, illustrator, stop));
    }

    /// <summary>The same for a model that chats, and for one that only ever writes on.</summary>
    private static StoryRequest StoryOf(EndingRequest request)
    {
        var n = request.Sentences ?? 1;
        var sentences = n == 1 ? "exactly one sentence that ends" : $"exactly {n} sentences that end";
        return new StoryRequest
        {
            Model = request.Model,
            IsEnding = true,
            Prompts = [request.Prompt],
            Messages = [new ChatMessage("system", $"Write {sentences} this story. Answer with nothing else."), new ChatMessage("user", request.Prompt)],
            MaxTokens = n * TokensPerSentence,
            Temperature = request.Temperature,
            TopP = request.TopP,
            Seed = request.Seed,
            User = request.User,
        };
    }

    private static async Task<(WrittenStory?, ApiError?)> EndAsync(
        HttpContext context, EndingRequest request, StoryPlan plan, StoryFlow flow, Illustrator illustrator, CancellationTokenSource stop)
    {
        var cutter = new SentenceCutter(request.Sentences ?? 1);
        var events = request.Stream == true ? new Events(context, plan) : null;
        var begun = false;
        var (story, error) = await flow.WriteAsync(plan, 0, async piece =>
        {
            var text = cutter.Add(begun ? piece.Text : piece.Text.TrimStart());
            begun |= text.Length > 0;
            if (events is not null) await events.BeginAsync(piece.Model, piece.Why);
            if (events is not null && text.Length > 0) await events.SendAsync(Delta, new EndingDelta(Delta, text), ApiJson.Default.EndingDelta);
            return !cutter.Done;
        }, stop.Token);
        if (story is null)
        {
            if (context.Response.HasStarted) await events!.SendAsync("error", new ApiErrorBody(error!), ApiJson.Default.ApiErrorBody);
            return (null, error);
        }
        cutter.End();
        var ending = cutter.Whole(wordsEnd: story.FinishReason == "stop");
        if (ending.Length == 0)
        {
            error = ApiError.Upstream($"{story.Model} wrote nothing; try again, or begin the story with more words.");
            if (context.Response.HasStarted) await events!.SendAsync("error", new ApiErrorBody(error), ApiJson.Default.ApiErrorBody);
            return (null, error);
        }
        var answer = new EndingResponse
        {
            Id = $"ending-{RandomNumberGenerator.GetHexString(24, lowercase: true)}",
            Created = StoriesApi.Created(context),
            Model = story.Model,
            Ending = ending,
            Sentences = cutter.Sentences,
            FinishReason = cutter.Done ? "stop" : story.FinishReason,
            Seed = plan.Seed,
            Usage = story.Usage,
            Modm = story.Why,
        };
        if (events is null)
        {
            if (request.Illustrate == true) answer = answer with { Image = await illustrator.DrawAsync(ending, plan.Seed, context.Request.Headers[Illustrator.ErrandHeader], stop.Token) };
            StoriesApi.SetHeaders(context.Response, plan, story.Model, story.Why);
            await context.Response.WriteAsJsonAsync(answer, ApiJson.Default.EndingResponse, cancellationToken: context.RequestAborted);
            return (story, null);
        }
        await events.BeginAsync(story.Model, story.Why);
        await events.SendAsync(Completed, answer with { Type = Completed }, ApiJson.Default.EndingResponse);
        if (request.Illustrate == true)
        {
            var image = await events.WhileAliveAsync(illustrator.DrawAsync(ending, plan.Seed, context.Request.Headers[Illustrator.ErrandHeader], stop.Token));
            image = image with { Type = image.Error is null ? Drawn : NotDrawn };
            await events.SendAsync(image.Type, image, ApiJson.Default.EndingImage);
        }
        return (story, null);
    }

    private sealed class Events(HttpContext context, StoryPlan plan)
    {
        private static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(10);
        private string? _model;

        public async Task BeginAsync(string model, StoryProvenance why)
        {
            if (_model is null)
            {
                StoriesApi.SetHeaders(context.Response, plan, model, why);
                context.Response.ContentType = "text/event-stream";
                context.Response.Headers.CacheControl = "no-store";
                context.Response.Headers["X-Accel-Buffering"] = "no";
            }
            else if (_model != model)
            {
                await WriteAsync($": modm {model} goes on: {why.Reason}\n\n");
            }
            _model = model;
        }

        public Task SendAsync<T>(string name, T data, JsonTypeInfo<T> type) => WriteAsync($"event: {name}\ndata: {JsonSerializer.Serialize(data, type)}\n\n");

        public async Task<T> WhileAliveAsync<T>(Task<T> task)
        {
            while (await Task.WhenAny(task, Task.Delay(HeartbeatEvery, context.RequestAborted)) != task)
                await WriteAsync(": heartbeat\n\n");
            return await task;
        }

        private async Task WriteAsync(string text)
        {
            await context.Response.WriteAsync(text, context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }
}
